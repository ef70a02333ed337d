"""When a failed attempt is tried again."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Waits between attempts after failures of the infrastructure; there is one attempt more than waits."""

    delays_seconds: tuple[float, ...] = (2.0, 5.0, 11.0)
    outage_patience_seconds: float = 900.0
    """How long after its creation a run outlives an outage of the platform's own services without using up attempts:
    an outage hits every run alike, and is no fault of any of them."""

    @property
    def max_failures(self) -> int:
        """Used-up attempts after which a run is given up."""
        return len(self.delays_seconds) + 1

    def delay_after(self, attempt: int) -> float:
        """Answer the wait in seconds after the `attempt`-th start (1 for the first)."""
        if not self.delays_seconds:
            return 0.0
        return self.delays_seconds[min(max(attempt, 1), len(self.delays_seconds)) - 1]
