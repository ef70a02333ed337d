"""Tenants: organisations that see nothing of each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from services.common.errors import FieldViolation, InvalidRequest
from services.registry.domain.text import SLUG, SLUG_RULE, check_label


class TenantState(StrEnum):
    """Whether a tenant may work."""

    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"


@dataclass(frozen=True, slots=True)
class Quotas:
    """Limits of a tenant; 0 stands for the platform's default."""

    max_concurrent_runs: int = 0
    max_datasets: int = 0
    max_checks_per_dataset: int = 0

    def effective(self) -> Quotas:
        """The quotas with the platform's defaults filled in."""
        return Quotas(
            max_concurrent_runs=self.max_concurrent_runs or DEFAULT_QUOTAS.max_concurrent_runs,
            max_datasets=self.max_datasets or DEFAULT_QUOTAS.max_datasets,
            max_checks_per_dataset=self.max_checks_per_dataset or DEFAULT_QUOTAS.max_checks_per_dataset,
        )


DEFAULT_QUOTAS = Quotas(max_concurrent_runs=4, max_datasets=10_000, max_checks_per_dataset=500)


@dataclass(frozen=True, slots=True)
class Tenant:
    """An organisation."""

    id: str
    name: str
    create_time: datetime
    update_time: datetime
    display_name: str = ""
    quotas: Quotas = field(default_factory=Quotas)
    state: TenantState = TenantState.ACTIVE
    revision: int = 1
    """Counts the changes; the etag is made of it."""

    @property
    def title(self) -> str:
        """Name for people: `display_name`, or `name` when there is none."""
        return self.display_name or self.name


def check_tenant(tenant: Tenant) -> None:
    """Raise InvalidRequest naming every field of `tenant` that breaks its rule."""
    violations = list(_violations(tenant))
    if violations:
        raise InvalidRequest(violations)


def _violations(tenant: Tenant) -> Iterator[FieldViolation]:
    if SLUG.fullmatch(tenant.name) is None:
        yield FieldViolation("tenant.name", SLUG_RULE)
    yield from check_label("tenant.display_name", tenant.display_name)
