"""A protoc plugin that answers with what grpc_tools generates: *_pb2.py for each file, *_pb2_grpc.py where it has services.

grpcio-tools bundles its generators inside a protoc and ships no plugin, and buf only starts plugins.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from google.protobuf.compiler.plugin_pb2 import CodeGeneratorRequest, CodeGeneratorResponse
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from grpc_tools import protoc  # type: ignore[import-untyped]


def generate(request: CodeGeneratorRequest) -> CodeGeneratorResponse:
    """Returns the generated files, or a response whose `error` says which protoc call failed."""
    response = CodeGeneratorResponse(supported_features=CodeGeneratorResponse.FEATURE_PROTO3_OPTIONAL)
    wanted = list(request.file_to_generate)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        out.mkdir()
        descriptors = Path(folder) / "request.binpb"
        descriptors.write_bytes(FileDescriptorSet(file=request.proto_file).SerializeToString())
        for option, names in (("--python_out", wanted), ("--grpc_python_out", _with_services(request.proto_file, wanted))):
            if names and protoc.main(["protoc", f"--descriptor_set_in={descriptors}", f"{option}={out}", *names]) != 0:
                return CodeGeneratorResponse(error=f"grpc_tools.protoc {option} failed for {', '.join(names)}")
        for path in sorted(out.rglob("*.py")):
            response.file.add(name=path.relative_to(out).as_posix(), content=path.read_text("utf-8"))
    return response


def _with_services(files: Iterable[FileDescriptorProto], wanted: list[str]) -> list[str]:
    return [file.name for file in files if file.service and file.name in wanted]


if __name__ == "__main__":
    answer = generate(CodeGeneratorRequest.FromString(sys.stdin.buffer.read()))
    sys.stdout.buffer.write(answer.SerializeToString())
