"""The drift settings of a dataset."""

from __future__ import annotations

from services.drift.domain.dataset import DatasetDefinition
from services.drift.domain.drift_yaml import parse_drift_yaml
from services.drift.domain.errors import InvalidDriftSettings
from services.drift.domain.watch_settings import WatchSettings


def settings_of(dataset: DatasetDefinition) -> WatchSettings:
    """Raises InvalidDriftSettings: they were checked on save, but by an older version perhaps."""
    settings, problems = parse_drift_yaml(dataset.drift_yaml)
    if problems:
        raise InvalidDriftSettings.because_of(problems)
    return settings
