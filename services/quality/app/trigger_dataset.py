"""Queues a run of a dataset."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from services.quality.app.actor import Actor
from services.quality.app.ports import Registry, RunStore
from services.quality.domain.definition import DatasetDefinition
from services.quality.domain.errors import TenantSuspended
from services.quality.domain.kinds import KindChoice
from services.quality.domain.run import NewRun, Run, RunKind, RunTrigger


@dataclass(frozen=True, slots=True)
class TriggerCommand:
    """What the caller asked for."""

    dataset_id: str
    actor: Actor
    kinds: Sequence[RunKind] = ()
    """Empty: all that the dataset is set up for."""
    request_id: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)


class TriggerDataset:
    """Answers a run in state QUEUED, or the run that an earlier call with the same request id made."""

    def __init__(self, runs: RunStore, registry: Registry, kinds: KindChoice, new_id: Callable[[], str]) -> None:
        self._runs = runs
        self._registry = registry
        self._kinds = kinds
        self._new_id = new_id

    async def execute(self, command: TriggerCommand) -> Run:
        """Raises DatasetNotFound, TenantSuspended, NothingToRun and DependencyUnavailable."""
        # First: a repeated call must answer the same run even if the dataset could not be run any more.
        if command.request_id:
            known = await self._runs.find_by_request(command.actor.tenant_id, command.dataset_id, command.request_id)
            if known:
                return known
        dataset = await self._registry.dataset(command.actor.tenant_id, command.dataset_id)
        if not dataset.tenant_active:
            raise TenantSuspended
        run = self._new_run(command, dataset)
        after = {"dataset_id": run.dataset_id, "kinds": list(run.kinds)}
        return await self._runs.enqueue(run, dataset.max_concurrent_runs, command.actor.did("run", run.id, after=after))

    def _new_run(self, command: TriggerCommand, dataset: DatasetDefinition) -> NewRun:
        return NewRun(
            id=self._new_id(),
            tenant_id=command.actor.tenant_id,
            dataset_id=dataset.id,
            dataset_name=dataset.name,
            kinds=self._kinds.choose(dataset, command.kinds),
            trigger=RunTrigger.MANUAL if command.actor.is_person else RunTrigger.API,
            triggered_by=command.actor.subject,
            variables=command.variables,
            request_id=command.request_id,
        )
