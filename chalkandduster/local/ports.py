"""Free TCP ports on 127.0.0.1."""

from __future__ import annotations

import random
import socket

# Below Linux's range for outgoing connections, so that a port kept for the next start is not taken by one of those.
_FIRST, _LAST = 20_000, 32_000


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def find_free() -> int:
    """A port nobody listens on. Another process may take it before you do: say so clearly if that happens."""
    chooser = random.SystemRandom()
    for _ in range(200):
        port = chooser.randrange(_FIRST, _LAST)
        if is_free(port):
            return port
    raise OSError(f"no free port between {_FIRST} and {_LAST} on 127.0.0.1")
