#!/bin/sh
# Generates everything that is generated and fails where that changes a file: what is checked in must be what its source
# makes. Works on a tree with changes in it, and without Git.
set -eu
cd "$(dirname "$0")/.."

sums() {
	if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
		git ls-files --cached --others --exclude-standard -z
	else
		find . -path ./bin -prune -o -type f -print0
	fi | xargs -0 cksum 2>/dev/null | sort -k 3
}

before=$(mktemp)
after=$(mktemp)
trap 'rm -f "$before" "$after"' EXIT
sums >"$before"
go generate ./...
sums >"$after"
if ! cmp -s "$before" "$after"; then
	echo "verify: generated files were out of date; commit what \`make generate\` wrote:" >&2
	diff "$before" "$after" | sed -n 's/^> [0-9]* [0-9]* /  /p' >&2
	exit 1
fi
