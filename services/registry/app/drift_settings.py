"""Reading drift settings before they are saved, in words that name the field of the request."""

from __future__ import annotations

from services.common.errors import FieldViolation
from services.registry.app.ports import DriftSettingsReader
from services.registry.domain.errors import InvalidDriftSettings

_FIELD = "dataset.drift_yaml"


async def check_drift_settings(reader: DriftSettingsReader | None, drift_yaml: str) -> None:
    """Raises InvalidDriftSettings with one violation a problem, and DependencyUnavailable when nobody can read them now.

    Without a drift service on the platform they are kept as they are: their shape was judged before.
    """
    if reader is None or not drift_yaml.strip():
        return
    problems = await reader.problems(drift_yaml)
    if problems:
        raise InvalidDriftSettings([FieldViolation(_FIELD, str(problem)) for problem in problems])
