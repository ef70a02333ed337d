#!/usr/bin/env bash
# Fails when proto/ breaks clients of the contract that is committed as gateway/api.pb. Works in a clone of depth 1, and
# passes where nothing is committed yet. A break that is meant enters through `tools/gen.sh --accept-breaking` only.
set -euo pipefail
cd "$(dirname "$0")/.."
[ ! -d .venv/bin ] || export PATH="$PWD/.venv/bin:$PATH"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

git cat-file blob HEAD:gateway/api.pb >"$scratch/before.binpb" 2>/dev/null || exit 0
buf build --as-file-descriptor-set --exclude-source-info --output "$scratch/now.binpb"
# Image against image, because a workspace of two modules cannot be held against one image. Imports are not ours.
buf breaking "$scratch/now.binpb" --against "$scratch/before.binpb" --exclude-imports \
  --config '{"version": "v2", "breaking": {"use": ["FILE"]}}'
