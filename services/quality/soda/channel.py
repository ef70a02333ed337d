"""Length-prefixed JSON over a socket pair: the only thing that passes between the service and its workers.

JSON and never pickle: what a worker answers was shaped by a tenant's texts and data.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import threading
from collections.abc import Mapping
from typing import Any

MAX_MESSAGE = 32 * 1024 * 1024
"""Bytes of one message: a thousand checks with samples stay well below."""
_HEADER = struct.Struct(">I")

Message = Mapping[str, Any]


class ChannelClosed(Exception):
    """The other side is gone, or sent what is no message."""


def _encode(message: Message) -> bytes:
    body = json.dumps(message, separators=(",", ":"), allow_nan=False).encode("utf-8", "surrogatepass")
    if len(body) > MAX_MESSAGE:
        raise ValueError(f"a message of {len(body)} bytes; at most {MAX_MESSAGE}")
    return _HEADER.pack(len(body)) + body


def _decode(body: bytes) -> dict[str, Any]:
    try:
        message = json.loads(body.decode("utf-8", "surrogatepass"))
    except ValueError:
        raise ChannelClosed("not a message") from None
    if not isinstance(message, dict):
        raise ChannelClosed("not a message")
    return message


def _length(header: bytes) -> int:
    (length,) = _HEADER.unpack(header)
    if length > MAX_MESSAGE:
        raise ChannelClosed(f"a message of {length} bytes; at most {MAX_MESSAGE}")
    return int(length)


class BlockingChannel:
    """The worker's end: blocking, with sends from any thread."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._lock = threading.Lock()

    def send(self, message: Message) -> None:
        """Raises ChannelClosed when the service is gone, ValueError for a message that is too large."""
        data = _encode(message)
        try:
            with self._lock:
                self._sock.sendall(data)
        except OSError as error:
            raise ChannelClosed(str(error)) from None

    def receive(self) -> dict[str, Any]:
        """The next message. Raises ChannelClosed at the end."""
        return _decode(self._exactly(_length(self._exactly(_HEADER.size))))

    def _exactly(self, size: int) -> bytes:
        parts, left = [], size
        while left:
            try:
                part = self._sock.recv(min(left, 1 << 20))
            except OSError as error:
                raise ChannelClosed(str(error)) from None
            if not part:
                raise ChannelClosed("the other side is gone")
            parts.append(part)
            left -= len(part)
        return b"".join(parts)


class AsyncChannel:
    """The service's end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def over(cls, sock: socket.socket) -> AsyncChannel:
        sock.setblocking(False)
        return cls(*await asyncio.open_unix_connection(sock=sock, limit=1 << 20))

    def is_open(self) -> bool:
        """False once the worker's end is known to be closed."""
        return not (self._reader.at_eof() or self._reader.exception() or self._writer.is_closing())

    async def send(self, message: Message) -> None:
        """Raises ChannelClosed when the worker is gone."""
        try:
            self._writer.write(_encode(message))
            await self._writer.drain()
        except (OSError, RuntimeError) as error:
            raise ChannelClosed(str(error)) from None

    async def receive(self) -> dict[str, Any]:
        """The next message. Raises ChannelClosed when the worker is gone or sends what is no message."""
        try:
            header = await self._reader.readexactly(_HEADER.size)
            return _decode(await self._reader.readexactly(_length(header)))
        except (asyncio.IncompleteReadError, OSError) as error:
            raise ChannelClosed(str(error)) from None

    def close(self) -> None:
        self._writer.close()
