"""How one attempt of a run came out, before anything is recorded."""

from __future__ import annotations

from dataclasses import dataclass

from services.quality.domain.run import RunError, RunResult
from services.quality.domain.scan import Measurement, ScanOutcome


@dataclass(frozen=True, slots=True)
class Completed:
    """It ran to its end."""

    result: RunResult
    scan: ScanOutcome | None
    """None when only drift was evaluated."""

    @property
    def measurements(self) -> tuple[Measurement, ...]:
        return self.scan.measurements if self.scan else ()


@dataclass(frozen=True, slots=True)
class Failed:
    """It cannot work until somebody mends something: no other attempt is made."""

    error: RunError


@dataclass(frozen=True, slots=True)
class Interrupted:
    """Something failed that may work in a moment."""

    error: RunError
    outage: bool
    """Whether a service of the platform itself was away, which hits every run alike and counts against none."""


Attempt = Completed | Failed | Interrupted
