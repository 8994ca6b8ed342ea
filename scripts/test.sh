#!/bin/sh
# Runs the tests of every package, those where goroutines share state under the race detector. `make race` runs all of them so.
set -eu
cd "$(dirname "$0")/.."

# The detector costs memory and several times the processor time, which the long tests of whole moves can't afford in one sitting.
racy='internal/(operation|registry|provision|upgrade|postgres|operator)(/|$)'
# The longest begin first, so that nothing is left to run alone at the end.
longest='(test/(faults|moves|platform|operator)|internal/(operator|provision|upgrade))$'
longest_first() {
	echo "$1" | grep -E "$longest" || true
	echo "$1" | grep -Ev "$longest" || true
}

packages=$(go list ./...)
plain=$(echo "$packages" | grep -Ev "$racy" || true)
status=0
# The linter has vetted all of it.
if command -v gcc >/dev/null 2>&1 || command -v cc >/dev/null 2>&1; then
	# shellcheck disable=SC2046 # a list of packages
	CGO_ENABLED=1 go test -race -vet off -p 2 -timeout 10m $(longest_first "$(echo "$packages" | grep -E "$racy")") || status=$?
else
	plain=$packages
fi
# shellcheck disable=SC2046
go test -vet off -p 2 -timeout 14m $(longest_first "$plain") || status=$?
exit "$status"
