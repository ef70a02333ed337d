#!/usr/bin/env bash
# Prints the paths of the generated files below a folder, relative to it, sorted.
set -euo pipefail
cd "$1"
{
  find chalkandduster buf -name '*_pb2.py' -o -name '*_pb2.pyi' -o -name '*_pb2_grpc.py' -o -name '*_pb2_grpc.pyi' 2>/dev/null || true
  find gateway/api.pb gateway/docs/openapi.json 2>/dev/null || true
} | LC_ALL=C sort
