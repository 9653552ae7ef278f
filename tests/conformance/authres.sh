#!/bin/sh
# authres.sh AUTHRES_SUITE TRANSCRIPT WANTED: 77 (skipped) when the transcript is missing.
set -eu
if [ ! -r "$2" ]; then echo "SKIPPED: $2 is not here"; exit 77; fi
exec /usr/bin/python3 "$(dirname "$0")/authres.py" "$@"
