"""The drift service: reader of drift settings."""

from __future__ import annotations

from collections.abc import Sequence

from chalkandduster.drift.v1 import drift_service_pb2_grpc, evaluation_pb2
from services.common.client import ServiceClient
from services.common.errors import DependencyUnavailable
from services.registry.domain.dataset import CheckProblem

READ_SECONDS = 5.0


class DriftClient:
    """Calls the drift service in the registry's own name."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client
        self._stub = drift_service_pb2_grpc.DriftServiceStub(client.channel)

    async def problems(self, drift_yaml: str) -> Sequence[CheckProblem]:
        """What is wrong with the settings. Raises DependencyUnavailable."""
        request = evaluation_pb2.ValidateDriftSettingsRequest(drift_yaml=drift_yaml)
        try:
            answer = await self._client.call(self._stub.ValidateDriftSettings, request, timeout_seconds=READ_SECONDS)
        except DependencyUnavailable as error:
            raise DependencyUnavailable(
                "The drift settings cannot be validated now, so nothing was saved: the drift service does not answer. Try again later.",
                service="drift",
            ) from error
        return [CheckProblem(found.line, found.column, found.message) for found in answer.errors]
