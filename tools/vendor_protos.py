"""Fills third_party/ with the .proto files our own protos import, taken from installed wheels.

buf then needs no network: `deps:` in buf.yaml would ask the Buf Schema Registry. Run it after raising
googleapis-common-protos or protovalidate, and read the diff: `python -m tools.vendor_protos`.
"""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

from tools.print_proto import load_descriptor, print_file

# google.api: REST paths and field behaviour. google.rpc: the error model, which Envoy's transcoder must find in api.pb
# or it answers errors with an empty body.
FROM_GOOGLEAPIS = (
    "google/api/annotations.proto",
    "google/api/field_behavior.proto",
    "google/api/http.proto",
    "google/rpc/code.proto",
    "google/rpc/error_details.proto",
    "google/rpc/status.proto",
)
VALIDATE = "buf/validate/validate.proto"
VALIDATE_HEADER = """\
// Copyright 2023-2026 Buf Technologies, Inc., licensed under the Apache License, Version 2.0.
//
// Printed from the descriptor in the protovalidate {version} wheel by tools/vendor_protos.py, hence without the
// documentation of the original: https://buf.build/bufbuild/protovalidate

"""


def main(root: Path) -> None:
    """Writes every vendored file below `root`."""
    for name in FROM_GOOGLEAPIS:
        _write(root / name, (_site_packages() / name).read_text("utf-8"))
    _write(root / VALIDATE, validate_source())


def validate_source() -> str:
    """Returns the source of buf/validate/validate.proto at the installed protovalidate's version."""
    # The one private import: the wheel offers no public way to its descriptor.
    from protovalidate._gen.buf.validate import validate_pb

    serialized: bytes = validate_pb.desc().proto.to_binary()
    return VALIDATE_HEADER.format(version=metadata.version("protovalidate")) + print_file(load_descriptor(serialized))


def _site_packages() -> Path:
    distribution = metadata.distribution("googleapis-common-protos")
    return Path(str(distribution.locate_file("")))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent.parent / "third_party")
