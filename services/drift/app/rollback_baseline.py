"""Goes back to an earlier version of a dataset's baseline."""

from __future__ import annotations

from dataclasses import dataclass

from services.common.errors import FieldViolation, InvalidRequest
from services.drift.app.actor import Actor
from services.drift.app.change_baseline import Change, ChangeBaseline
from services.drift.app.evaluate_dataset import gone_back
from services.drift.app.new_baseline import Reason
from services.drift.app.ports import BaselineStore
from services.drift.domain.baseline import Baseline, Origin
from services.drift.domain.errors import BaselineNotFound
from services.drift.domain.record import Watch


@dataclass(frozen=True, slots=True)
class RollbackCommand:
    """Where to go back to, and who wants it."""

    dataset_id: str
    actor: Actor
    version: int = 0
    """0 for the parent of the active one."""
    reason: str = ""


class RollbackBaseline:
    """Answers a new version that equals the earlier one as it was when it stopped being active."""

    def __init__(self, change: ChangeBaseline, baselines: BaselineStore) -> None:
        self._change = change
        self._baselines = baselines

    async def execute(self, command: RollbackCommand) -> Baseline:
        """Raises DatasetNotFound, BaselineNotFound, NothingToAccept, InvalidRequest and DependencyUnavailable."""

        async def decide(watch: Watch) -> Change:
            active = await self._baselines.get(command.actor.tenant_id, command.dataset_id, 0)
            version = command.version or active.parent_version
            if version == active.version:
                raise InvalidRequest([FieldViolation("version", f"{version} is the active version; name an earlier one")])
            if not version:
                raise BaselineNotFound("There is no version before the active one.", version="0")
            closing = await self._baselines.closing(command.actor.tenant_id, command.dataset_id, version)
            text = command.reason or f"Back to version {version}."
            reason = Reason(Origin.ROLLBACK, text, command.actor.subject)
            return Change(gone_back(watch, closing.state, closing.period), reason)

        return await self._change.execute(command.actor, command.dataset_id, decide)
