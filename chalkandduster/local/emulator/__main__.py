"""Serve the emulator: `python -m chalkandduster.local.emulator --port 0 --port-file F --db-path D`."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import sys
import warnings
from pathlib import Path

ADMIN_TOKEN_VARIABLE = "CHALKANDDUSTER_EMULATOR_ADMIN_TOKEN"  # noqa: S105


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m chalkandduster.local.emulator", description="A Snowflake emulator on this machine.")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--port-file", type=Path, help="the port is written here once the emulator answers")
    parser.add_argument("--db-path", type=Path, required=True, help="directory of the database files")
    parser.add_argument("--latency-ms", type=float, default=0.0, help="added to each request of a client")
    parser.add_argument("--users-file", type=Path, help="JSON of the users allowed to log in; without it all are")
    return parser.parse_args()


def main() -> int:
    """Serve until SIGTERM or SIGINT; 2 when the port is taken or a file is wrong."""
    arguments = _arguments()
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", arguments.port))
    except OSError as error:
        sys.stderr.write(f"the emulator cannot listen on 127.0.0.1:{arguments.port}: {error.strerror}\n")
        return 2
    return _serve(arguments, listener)


def _serve(arguments: argparse.Namespace, listener: socket.socket) -> int:
    warnings.filterwarnings("ignore", message="Arrow output on a DB-API result")  # fakesnow's way of reading DuckDB
    # Late: a taken port should not cost the second that these imports take.
    import uvicorn
    from fakesnow.transforms import stage

    from chalkandduster.local.emulator.app import build
    from chalkandduster.local.emulator.users import Users

    arguments.db_path.mkdir(parents=True, exist_ok=True)
    try:
        users = Users.from_file(arguments.users_file)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"the users file cannot be used: {error}\n")
        return 2
    admin_token = os.environ.pop(ADMIN_TOKEN_VARIABLE, None)
    app = build(arguments.db_path.resolve(), users, admin_token, arguments.latency_ms / 1000, lambda: _announce(arguments, listener))
    listener.listen(256)
    # uvicorn raises the signal anew once it has shut down: that must not keep us from cleaning up.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=2)
        uvicorn.Server(config).run(sockets=[listener])
    finally:
        shutil.rmtree(stage.LOCAL_BUCKET_PATH, ignore_errors=True)
    return 0


def _announce(arguments: argparse.Namespace, listener: socket.socket) -> None:
    """Write the port in one step: whoever waits for the file finds it whole."""
    if arguments.port_file:
        partial = arguments.port_file.with_suffix(".partial")
        partial.write_text(str(listener.getsockname()[1]), encoding="ascii")
        partial.replace(arguments.port_file)


if __name__ == "__main__":
    sys.exit(main())
