"""A worker process: answers one job at a time over its channel, and keeps its warehouse sessions between them."""

from __future__ import annotations

import os
import queue
import resource
import socket
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from services.quality.domain.connection import ConnectionSpec
from services.quality.domain.scan import HistoryQuery, Measurement, ScanFailed, ScanFailure, ScanRequest
from services.quality.soda import sandbox
from services.quality.soda.channel import BlockingChannel, ChannelClosed
from services.quality.soda.guard import Scope
from services.quality.soda.scan_run import Pools, run_scan
from services.quality.soda.session_pool import MAX_SESSIONS, SessionPool, scope_of
from services.quality.soda.validate import validate
from services.quality.soda.wire import decode, encode


def serve(sock: socket.socket, directory: str) -> None:
    """Serve jobs until the channel closes. Never returns normally: the process ends with it."""
    sandbox.die_with_parent()
    sandbox.limit_resources()
    sandbox.refuse_files_and_processes(directory)
    worker = Worker(BlockingChannel(sock))
    threading.Thread(target=worker.read, name="channel", daemon=True).start()
    worker.work()


class Worker:
    """Reads on one thread, works on another; so a cancel is heard in the middle of a scan."""

    def __init__(self, channel: BlockingChannel) -> None:
        self._channel = channel
        self._jobs: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._pools: dict[tuple[ConnectionSpec, Scope], SessionPool] = {}
        self._threads = ThreadPoolExecutor(MAX_SESSIONS + 1, thread_name_prefix="statement")

    def read(self) -> None:
        """Sort incoming messages until the service is gone; then nothing may go on."""
        try:
            while True:
                message = self._channel.receive()
                if message.get("op") == "cancel":
                    self._cancel()
                elif message.get("op") == "history":
                    self._answers.put(message)
                else:
                    self._jobs.put(message)
        except ChannelClosed:
            os._exit(0)

    def work(self) -> None:
        """Carry out jobs one after the other."""
        while True:
            job = self._jobs.get()
            sandbox.start_cpu_budget()
            try:
                self._channel.send(self._answer(job))
            except ChannelClosed:
                os._exit(0)

    def _answer(self, job: dict[str, Any]) -> dict[str, Any]:
        try:
            result = self._carry_out(job)
        except ScanFailed as failed:
            result = {"failure": failed.failure.value, "message": failed.message}
        except MemoryError:
            result = {"failure": ScanFailure.OUT_OF_MEMORY.value, "message": "The scan needed more memory than it may use."}
        return {**result, "op": "result", "memory_kb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}

    def _carry_out(self, job: dict[str, Any]) -> dict[str, Any]:
        if job["op"] == "validate":
            return {"validated": encode(validate(job["checks_yaml"], job["table"]))}
        request = decode(ScanRequest, job["request"])
        own = self._pool(request.connection, scope_of(request.connection, request.database, request.schema))
        others = {name: self._pool(spec, scope_of(spec, "", "")) for name, spec in request.other_sources.items()}
        return {"outcome": encode(run_scan(request, Pools(own, others), self._ask, self._threads))}

    def _pool(self, spec: ConnectionSpec, scope: Scope) -> SessionPool:
        return self._pools.setdefault((spec, scope), SessionPool(spec, scope, self._announce))

    def _announce(self, event: Any) -> None:
        self._channel.send({"op": "statement", **event})

    def _ask(self, query: HistoryQuery) -> Sequence[Measurement]:
        self._channel.send({"op": "history", "query": encode(query)})
        return [decode(Measurement, entry) for entry in self._answers.get()["measurements"]]

    def _cancel(self) -> None:
        """Stop what runs in the warehouse, then this process: a cancelled scan leaves nothing worth keeping."""
        for pool in list(self._pools.values()):
            pool.cancel_all()
        os._exit(0)
