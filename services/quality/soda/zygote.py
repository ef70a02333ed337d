"""The process that workers are forked from: it imports Soda once, then only forks, kills and reaps.

Run as `python -m services.quality.soda.zygote <control fd> <directory>` with an empty environment. It never sees a
tenant's text or secret; those go to a worker over the worker's own socket. It ends when the service's end closes.
"""

from __future__ import annotations

import array
import contextlib
import gc
import json
import logging
import os
import select
import signal
import socket
import sys
from typing import Any

from services.quality.soda import sandbox

_WARM_UP = """
checks for t:
  - row_count > 0
  - missing_percent(a) < 5
  - duplicate_count(a, b) = 0
  - freshness(a) < 1d
  - change avg last 7 for row_count < 5
  - values in (a) must exist in u (b)
  - row_count same as u
  - invalid_count(a) = 0:
      valid format: email
      filter: a > 1
  - failed rows:
      fail query: select 1 as a
  - failed rows:
      fail condition: a > 1
  - schema:
      fail:
        when required column missing: [a]
  - x between 1 and 2:
      x query: select 1
  - group evolution:
      query: select 1
      fail:
        when required group missing: [a]
  - group by:
      query: select 1 as b
      fields: [a]
      checks:
        - b > 1:
            name: b
"""


def main() -> None:
    """Import, freeze, report ready, serve."""
    control = socket.socket(fileno=int(sys.argv[1]))
    directory = sys.argv[2]
    sandbox.die_with_parent()
    for name in list(os.environ):
        if name not in ("HOME", "TMPDIR"):
            del os.environ[name]
    logging.disable(logging.CRITICAL)
    leave_out_data_frames()
    warm_up()
    gc.collect()
    gc.freeze()
    control.sendall(b'{"ready":true}\n')
    Zygote(control, directory).serve()


def leave_out_data_frames() -> None:
    """The connector imports pandas and pyarrow where they are installed: 65 MB and half a second for what scans never use."""
    for name in ("pandas", "pyarrow", "numpy"):
        sys.modules[name] = None  # type: ignore[assignment]


def warm_up() -> None:
    """Load what Soda, the connectors and the grammar load late, so that no worker has to."""
    import snowflake.connector.auth  # noqa: F401
    import sqlglot.dialects.postgres
    import sqlglot.dialects.snowflake  # noqa: F401

    from services.quality.soda import guard, postgres_session, snowflake_session, worker  # noqa: F401
    from services.quality.soda.warm import prepare_everything

    prepare_everything(_WARM_UP)


class Zygote:
    """Forks a worker for each descriptor it is sent, kills on request, reports ends."""

    def __init__(self, control: socket.socket, directory: str) -> None:
        self._control = control
        self._directory = directory
        self._children: dict[int, int] = {}
        """Process id to the worker's number."""
        self._received = b""
        self._wake, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.signal(signal.SIGCHLD, lambda _signal, _frame: None)
        signal.set_wakeup_fd(wake_write)
        self._wake_write = wake_write

    def serve(self) -> None:
        """Until the service is gone."""
        while True:
            ready, _, _ = select.select([self._control.fileno(), self._wake], [], [])
            if self._wake in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake, 4096)
                self._reap()
            if self._control.fileno() in ready and not self._receive():
                for pid in self._children:
                    os.kill(pid, signal.SIGKILL)
                return

    def _receive(self) -> bool:
        data, descriptors, _, _ = socket.recv_fds(self._control, 65536, 16)
        if not data:
            return False
        self._received += data
        *lines, self._received = self._received.split(b"\n")
        pending = array.array("i", descriptors)
        for line in lines:
            request: dict[str, Any] = json.loads(line)
            if request["op"] == "fork":
                self._fork(request["worker"], pending.pop(0))
            else:
                self._kill(request["worker"])
        return True

    def _fork(self, worker: int, descriptor: int) -> None:
        pid = os.fork()
        if pid == 0:
            self._become_worker(descriptor)
        os.close(descriptor)
        self._children[pid] = worker

    def _become_worker(self, descriptor: int) -> None:
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for fd in (self._wake, self._wake_write):
                os.close(fd)
            self._control.close()
            from services.quality.soda import worker

            worker.serve(socket.socket(fileno=descriptor), self._directory)
        finally:
            os._exit(70)

    def _kill(self, worker: int) -> None:
        for pid, number in self._children.items():
            if number == worker:
                os.kill(pid, signal.SIGKILL)

    def _reap(self) -> None:
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            worker = self._children.pop(pid, None)
            self._control.sendall(json.dumps({"ended": worker, "status": os.waitstatus_to_exitcode(status)}).encode() + b"\n")


if __name__ == "__main__":
    main()
