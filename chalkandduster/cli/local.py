"""`up`, `down`, `status` and `demo`: the suite on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import click

from chalkandduster.cli.errors import EXIT_FAILURE, CliError
from chalkandduster.cli.options import json_option, state_option
from chalkandduster.cli.output import print_json, print_table, say
from chalkandduster.cli.suite import local_module


@click.command()
@click.option("--detach", is_flag=True, help="Return once it runs; 'chalkandduster down' stops it.")
@click.option(
    "--gateway-port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="Port of the gateway; 0 takes a free one."
)
@click.option(
    "--load",
    "load_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Load a .csv, .csv.gz or .parquet file into the warehouse emulator and check it.",
)
@state_option
def up(detach: bool, gateway_port: int, load_file: Path | None, state: Path) -> None:
    """Start the suite and keep it running until Ctrl-C."""
    with _commands() as commands:
        commands.up(state, gateway_port=gateway_port, detach=detach, load=load_file)


@click.command()
@state_option
def down(state: Path) -> None:
    """Stop the suite."""
    with _commands() as commands:
        commands.down(state)


@click.command()
@json_option
@state_option
@click.pass_context
def status(ctx: click.Context, as_json: bool, state: Path) -> None:
    """Show where the suite listens and how its services are. The exit code is 1 when it is not running."""
    with _commands() as commands:
        report: dict[str, Any] = commands.report(state)
    if as_json:
        print_json(report)
    elif report["running"]:
        _print_status(report)
    else:
        say(f"the suite with the state {report['directory']} is {report['phase'].lower()}")
    ctx.exit(0 if report["running"] else EXIT_FAILURE)


@click.command(short_help="Find the flaws of a retail data set.")
@state_option
def demo(state: Path) -> None:
    """Find the flaws of a retail data set: start the suite, load, register, run, print what failed and why, stop."""
    with _commands() as commands:
        commands.demo(state)


@contextmanager
def _commands() -> Iterator[ModuleType]:
    """The suite's commands, their errors as errors of ours."""
    commands = local_module("commands")
    try:
        yield commands
    except commands.SuiteError as error:
        raise CliError(str(error)) from error


def _print_status(report: dict[str, Any]) -> None:
    gateway, postgres, warehouse = report["gateway"], report["postgres"], report["warehouse"]
    say(f"gateway    {gateway['url']}  docs {gateway['docs_url']}")
    say(f"postgres   {postgres['host']}:{postgres['port']}/{postgres['database']}")
    place = f"database {warehouse['database']}, schema {warehouse['schema']}"
    say(f"warehouse  {warehouse['protocol']}://{warehouse['host']}:{warehouse['port']}, {place}\n")
    rows = [(name, child["state"], str(child["restarts"]), child["log"]) for name, child in report["services"].items()]
    print_table(("part", "state", "restarts", "log"), rows, "no parts")
