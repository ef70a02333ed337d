"""Delivers the messages of the outbox, at least once."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from services.common.errors import DependencyUnavailable
from services.quality.app.ports import Message, MessageKind, Outbox, Relay

_log = logging.getLogger(__name__)
_BATCH = 200


class RelayOutbox:
    """One relay for each kind of message. What is not delivered comes again later, by itself."""

    def __init__(self, outbox: Outbox, relays: Mapping[MessageKind, Relay]) -> None:
        self._outbox = outbox
        self._relays = relays

    async def execute(self) -> None:
        for kind, relay in self._relays.items():
            while await self._relay_batch(kind, relay) == _BATCH:
                continue

    async def _relay_batch(self, kind: MessageKind, relay: Relay) -> int:
        """Answers how many messages were delivered."""
        messages = await self._outbox.take(kind, _BATCH)
        if not messages:
            return 0
        try:
            await relay.deliver(messages)
        except DependencyUnavailable as error:
            _log.warning("messages wait for their receiver", extra={"kind": kind.value, "count": len(messages), "reason": error.message})
            return 0
        await self._outbox.delete([message.id for message in messages])
        return len(messages)


class NoReceiver:
    """Takes the place of a service that this platform runs without: its messages are let go."""

    async def deliver(self, messages: Sequence[Message]) -> None:
        _log.debug("messages without receiver let go", extra={"count": len(messages)})
