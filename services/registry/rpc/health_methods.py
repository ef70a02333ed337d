"""The RPC about health."""

from __future__ import annotations

from chalkandduster.registry.v1 import health_pb2
from services.registry.app.use_cases import UseCases
from services.registry.rpc.calls import Context


class HealthMethods:
    """Decode, use case, encode."""

    def __init__(self, use_cases: UseCases) -> None:
        self._use_cases = use_cases

    async def GetHealth(self, request: health_pb2.GetHealthRequest, context: Context) -> health_pb2.GetHealthResponse:  # noqa: N802
        parts = await self._use_cases.get_health.execute()
        components = [health_pb2.GetHealthResponse.Component(name=name, status=_status(works)) for name, works in parts.items()]
        return health_pb2.GetHealthResponse(status=_status(all(parts.values())), components=components)


def _status(works: bool) -> health_pb2.GetHealthResponse.Status.ValueType:
    return health_pb2.GetHealthResponse.SERVING if works else health_pb2.GetHealthResponse.NOT_SERVING
