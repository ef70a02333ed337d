"""The service's hold on the zygote: starts it, asks it for workers, notices its death and starts it again."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from services.quality.soda.channel import AsyncChannel

_log = logging.getLogger(__name__)
START_SECONDS = 60.0
"""The imports take 1 to 2 s, and up to 10 s where nothing is compiled yet."""
_ROOT = Path(__file__).resolve().parents[3]


class ZygoteFailed(Exception):
    """No worker process can be started."""


class WorkerHandle:
    """One worker process: its number, its channel, and how to kill it."""

    def __init__(self, number: int, channel: AsyncChannel, zygote: ZygoteClient) -> None:
        self.number = number
        self.channel = channel
        self._zygote = zygote

    def kill(self) -> None:
        """End the process at once. It is quiet when the process has ended."""
        self.channel.close()
        self._zygote.kill(self.number)


class ZygoteClient:
    """Starts workers. One per service process."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._directory = ""
        self._numbers = itertools.count(1)
        self._starting = asyncio.Lock()
        self._watch: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    async def start(self) -> None:
        """Start the zygote if it does not run. Raises ZygoteFailed."""
        async with self._starting:
            if self._control is not None:
                return
            self._directory = tempfile.mkdtemp(prefix="chalk-quality-")
            ours, theirs = socket.socketpair()
            try:
                self._process = await asyncio.to_thread(self._spawn, theirs)
            finally:
                theirs.close()
            ours.setblocking(False)
            await self._wait_ready(ours)
            self._control = ours
            self._watch = asyncio.create_task(self._notice_death(ours))

    def _spawn(self, control: socket.socket) -> subprocess.Popen[bytes]:
        # Only what Python needs to find its code: no secret of the service is in this environment.
        environment = {"PYTHONPATH": str(_ROOT), "HOME": self._directory, "TMPDIR": self._directory, "PYTHONUTF8": "1"}
        command = [sys.executable, "-m", "services.quality.soda.zygote", str(control.fileno()), self._directory]
        return subprocess.Popen(  # noqa: S603 (our own interpreter and module)
            command, pass_fds=[control.fileno()], env=environment, cwd=self._directory, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        )  # fmt: skip

    async def _wait_ready(self, control: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(START_SECONDS):
                answer = await loop.sock_recv(control, 4096)
        except TimeoutError:
            answer = b""
        if b"ready" not in answer:
            control.close()
            await self._stop_process()
            raise ZygoteFailed("The process that workers are started from did not start.")

    async def _notice_death(self, control: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):
            while await loop.sock_recv(control, 65536):
                continue
        if self._control is control:
            _log.warning("The worker zygote ended; it is started again at the next scan.")
            self._control = None
            control.close()
            await self._stop_process()

    async def fork(self) -> WorkerHandle:
        """A fresh worker. Raises ZygoteFailed."""
        for _ in range(2):
            await self.start()
            try:
                return await self._fork()
            except OSError:
                await self._forget()
        raise ZygoteFailed("No worker process could be started.")

    async def _fork(self) -> WorkerHandle:
        control = self._control
        if control is None:
            raise OSError("the zygote is gone")
        number = next(self._numbers)
        ours, theirs = socket.socketpair()
        try:
            request = json.dumps({"op": "fork", "worker": number}).encode() + b"\n"
            socket.send_fds(control, [request], [theirs.fileno()])
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        return WorkerHandle(number, await AsyncChannel.over(ours), self)

    def kill(self, number: int) -> None:
        if self._control is not None:
            with contextlib.suppress(OSError):
                self._control.send(json.dumps({"op": "kill", "worker": number}).encode() + b"\n")

    async def _forget(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None
        await self._stop_process()

    async def close(self) -> None:
        """End the zygote and with it all workers; remove their directory."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
            self._watch = None
        await self._forget()

    async def _stop_process(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            await asyncio.to_thread(process.wait)
        directory, self._directory = self._directory, ""
        if directory:
            await asyncio.to_thread(shutil.rmtree, directory, True)
