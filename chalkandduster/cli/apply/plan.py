"""What `apply` would do, and doing it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import protovalidate
from google.protobuf.message import Message

from chalkandduster.cli.apply.compare import difference
from chalkandduster.cli.apply.manifest import Manifest
from chalkandduster.cli.apply.problem import Problem
from chalkandduster.cli.apply.remote import Remote
from chalkandduster.quality.v1.schedule_pb2 import Schedule, SetScheduleRequest
from chalkandduster.registry.v1.connection_pb2 import Connection, CreateConnectionRequest
from chalkandduster.registry.v1.dataset_pb2 import CreateDatasetRequest, Dataset
from chalkandduster.registry.v1.tenant_pb2 import CreateTenantRequest, Tenant

# Where a rule asks for the id of what may not exist yet.
_ANY_ID = "00000000-0000-0000-0000-000000000000"
_SECRETS = {"snowflake": ("password", "private_key_pem"), "postgres": ("password",)}


class Action(StrEnum):
    """What happens to a resource."""

    CREATE = "create"
    UPDATE = "update"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Step:
    """One resource, and what is to be done about it."""

    manifest: Manifest
    action: Action
    current: Message | None
    paths: tuple[str, ...]
    """Fields that an update changes, secrets included."""
    diff: str


def make(manifests: list[Manifest], remote: Remote, problems: list[Problem], *, send_secrets: bool) -> list[Step]:
    """The steps in the order in which they are taken. Adds to `problems` what would be refused, as far as it can be told before.

    With `send_secrets` the secrets of connections are sent even if nothing else changes: the platform does not tell them.
    """
    steps = [_step(manifest, remote, send_secrets) for manifest in manifests]
    names = {(manifest.kind, manifest.name) for manifest in manifests}
    for step in steps:
        problems += _dangling(step.manifest, remote, names)
        problems += _broken_rules(step.manifest)
        problems += _kind_change(step)
        if step.action is Action.CREATE or "checks_yaml" in step.paths:
            problems += _wrong_checks(step.manifest, remote)
    return steps


def take(step: Step, remote: Remote) -> str:
    """Does what the step says; answers the id of the resource. Raises ApiError."""
    if step.current is None:
        return remote.create(step.manifest)
    if step.action is Action.UPDATE:
        return remote.update(step.manifest, step.current, step.paths)
    return str(getattr(step.current, "id", "") or getattr(step.current, "dataset_id", ""))


def _step(manifest: Manifest, remote: Remote, send_secrets: bool) -> Step:
    current = remote.find(manifest)
    found = difference(manifest, current, remote.name_referred_to(manifest, current))
    if current is None:
        return Step(manifest, Action.CREATE, None, (), found.diff)
    secrets = _secret_paths(manifest, current, found.paths, send_secrets)
    paths = (*found.paths, *secrets)
    note = "".join(f"+ {path}: (sent again)\n" for path in secrets)
    return Step(manifest, Action.UPDATE if paths else Action.UNCHANGED, current, paths, found.diff + note)


def _secret_paths(manifest: Manifest, current: Message, changed: tuple[str, ...], send: bool) -> tuple[str, ...]:
    """The secrets that go along: a change of where they are sent asks for them, and one that is not stored is always new."""
    if not isinstance(manifest.message, Connection) or not isinstance(current, Connection):
        return ()
    kind = manifest.message.WhichOneof("kind")
    if kind is None or kind != current.WhichOneof("kind"):
        return ()
    wanted, present = getattr(manifest.message, kind), getattr(current, kind)
    stored = {"password": present.has_password, "private_key_pem": kind == "snowflake" and present.has_private_key}
    go_along = send or any(path.startswith(f"{kind}.") for path in changed)
    return tuple(f"{kind}.{name}" for name in _SECRETS[kind] if getattr(wanted, name) and (go_along or not stored[name]))


def _dangling(manifest: Manifest, remote: Remote, names: set[tuple[str, str]]) -> Iterator[Problem]:
    kind = {"Dataset": "Connection", "Schedule": "Dataset"}.get(manifest.kind)
    if kind is None or not manifest.refers_to or (kind, manifest.refers_to) in names:
        return
    exists = remote.has_connection if kind == "Connection" else remote.has_dataset
    if not exists(manifest.refers_to):
        message = f"there is no {kind.lower()} {manifest.refers_to!r}, neither in the manifests nor in the tenant"
        yield Problem(manifest.place_of("connection_id" if kind == "Connection" else "dataset_id"), message)


def _broken_rules(manifest: Manifest) -> Iterator[Problem]:
    """The rules that the protos declare, held against the manifest before anything is sent."""
    for found in protovalidate.collect_violations(_create_request(manifest.message)):
        path = ""
        for element in found.proto.field.elements if found.proto.field is not None else ():
            subscript = element.subscript
            path += f".{element.field_name}" + (f"[{subscript.value}]" if subscript is not None else "")
        # `.connection.snowflake.host` of the request is `snowflake.host` of the manifest.
        own = path[1:].partition(".")[2]
        message = found.proto.message
        yield Problem(manifest.place_of(own), f"{own}: {message}" if own else message)


def _create_request(message: Message) -> Message:
    if isinstance(message, Tenant):
        return CreateTenantRequest(tenant=message)
    if isinstance(message, Connection):
        return CreateConnectionRequest(connection=message)
    if isinstance(message, Dataset):
        request = CreateDatasetRequest(dataset=message)
        request.dataset.connection_id = _ANY_ID
        return request
    return SetScheduleRequest(dataset_id=_ANY_ID, schedule=message if isinstance(message, Schedule) else None)


def _kind_change(step: Step) -> Iterator[Problem]:
    wanted, current = step.manifest.message, step.current
    if not isinstance(wanted, Connection) or not isinstance(current, Connection):
        return
    kind, present = wanted.WhichOneof("kind"), current.WhichOneof("kind")
    if kind is not None and kind != present:
        yield Problem(step.manifest.place_of(kind), f"{kind}: the kind cannot be changed, this is a {present} connection")


def _wrong_checks(manifest: Manifest, remote: Remote) -> Iterator[Problem]:
    if manifest.checks is None:
        return
    for error in remote.validate_checks(manifest.checks.text).errors:
        yield Problem(manifest.checks.place_of(error.line, error.column), error.message)
