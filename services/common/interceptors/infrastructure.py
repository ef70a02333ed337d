"""The two services that are not ours: health and reflection. They are open to everybody who reaches the port."""

from __future__ import annotations

_PREFIXES = ("/grpc.health.v1.Health/", "/grpc.reflection.v1alpha.ServerReflection/", "/grpc.reflection.v1.ServerReflection/")


def is_infrastructure(method: str) -> bool:
    """Whether a method belongs to one of them: no token, no audit, and no noise in the log."""
    return method.startswith(_PREFIXES)
