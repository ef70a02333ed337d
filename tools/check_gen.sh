#!/usr/bin/env bash
# Fails when a generated file is not what proto/ gives, or is left over, and says which and how to mend it.
set -euo pipefail
cd "$(dirname "$0")/.."
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
tools/generate_into.sh "$out"

stale=$(
  { tools/generated_files.sh .; tools/generated_files.sh "$out"; } | LC_ALL=C sort -u |
    while read -r file; do cmp -s "$file" "$out/$file" || echo "  $file"; done
)
if [ -n "$stale" ]; then
  printf 'Generated files do not match proto/:\n%s\nRun tools/gen.sh and commit the result.\n' "$stale" >&2
  exit 1
fi
