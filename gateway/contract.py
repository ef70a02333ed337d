"""What the gateway knows about the API, read from a compiled descriptor set: services, their RPCs, REST paths, access rules."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from google.api import annotations_pb2, http_pb2
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool

from chalkandduster.common.v1 import access_pb2

SERVICES = Path(__file__).resolve().parents[1] / "services"
OUR_SERVICE = re.compile(r"chalkandduster\.(?P<name>[a-z]+)\.v1\.[A-Za-z]+Service")


class UnknownServiceError(ValueError):
    """A service was named that the compiled protos do not hold."""


@dataclass(frozen=True, slots=True)
class Binding:
    """One REST way to call an RPC."""

    verb: str
    """Lower case, for example `post`."""
    path: str
    """A google.api.http template, for example `/api/v1/tenants/{tenant.id}`."""
    body: str
    """Name of the request field that the body fills, `*` for the whole request, empty for none."""


@dataclass(frozen=True, slots=True)
class Rpc:
    """One RPC with what its options say."""

    descriptor: MethodDescriptor
    bindings: tuple[Binding, ...]
    access: access_pb2.Access

    @property
    def name(self) -> str:
        """Name of the method, for example `GetRun`."""
        return self.descriptor.name

    @property
    def grpc_path(self) -> str:
        """The path of the RPC on the wire, for example `/chalkandduster.quality.v1.QualityService/GetRun`."""
        return f"/{self.descriptor.containing_service.full_name}/{self.descriptor.name}"

    @property
    def public(self) -> bool:
        """Whether callers need no token."""
        return self.access.scope == access_pb2.Access.PUBLIC

    @property
    def internal(self) -> bool:
        """Whether it is for services only: it has no REST path, and the gateway does not route it at all."""
        return not self.bindings

    @property
    def streaming(self) -> bool:
        """Whether it answers a stream of messages."""
        return bool(self.descriptor.server_streaming)


class Contract:
    """The services of a descriptor set, by their short name (`registry` for `chalkandduster.registry.v1.RegistryService`)."""

    def __init__(self, serialized: bytes) -> None:
        self.files = FileDescriptorSet.FromString(serialized)
        self.pool = DescriptorPool()
        for file in self.files.file:
            self.pool.AddSerializedFile(file.SerializeToString())

    @cached_property
    def services(self) -> Mapping[str, ServiceDescriptor]:
        """Our services by short name, in the order of the names."""
        found: dict[str, ServiceDescriptor] = {}
        for file in self.files.file:
            for service in file.service:
                full_name = f"{file.package}.{service.name}"
                if match := OUR_SERVICE.fullmatch(full_name):
                    found[match["name"]] = self.pool.FindServiceByName(full_name)
        return dict(sorted(found.items()))

    @property
    def startable(self) -> Sequence[str]:
        """Short names of the services that this repository can start: an API that nobody answers is not described."""
        return [name for name in self.services if (SERVICES / name / "main.py").is_file()]

    def service(self, name: str) -> ServiceDescriptor:
        """Returns the service of that short name; raises UnknownServiceError."""
        try:
            return self.services[name]
        except KeyError:
            known = ", ".join(self.services)
            raise UnknownServiceError(f"no service named {name!r} in the protos; there are: {known}") from None

    def rpcs(self, name: str) -> Iterator[Rpc]:
        """Yields the RPCs of a service in the order of the proto."""
        for method in self.service(name).methods:
            options = method.GetOptions()
            rule = options.Extensions[annotations_pb2.http]
            yield Rpc(method, tuple(_bindings(rule)), options.Extensions[access_pb2.access])


def _bindings(rule: http_pb2.HttpRule) -> Iterator[Binding]:
    verb = rule.WhichOneof("pattern")
    if verb == "custom":
        yield Binding(rule.custom.kind.lower(), rule.custom.path, rule.body)
    elif verb:
        yield Binding(verb, getattr(rule, verb), rule.body)
    for additional in rule.additional_bindings:
        yield from _bindings(additional)
