"""The supervisor of a detached suite: `python -m chalkandduster.local.daemon STATE GATEWAY_PORT`, output to the suite's log."""

from __future__ import annotations

import sys
from pathlib import Path

from chalkandduster.local.commands import ERROR_MARK, say_line
from chalkandduster.local.state import State
from chalkandduster.local.suite import Suite
from chalkandduster.local.supervisor import StopRequested, SuiteError


def main() -> int:
    """Run the suite until SIGTERM. 1, with a line that begins with `error: `, if it cannot start."""
    state, gateway_port = Path(sys.argv[1]), int(sys.argv[2])
    try:
        with Suite(State(state), gateway_port, say_line) as suite:
            suite.watch()
    except StopRequested:
        say_line("stopped")
    except SuiteError as error:
        say_line(f"{ERROR_MARK}{error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
