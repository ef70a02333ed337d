"""The quality service: parser of checks, and the one who knows what uses a dataset."""

from __future__ import annotations

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from chalkandduster.quality.v1 import check_pb2, quality_service_pb2_grpc, run_pb2
from services.common.client import ServiceClient
from services.common.errors import DependencyUnavailable
from services.registry.domain.dataset import CheckProblem, DatasetUsage, ParsedChecks

PARSE_SECONDS = 10.0
HEALTH_SECONDS = 1.0


class QualityClient:
    """Calls the quality service in the registry's own name."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client
        self._stub = quality_service_pb2_grpc.QualityServiceStub(client.channel)
        self._health = health_pb2_grpc.HealthStub(client.channel)

    async def parse(self, checks_yaml: str) -> ParsedChecks:
        """What the parser made of the checks. Raises DependencyUnavailable."""
        request = check_pb2.ValidateChecksRequest(checks_yaml=checks_yaml)
        try:
            answer = await self._client.call(self._stub.ValidateChecks, request, timeout_seconds=PARSE_SECONDS)
        except DependencyUnavailable as error:
            raise DependencyUnavailable(
                "The checks cannot be validated now, so nothing was saved: the quality service does not answer. Try again later.",
                service="quality",
            ) from error
        problems = tuple(CheckProblem(found.line, found.column, found.message) for found in answer.errors)
        if not answer.valid and not problems:
            problems = (CheckProblem(0, 0, "there is no check in this text; at least one is expected"),)
        return ParsedChecks(problems, len(answer.checks))

    async def usage(self, tenant_id: str, dataset_id: str) -> DatasetUsage:
        """What uses the dataset. Raises DependencyUnavailable."""
        request = run_pb2.GetDatasetUsageRequest(dataset_id=dataset_id)
        answer = await self._client.call(self._stub.GetDatasetUsage, request, tenant_id=tenant_id)
        return DatasetUsage(answer.has_schedule, tuple(answer.active_run_ids))

    async def check_health(self) -> None:
        """Returns when the service says that it works. Raises DependencyUnavailable."""
        try:
            answer = await self._health.Check(health_pb2.HealthCheckRequest(), timeout=HEALTH_SECONDS)
        except grpc.aio.AioRpcError as error:
            raise DependencyUnavailable(service="quality") from error
        if answer.status != health_pb2.HealthCheckResponse.SERVING:
            raise DependencyUnavailable(service="quality")
