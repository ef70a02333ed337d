"""third_party/ is what the installed wheels hold."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto, FileDescriptorSet
from grpc_tools import protoc  # type: ignore[import-untyped]

from tools.print_proto import UnsupportedDescriptorError, print_file

ROOT = Path(__file__).parents[3]
THIRD_PARTY = ROOT / "third_party"


def files_below(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text("utf-8") for path in sorted(folder.rglob("*.proto"))}


def test_vendored_files_are_those_of_the_wheels(tmp_path: Path) -> None:
    # In a process of its own, because it registers a second descriptor of buf/validate/validate.proto.
    subprocess.run([sys.executable, "-m", "tools.vendor_protos", str(tmp_path)], cwd=ROOT, check=True, timeout=30)
    assert files_below(THIRD_PARTY) == files_below(tmp_path)


def compiled(folder: Path, name: str) -> FileDescriptorProto:
    out = folder / "out.binpb"
    assert protoc.main(["protoc", f"--proto_path={THIRD_PARTY}", f"--proto_path={_well_known()}", f"--descriptor_set_out={out}", name]) == 0
    (file,) = FileDescriptorSet.FromString(out.read_bytes()).file
    return file


def _well_known() -> Path:
    return Path(protoc.__file__).parent / "_proto"


def normal(file: FileDescriptorProto) -> FileDescriptorProto:
    """Without the order of the fields in a message, which means nothing, and the derived JSON names."""
    for message in file.message_type:
        fields = sorted(message.field, key=lambda field: field.number)
        for field in fields:
            field.ClearField("json_name")
            if field.HasField("oneof_index"):
                field.ClearField("oneof_index")
        copy = DescriptorProto(field=fields)
        message.ClearField("field")
        message.field.extend(copy.field)
    for extension in file.extension:
        extension.ClearField("json_name")
    return file


def test_printed_source_compiles_to_the_descriptor_it_was_printed_from(tmp_path: Path) -> None:
    from protovalidate._gen.buf.validate import validate_pb

    original = FileDescriptorProto.FromString(validate_pb.desc().proto.to_binary())
    again = compiled(tmp_path, "buf/validate/validate.proto")
    assert normal(again) == normal(original)


def test_what_the_printer_does_not_know_is_refused() -> None:
    file = FileDescriptorProto(name="a.proto", package="a", syntax="proto3")
    with pytest.raises(UnsupportedDescriptorError, match="proto2"):
        print_file(file)
    nested = FileDescriptorProto(
        name="a.proto", package="a", message_type=[DescriptorProto(name="A", nested_type=[DescriptorProto(name="B")])]
    )
    with pytest.raises(UnsupportedDescriptorError, match="message A"):
        print_file(nested)
