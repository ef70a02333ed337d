"""The access rule of each RPC, read from the `access` option in the protos."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from google.protobuf import descriptor_pool

from chalkandduster.common.v1 import access_pb2
from services.common.interceptors.infrastructure import is_infrastructure
from services.common.startup import CannotStart


class AccessRuleMissing(CannotStart):
    """An RPC has no rule, or one that says nothing; a service with such an RPC does not start."""


@dataclass(frozen=True, slots=True)
class AccessRules:
    """Rules by full method name, `/package.Service/Method`."""

    rules: Mapping[str, access_pb2.Access]

    @classmethod
    def of_services(cls, service_names: Iterable[str]) -> Self:
        """The rules of all RPCs of services (`chalkandduster.registry.v1.RegistryService`) whose stubs are imported.

        Raises AccessRuleMissing, naming the RPCs, when one has none.
        """
        names = list(service_names)
        missing = [method for name in names for method in methods_without_access(name)]
        if missing:
            raise AccessRuleMissing(f"these RPCs have no usable access option: {', '.join(missing)}")
        return cls({method: rule for name in names for method, rule in _options(name)})

    def is_public(self, method: str) -> bool:
        """Whether the method is open to callers without a token."""
        rule = self.rules.get(method)
        return is_infrastructure(method) or (rule is not None and rule.scope == access_pb2.Access.PUBLIC)

    def get(self, method: str) -> access_pb2.Access | None:
        """The rule; None for a method that has none, which nobody may call."""
        return self.rules.get(method)


def methods_without_access(service_name: str) -> list[str]:
    """The RPCs of a service whose option is absent, without scope, or without permission though it is not public."""
    return [method for method, rule in _options(service_name) if not _is_usable(rule)]


def _is_usable(rule: access_pb2.Access) -> bool:
    if rule.scope == access_pb2.Access.PUBLIC:
        return not rule.permission
    return rule.scope in (access_pb2.Access.TENANT, access_pb2.Access.PLATFORM) and rule.permission.count(".") == 1


def _options(service_name: str) -> list[tuple[str, access_pb2.Access]]:
    service = descriptor_pool.Default().FindServiceByName(service_name)
    return [(f"/{service_name}/{method.name}", method.GetOptions().Extensions[access_pb2.access]) for method in service.methods]
