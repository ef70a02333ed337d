"""A stand-in for a service: answers health checks, and misbehaves on request.

`python fake_service.py BEHAVIOUR serve|migrate`, where BEHAVIOUR is `good`, `dies` (at once), `dies-late` (after it was ready),
`unready`, `deaf` (ignores SIGTERM), `leaves-child` or `bad-migration`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent import futures

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc


def main() -> int:
    behaviour, word = sys.argv[1:]
    if word == "migrate":
        sys.stderr.write(f"migrating as {os.environ['CHALKANDDUSTER_MIGRATION_DATABASE_URL'].partition('://')[2].partition(':')[0]}\n")
        return 3 if behaviour == "bad-migration" else 0
    if behaviour == "dies":
        sys.stderr.write("I cannot live like this\n")
        return 7
    server = grpc.server(futures.ThreadPoolExecutor(2))
    servicer = health.HealthServicer()
    ready = health_pb2.HealthCheckResponse.NOT_SERVING if behaviour == "unready" else health_pb2.HealthCheckResponse.SERVING
    servicer.set("", ready)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    server.add_insecure_port(os.environ["CHALKANDDUSTER_LISTEN"])
    server.start()
    if behaviour == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if behaviour == "leaves-child":
        child = subprocess.Popen(["sleep", "300"], start_new_session=True)
        sys.stderr.write(f"child {child.pid}\n")
        sys.stderr.flush()
    if behaviour == "dies-late":
        time.sleep(1.0)
        sys.stderr.write("this is the end\n")
        sys.stderr.flush()
        os._exit(9)
    time.sleep(600)
    return 0


if __name__ == "__main__":
    sys.exit(main())
