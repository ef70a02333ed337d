"""Manifests: what a YAML document says about one resource.

apiVersion: chalkandduster/v1
kind: Dataset
metadata: {name: orders}
spec:
  connection: warehouse       # by name
  table: ORDERS
  checks_file: checks/orders.yml
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from google.protobuf.message import Message

from chalkandduster.cli.apply import source
from chalkandduster.cli.apply.decode import Decoder, Entry
from chalkandduster.cli.apply.files import Document
from chalkandduster.cli.apply.problem import Place, Problem
from chalkandduster.cli.apply.source import Source
from chalkandduster.cli.errors import CliError
from chalkandduster.cli.validate import read_text
from chalkandduster.quality.v1.schedule_pb2 import Schedule
from chalkandduster.registry.v1.connection_pb2 import Connection
from chalkandduster.registry.v1.dataset_pb2 import Dataset
from chalkandduster.registry.v1.tenant_pb2 import Tenant

API_VERSION = "chalkandduster/v1"


@dataclass(frozen=True, slots=True)
class Manifest:
    """One resource as it shall be."""

    kind: str
    name: str
    place: Place
    message: Message
    """Without ids of other resources."""
    refers_to: str = ""
    """Name of the connection of a dataset, or of the dataset of a schedule."""
    checks: Source | None = None
    places: Mapping[str, Place] = field(default_factory=dict)
    """Where each field is set, by its path in the message."""

    @property
    def label(self) -> str:
        """How it is called in what is printed."""
        return f"{self.kind.lower()}/{self.name}"

    def place_of(self, path: str) -> Place:
        """Where a field is set: the field, or the nearest one around it, or the document."""
        while path:
            if path in self.places:
                return self.places[path]
            path = path.rpartition("[")[0] if path.endswith("]") else path.rpartition(".")[0]
        return self.place


def read(documents: list[Document], problems: list[Problem]) -> list[Manifest]:
    """The manifests in the order in which they are applied. Adds to `problems` what is wrong with them."""
    manifests = [manifest for document in documents if (manifest := _read(document, problems)) is not None]
    first: dict[tuple[str, str], Manifest] = {}
    for manifest in manifests:
        before = first.setdefault((manifest.kind, manifest.name), manifest)
        if before is not manifest:
            problems.append(Problem(manifest.place, f"{manifest.label} is declared twice; the first is at {before.place}"))
    return sorted(manifests, key=lambda manifest: KINDS.index(manifest.kind))


def _read(document: Document, problems: list[Problem]) -> Manifest | None:
    decoder = Decoder(document.file, problems)
    entries = decoder.mapping(document.node, "manifest")
    for name, (key, _) in entries.items():
        if name not in ("apiVersion", "kind", "metadata", "spec"):
            decoder.unknown(key, name, ("apiVersion", "kind", "metadata", "spec"))
    kind = _choice(decoder, document.node, entries, "kind", KINDS)
    version = _choice(decoder, document.node, entries, "apiVersion", (API_VERSION,))
    name = _name(decoder, document.node, entries)
    if not kind or not version or not name:
        return None
    spec = decoder.mapping(entries["spec"][1], "spec") if "spec" in entries else {}
    return _READERS[kind](document, decoder, name, spec)


def _choice(decoder: Decoder, document: yaml.Node, entries: dict[str, Entry], name: str, allowed: tuple[str, ...]) -> str:
    if name not in entries:
        decoder.complain(document, f"{name} is missing: expected {' or '.join(allowed)}")
        return ""
    value = decoder.text(entries[name][1], name)
    if value in allowed:
        return value
    decoder.complain(entries[name][1], f"{name}: expected {' or '.join(allowed)}")
    return ""


def _name(decoder: Decoder, document: yaml.Node, entries: dict[str, Entry]) -> str:
    metadata = decoder.mapping(entries["metadata"][1], "metadata") if "metadata" in entries else {}
    for key_name, (key, _) in metadata.items():
        if key_name != "name":
            decoder.unknown(key, key_name, ("name",))
    if "name" not in metadata:
        decoder.complain(document, "metadata.name is missing: expected the name of the resource")
        return ""
    name = decoder.text(metadata["name"][1], "metadata.name")
    if not name:
        decoder.complain(metadata["name"][1], "metadata.name: expected the name of the resource")
    return name


def _tenant(document: Document, decoder: Decoder, name: str, spec: dict[str, Entry]) -> Manifest:
    message = Tenant(name=name)
    places = decoder.fill(message, spec, "")
    return Manifest("Tenant", name, decoder.place(document.node), message, places=places)


def _connection(document: Document, decoder: Decoder, name: str, spec: dict[str, Entry]) -> Manifest:
    message = Connection(name=name)
    # Where a warehouse is differs between a laptop, staging and production; and `${` has no other meaning here, as it has in checks.
    places = decoder.with_references().fill(message, spec, "")
    return Manifest("Connection", name, decoder.place(document.node), message, places=places)


def _dataset(document: Document, decoder: Decoder, name: str, spec: dict[str, Entry]) -> Manifest:
    message = Dataset(name=name)
    places = decoder.fill(message, spec, "", also=("connection", *_text_names()))
    checks = _text(document, decoder, spec, "checks", message.table)
    drift = _text(document, decoder, spec, "drift", message.table)
    for field_name, text in (("checks_yaml", checks), ("drift_yaml", drift)):
        if text is not None:
            setattr(message, field_name, text.text)
            places[field_name] = text.place
    connection = decoder.text(spec["connection"][1], "connection") if "connection" in spec else ""
    if not connection:
        decoder.complain(document.node, "spec.connection is missing: expected the name of a connection")
    else:
        places["connection_id"] = decoder.place(spec["connection"][1])
    return Manifest("Dataset", name, decoder.place(document.node), message, connection, checks, places)


def _schedule(document: Document, decoder: Decoder, name: str, spec: dict[str, Entry]) -> Manifest:
    message = Schedule()
    places = decoder.fill(message, spec, "", also=("dataset",))
    # A dataset has one schedule, so that its name does for both.
    dataset = decoder.text(spec["dataset"][1], "dataset") if "dataset" in spec else name
    return Manifest("Schedule", name, decoder.place(document.node), message, dataset, None, places)


_READERS: Mapping[str, Callable[[Document, Decoder, str, dict[str, Entry]], Manifest]] = {
    # In the order in which they are applied: each kind refers to those before it.
    "Tenant": _tenant,
    "Connection": _connection,
    "Dataset": _dataset,
    "Schedule": _schedule,
}
KINDS = tuple(_READERS)


def _text_names() -> tuple[str, ...]:
    return tuple(f"{short}{suffix}" for short in ("checks", "drift") for suffix in ("", "_file"))


def _text(document: Document, decoder: Decoder, spec: dict[str, Entry], name: str, table: str) -> Source | None:
    """The text given in place or as a file; None when neither is given."""
    if name in spec and f"{name}_file" in spec:
        decoder.complain(spec[name][0], f"give {name} or {name}_file, not both")
        return None
    if name in spec:
        return source.from_entry(document, *spec[name], table if name == "checks" else "")
    if f"{name}_file" not in spec:
        return None
    node = spec[f"{name}_file"][1]
    file = _inside(document, decoder.text(node, f"{name}_file"))
    if file is None:
        decoder.complain(node, f"{name}_file: expected a path relative to this file, inside {document.root} or the current folder")
        return None
    try:
        return source.from_file(file, read_text(file))
    except CliError as error:
        decoder.complain(node, f"{name}_file: {error.message}")
        return None


def _inside(document: Document, name: str) -> Path | None:
    """The file that a manifest names; None when it is outside of what was given to apply and of the current folder.

    A manifest may come from a pull request, and what it names goes to the platform.
    """
    if not name or "\0" in name or Path(name).is_absolute():
        return None
    file = document.file.parent / name
    roots = (document.root.resolve(), Path.cwd().resolve())
    return file if any(file.resolve().is_relative_to(root) for root in roots) else None
