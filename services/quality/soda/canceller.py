"""Stops statements of a worker that can no longer do it itself: from here, by the request ids that it announced."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import ssl
import urllib.parse
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ABORT_SECONDS = 3.0


@dataclass(slots=True)
class Statements:
    """The sessions that a worker announced, and the statements that run on them."""

    _sessions: dict[str, tuple[str, str]] = field(default_factory=dict)
    _running: dict[str, str] = field(default_factory=dict)
    """Request id to session."""

    def note(self, event: Mapping[str, Any]) -> None:
        """Take in one announcement of the worker."""
        session = str(event.get("session", ""))
        if "url" in event:
            self._sessions[session] = (str(event["url"]), str(event.get("token", "")))
        elif "started" in event:
            self._running[str(event["started"])] = session
        elif "ended" in event:
            self._running.pop(str(event["ended"]), None)

    async def abort(self) -> None:
        """Ask the warehouse to stop whatever still runs; failures are of no consequence, statements have timeouts."""
        running, self._running = self._running, {}
        targets = [(self._sessions[session], request) for request, session in running.items() if session in self._sessions]
        await asyncio.gather(*(asyncio.to_thread(_abort, *place, request) for place, request in targets))


def _abort(url: str, token: str, request: str) -> None:
    """Snowflake's `abort-request`, as the connector itself sends it."""
    place = urllib.parse.urlsplit(url)
    connection: http.client.HTTPConnection
    if place.scheme == "https":
        context = ssl.create_default_context()
        connection = http.client.HTTPSConnection(place.hostname or "", place.port, timeout=ABORT_SECONDS, context=context)
    else:
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=ABORT_SECONDS)
    headers = {"Authorization": f'Snowflake Token="{token}"', "Content-Type": "application/json", "Accept": "application/json"}
    with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
        path = f"/queries/v1/abort-request?requestId={uuid.uuid4()}"
        connection.request("POST", path, json.dumps({"requestId": request, "sqlText": ""}), headers)
        connection.getresponse().read()
