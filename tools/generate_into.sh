#!/usr/bin/env bash
# Generates all that comes from proto/ into a folder: Python stubs, gateway/api.pb (what Envoy transcodes by) and
# gateway/docs/openapi.json. Needs no network. Called by gen.sh and check_gen.sh.
#   tools/generate_into.sh DIR
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
out=$(cd "$1" && pwd)
cd "$root"
# The plugins of buf.gen.yaml are found by name: those of the project's environment come first.
[ ! -d .venv/bin ] || export PATH="$root/.venv/bin:$PATH"

mkdir -p "$out/gateway/docs"
buf generate --output "$out" 2>"$out/generate.log" || { cat "$out/generate.log" >&2; exit 1; }
# mypy-protobuf also writes a stub for files that have no service.
find "$out" -name '*_pb2_grpc.pyi' | while read -r stub; do [ -e "${stub%i}" ] || rm "$stub"; done
buf build --as-file-descriptor-set --exclude-source-info --output "$out/gateway/api.pb"
# With the comments, which become the descriptions. The generator reads the options through the stubs just made, not through
# those in the tree, which may be old or missing: hence a package of its own for as long as it runs.
buf build --as-file-descriptor-set --output "$out/commented.binpb"
touch "$out/chalkandduster/__init__.py"
(cd "$out" && PYTHONPATH="$out:$root" PYTHONDONTWRITEBYTECODE=1 python -m gateway.openapi commented.binpb >gateway/docs/openapi.json)
rm "$out/generate.log" "$out/commented.binpb" "$out/chalkandduster/__init__.py"
