"""A run as it came over REST, shown as the command line shows every run."""

from __future__ import annotations

from typing import Any

from google.protobuf import json_format

from chalkandduster.cli import run_view
from chalkandduster.quality.v1.run_pb2 import Run


def print_run(run: dict[str, Any]) -> None:
    """Print the checks of the run as a table and its verdict as a line."""
    run_view.print_run(json_format.ParseDict(run, Run(), ignore_unknown_fields=True))
