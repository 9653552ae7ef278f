#!/bin/sh
# arc.sh ARC_SUITE SUITE.yml WANTED: 77 (skipped) when the suite or what reads it is missing.
set -eu
here=$(dirname "$0")
if [ ! -r "$2" ]; then echo "SKIPPED: $2 is not here"; exit 77; fi
if ! /usr/bin/python3 -c 'import yaml' 2>/dev/null; then echo "SKIPPED: python3-yaml is not installed"; exit 77; fi
cases=$(mktemp)
trap 'rm -f "$cases"' EXIT
/usr/bin/python3 "$here/arc.py" "$2" > "$cases"
"$1" "$cases" "$3"
