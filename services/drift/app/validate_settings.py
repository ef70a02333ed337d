"""Reads drift settings without saving them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.drift.domain.drift_yaml import parse_drift_yaml, render_drift_yaml
from services.drift.domain.errors import SettingsProblem


@dataclass(frozen=True, slots=True)
class ValidatedSettings:
    """What was read."""

    problems: Sequence[SettingsProblem]
    effective_yaml: str
    """With all defaults filled in; empty with problems."""


class ValidateSettings:
    """Answers every problem with its place."""

    def execute(self, text: str) -> ValidatedSettings:
        """Costs no more than the text is long."""
        settings, problems = parse_drift_yaml(text)
        return ValidatedSettings(problems, "" if problems else render_drift_yaml(settings))
