"""What is known about the call that is being served, without passing it through every function."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace

from services.common.auth.principal import Principal


@dataclass(frozen=True, slots=True)
class CallContext:
    """One RPC, as far as its interceptors have come."""

    method: str
    """Full name, for example `/chalkandduster.registry.v1.RegistryService/GetDataset`."""
    request_id: str
    trace_id: str = ""
    """32 hex digits of the W3C trace context."""
    remote_address: str = ""
    """Address of the caller as the gateway saw it; empty when unknown."""
    deadline: float | None = None
    """`time.monotonic()` at which the caller gives up; None when it waits for ever."""
    principal: Principal | None = None
    """None before authentication, and in calls that are open to everybody."""
    tenant_id: str | None = None
    """Tenant that the call acts in; None before authorisation, and in calls to the platform."""

    @property
    def action(self) -> str:
        """`service.Method`, the form that audit events and logs use, for example `registry.GetDataset`."""
        service, _, method = self.method.strip("/").partition("/")
        parts = service.split(".")
        return f"{parts[1] if len(parts) > 2 else service}.{method}"

    def remaining_seconds(self) -> float | None:
        """What is left of the caller's deadline, 0 when it has passed; None without a deadline."""
        return None if self.deadline is None else max(0.0, self.deadline - time.monotonic())


_current: ContextVar[CallContext | None] = ContextVar("chalkandduster_call", default=None)


def current_call() -> CallContext:
    """The call that is being served. Raises LookupError outside of one, for example in a background task."""
    call = _current.get()
    if call is None:
        raise LookupError("no call is being served here")
    return call


def call_or_none() -> CallContext | None:
    """The call that is being served; None outside of one."""
    return _current.get()


def enter_call(call: CallContext) -> None:
    """Make `call` the current one for the rest of the running task. Each RPC has a task of its own, so nothing is undone."""
    _current.set(call)


def refine_call(*, principal: Principal | None = None, tenant_id: str | None = None) -> CallContext:
    """Add what an interceptor found out to the current call, and answer it."""
    call = current_call()
    call = replace(call, principal=principal or call.principal, tenant_id=tenant_id or call.tenant_id)
    _current.set(call)
    return call


@contextmanager
def serving(call: CallContext) -> Iterator[CallContext]:
    """`call` is the current one inside the block: for tests, and for work that continues a call elsewhere."""
    token = _current.set(call)
    try:
        yield call
    finally:
        _current.reset(token)
