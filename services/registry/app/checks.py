"""Parsing checks before they are saved, in words that name the field of the request."""

from __future__ import annotations

from services.common.errors import FieldViolation, QuotaExceeded
from services.registry.app.ports import ChecksParser
from services.registry.domain.errors import InvalidChecks
from services.registry.domain.tenant import Quotas

_FIELD = "dataset.checks_yaml"


async def count_checks(parser: ChecksParser, checks_yaml: str, quotas: Quotas) -> int:
    """How many checks the text declares; 0 for no text.

    Raises InvalidChecks with one violation a problem, QuotaExceeded, and DependencyUnavailable when nobody can parse now.
    """
    if not checks_yaml:
        return 0
    parsed = await parser.parse(checks_yaml)
    if parsed.problems:
        raise InvalidChecks([FieldViolation(_FIELD, str(problem)) for problem in parsed.problems])
    most = quotas.effective().max_checks_per_dataset
    if parsed.count > most:
        message = f"The dataset declares {parsed.count} checks, and the tenant's quota is {most} a dataset."
        raise QuotaExceeded(message, quota="max_checks_per_dataset", limit=str(most))
    return parsed.count
