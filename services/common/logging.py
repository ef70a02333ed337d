"""Logs: one JSON object a line on stderr, with the ids that tie a line to its call, tenant and run."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from services.common.context import call_or_none

_facts: ContextVar[dict[str, str] | None] = ContextVar("chalkandduster_log_facts", default=None)
# What a plain record has; everything else came in by `extra=`.
_PLAIN = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {"message", "asctime", "taskName"}
_MAX_TEXT = 8_000
"""Characters kept of one value: a log line is not a place for a payload."""


def setup_logging(service: str, level: str = "INFO") -> None:
    """Send every logger of the process to stderr as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(service))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.captureWarnings(True)


@contextmanager
def log_context(**facts: str | None) -> Iterator[None]:
    """Add facts (`run_id=…`, `tenant_id=…`) to every line logged inside the block, by this task and those it starts."""
    present = {name: value for name, value in facts.items() if value}
    token = _facts.set({**(_facts.get() or {}), **present})
    try:
        yield
    finally:
        _facts.reset(token)


class JsonFormatter(logging.Formatter):
    """`{ts, level, service, logger, message, request_id, trace_id, tenant_id, …extra, exception}`; absent ids are left out."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """One line, whatever the record holds: line breaks in hostile text are escaped by JSON."""
        line: dict[str, Any] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "service": self._service,
            "logger": record.name,
            "message": record.getMessage()[:_MAX_TEXT],
        }
        line.update(_call_ids())
        line.update(_facts.get() or {})
        line.update((name, _short(value)) for name, value in vars(record).items() if name not in _PLAIN and name not in line)
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = self.formatException(record.exc_info)[-_MAX_TEXT:]
        return json.dumps(line, default=str, ensure_ascii=True)


def _call_ids() -> dict[str, str]:
    call = call_or_none()
    if call is None:
        return {}
    ids = {"request_id": call.request_id, "trace_id": call.trace_id, "tenant_id": call.tenant_id}
    return {name: value for name, value in ids.items() if value}


def _short(value: object) -> object:
    return value[:_MAX_TEXT] if isinstance(value, str) else value
