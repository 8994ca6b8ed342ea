#!/bin/sh
# Runs the tests of every package, those where goroutines share state under the race detector. `make race` runs all of them so.
set -eu
cd "$(dirname "$0")/.."

# The detector costs memory and several times the processor time, which the long tests of whole moves can't afford in one sitting.
racy='internal/(operation|registry|local|provision|upgrade|postgres|operator)(/|$)'

packages=$(go list ./...)
plain=$(echo "$packages" | grep -Ev "$racy" || true)
status=0
if command -v gcc >/dev/null 2>&1 || command -v cc >/dev/null 2>&1; then
	# shellcheck disable=SC2046 # a list of packages
	CGO_ENABLED=1 go test -race -p 2 -timeout 10m $(echo "$packages" | grep -E "$racy") || status=$?
else
	plain=$packages
fi
# shellcheck disable=SC2086
go test -p 2 -timeout 14m $plain || status=$?
exit "$status"
