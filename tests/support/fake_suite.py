"""A real suite over fake services: `python -m tests.support.fake_suite STATE GATEWAY_PORT BEHAVIOUR`, until it is told to stop."""

from __future__ import annotations

import sys
from pathlib import Path

from chalkandduster.local import ports
from chalkandduster.local.programs import Service
from chalkandduster.local.state import State
from chalkandduster.local.suite import Suite
from chalkandduster.local.supervisor import StopRequested, SuiteError
from tests.support import fake_service


def main() -> int:
    state, gateway_port, behaviour = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    script = str(Path(fake_service.__file__))
    services = [
        Service(name, ports.find_free(), ports.find_free(), (sys.executable, script, how))
        for name, how in (("registry", "good"), ("quality", behaviour))
    ]

    def say(line: str) -> None:
        print(line, flush=True)

    try:
        with Suite(State(state), gateway_port, say, services) as suite:
            say("up")
            suite.watch()
    except StopRequested:
        say("stopped")
    except SuiteError as error:
        say(f"error: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
