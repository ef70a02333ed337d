"""One Envoy and one backend for all tests of the gateway; each test finds the backend as if nobody had called it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.gateway.harness import SERVICES, Backend, Gateway, running_gateway


@pytest.fixture(scope="session")
def serving_backend() -> Iterator[Backend]:
    backend = Backend()
    backend.say_serving(True)
    yield backend
    backend.stop()


@pytest.fixture
def backend(serving_backend: Backend) -> Iterator[Backend]:
    """Stands for both services, and records their calls."""
    serving_backend.reset()
    yield serving_backend
    serving_backend.reset()


@pytest.fixture(scope="session")
def gateway(serving_backend: Backend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Envoy in front of registry and quality, with the default limits."""
    with running_gateway(tmp_path_factory.mktemp("gateway"), dict.fromkeys(SERVICES, serving_backend.port)) as running:
        yield running
