"""What a run of a dataset does when the caller does not say, and whether what he says can be done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.quality.domain.definition import DatasetDefinition
from services.quality.domain.errors import NothingToRun
from services.quality.domain.run import RunKind


@dataclass(frozen=True, slots=True)
class KindChoice:
    """Knows which parts of the platform are there."""

    drift_available: bool

    def available(self) -> tuple[RunKind, ...]:
        """Answer all that this platform can do."""
        return (RunKind.QUALITY, RunKind.DRIFT) if self.drift_available else (RunKind.QUALITY,)

    def choose(self, dataset: DatasetDefinition, asked: Sequence[RunKind]) -> tuple[RunKind, ...]:
        """Answer what to do; raises NothingToRun when something that was asked for, or all, cannot be done."""
        for kind in asked:
            self._require(dataset, kind)
        chosen = tuple(asked) or self.possible(dataset, self.available())
        if not chosen:
            self._require(dataset, RunKind.QUALITY)
        return chosen

    def possible(self, dataset: DatasetDefinition, kinds: Sequence[RunKind]) -> tuple[RunKind, ...]:
        """Answer those of the kinds that the dataset is set up for."""
        return tuple(kind for kind in kinds if not self._obstacle(dataset, kind))

    def _require(self, dataset: DatasetDefinition, kind: RunKind) -> None:
        obstacle = self._obstacle(dataset, kind)
        if obstacle:
            raise NothingToRun(obstacle, dataset=dataset.id, kind=kind.value)

    def _obstacle(self, dataset: DatasetDefinition, kind: RunKind) -> str:
        if kind is RunKind.QUALITY and not dataset.has_checks:
            return "The dataset has no checks: set checks_yaml first."
        if kind is RunKind.DRIFT and not self.drift_available:
            return "Drift detection is not set up on this platform: ask for kind QUALITY only."
        return ""
