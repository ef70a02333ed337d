"""Finds what differs between a resource as it is and as its manifest wants it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from google.protobuf.message import Message

from chalkandduster.cli.apply.fields import enum_values, is_message, is_secret, spec_fields
from chalkandduster.cli.apply.manifest import Manifest

# Documented in the protos: leaving a field out means this, and the platform may answer either.
_DEFAULTS: Mapping[str, Any] = {
    "snowflake.protocol": "https",
    "postgres.port": 5432,
    "postgres.schema": "public",
    "postgres.sslmode": "require",
    "quotas.max_concurrent_runs": 4,
    "quotas.max_datasets": 10_000,
    "quotas.max_checks_per_dataset": 500,
    "timezone": "UTC",
}
_TEXTS = {"checks_yaml": "checks", "drift_yaml": "drift"}
_EMPTY: tuple[Any, ...] = ("", 0, False, [], {}, None)


@dataclass(frozen=True, slots=True)
class Difference:
    """What an update would change."""

    paths: tuple[str, ...]
    """Paths for an update mask, without secrets."""
    diff: str
    """Unified diff of the two as YAML; empty when nothing changes."""


def difference(manifest: Manifest, current: Message | None, refers_to: str) -> Difference:
    """Compares a manifest with what there is; `refers_to` is the name of what `current` refers to."""
    wanted = _leaves(manifest.message)
    present = _leaves(current) if current is not None else {}
    if manifest.kind == "Tenant":
        for leaves in (wanted, present) if current is not None else ():
            leaves["display_name"] = leaves["display_name"] or manifest.name
            # An operator suspends a tenant; a manifest that does not speak of it does not lift that.
            if "state" not in manifest.places:
                leaves.pop("state")
    reference = {"Dataset": "connection", "Schedule": "dataset"}.get(manifest.kind)
    if reference is not None:
        wanted[reference], present[reference] = manifest.refers_to, refers_to
    changed = {path for path in wanted.keys() | present.keys() if _meant(wanted, path) != _meant(present, path)}
    same = {path: value for path, value in wanted.items() if path not in changed}
    before = _rendered(same | {path: _meant(present, path) for path in changed})
    # What is created shows as written, a change to a default as that default.
    after = _rendered(same | {path: _meant(wanted, path) if path in present else wanted[path] for path in changed})
    label = manifest.label
    lines = difflib.unified_diff(before, after, f"{label} (now)" if current is not None else "/dev/null", f"{label} (manifest)")
    paths = tuple(sorted("connection_id" if path == "connection" else path for path in changed))
    return Difference(paths, "".join(lines))


def _leaves(message: Message, prefix: str = "") -> dict[str, Any]:
    """Every field that a manifest can set, by its path; secrets are left out."""
    leaves: dict[str, Any] = {}
    for name, field in spec_fields(message).items():
        path, value = f"{prefix}{name}", getattr(message, name)
        if is_secret(field) or (field.containing_oneof is not None and not message.HasField(name)):
            continue
        # The samples of a dataset are one decision: a part of it is never changed alone.
        if is_message(field) and name != "samples":
            leaves |= _leaves(value, f"{path}.")
        elif is_message(field):
            leaves[path] = {key: item for key, item in _leaves(value).items() if item not in _EMPTY}
        else:
            leaves[path] = _plain(field, value)
    return leaves


def _plain(field: Any, value: Any) -> Any:
    """The value of a field in plain Python, equal whenever it means the same."""
    names = {number: name for name, number in enum_values(field).items()}
    if field.message_type is not None:
        return dict(value)
    if field.is_repeated:
        return sorted(names[item] for item in value) if names else list(value)
    return names.get(value, "") if field.enum_type is not None else value


def _meant(leaves: Mapping[str, Any], path: str) -> Any:
    """The value with the documented default in the place of nothing."""
    value = leaves.get(path)
    if value not in _EMPTY:
        return value
    if path == "snowflake.port" and "snowflake.account" in leaves:
        return 80 if leaves.get("snowflake.protocol") == "http" else 443
    return _DEFAULTS.get(path) if path in leaves else None


def _rendered(leaves: Mapping[str, Any]) -> list[str]:
    """The leaves as the lines of a manifest's spec, texts of many lines last."""
    spec: dict[str, Any] = {}
    for path, value in sorted(leaves.items(), key=lambda leaf: (leaf[0] in _TEXTS, leaf[0])):
        if value in _EMPTY:
            continue
        *parents, name = path.split(".")
        inner = spec
        for parent in parents:
            inner = inner.setdefault(parent, {})
        inner[_TEXTS.get(name, name)] = value
    text = yaml.dump(spec, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100) if spec else ""
    return text.splitlines(keepends=True)


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks, so that a diff of checks shows their lines."""


def _represent_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _represent_text)
