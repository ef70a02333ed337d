#!/usr/bin/env bash
# Brings everything generated up to date with proto/.
#   tools/gen.sh                     refuses a change that breaks clients
#   tools/gen.sh --accept-breaking   says what breaks and makes it all the same; the next change is held against the result
set -euo pipefail
cd "$(dirname "$0")/.."
tools/check_breaking.sh || [ "${1:-}" = --accept-breaking ] || exit 1

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
tools/generate_into.sh "$out"

# chalkandduster/ also holds hand-written modules: only files named like generated ones, and made no more, go.
tools/generated_files.sh . | while read -r file; do [ -e "$out/$file" ] || rm "$file"; done
cp -R "$out/." .
