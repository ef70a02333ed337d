"""The entry point: all commands in one group."""

from __future__ import annotations

import click

from chalkandduster.cli.api_keys import api_keys
from chalkandduster.cli.apply.command import apply
from chalkandduster.cli.catalog import connections, datasets
from chalkandduster.cli.errors import RootGroup
from chalkandduster.cli.local import demo, down, status, up
from chalkandduster.cli.runs import runs
from chalkandduster.cli.token import token
from chalkandduster.cli.trigger import trigger, watch
from chalkandduster.cli.validate import validate


@click.group(cls=RootGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="chalkandduster", message="%(version)s")
def cli() -> None:
    """Data quality for warehouse tables: checks, runs and verdicts."""


for _command in (up, down, status, demo, token, apply, validate, trigger, watch, runs, datasets, connections, api_keys):
    cli.add_command(_command)


def main() -> None:
    """Runs the command line; ends the process with its exit code."""
    cli(prog_name="chalkandduster")
