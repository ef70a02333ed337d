"""`trigger` and `watch`: commands that end with a verdict."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import click
from rich.status import Status

from chalkandduster.cli.duration import Duration
from chalkandduster.cli.errors import EXIT_NO_VERDICT, CliError, VerdictCommand
from chalkandduster.cli.lookup import dataset_id
from chalkandduster.cli.options import json_option, session_options
from chalkandduster.cli.output import as_dict, console, print_json, print_json_line, say
from chalkandduster.cli.run_view import print_run, progress_line
from chalkandduster.cli.session import Session
from chalkandduster.cli.text import clean
from chalkandduster.client import Client
from chalkandduster.quality.v1.run_pb2 import GetRunRequest, Run, TriggerDatasetRequest

_EXIT_CODES = {Run.PASS: 0, Run.WARN: 0, Run.FAIL: 1, Run.ERROR: 2}
_EXIT_CODES_HELP = """

\b
Exit codes:
  0  PASS, and WARN unless --fail-on warn
  1  FAIL (with --fail-on warn also WARN): the data is not as declared
  2  ERROR: a check, or the run itself, could not be run
  3  no verdict: wrong usage, gateway or rights, cancelled, or out of time
"""
_fail_on_option = click.option(
    "--fail-on", type=click.Choice(["warn", "fail"]), default="fail", show_default=True, help="Least verdict that is a failure."
)


@click.command(
    cls=VerdictCommand,
    short_help="Run a dataset, and with --wait exit by its verdict.",
    help="Run DATASET, given by name or id." + _EXIT_CODES_HELP + "\nWithout --wait it ends with 0 as soon as the run is queued.",
)
@click.argument("dataset")
@click.option(
    "--kind", "kinds", type=click.Choice(["quality", "drift"]), multiple=True, help="What to do; repeat for both. Default: all there is."
)
@click.option("--var", "variables", metavar="NAME=VALUE", multiple=True, help="Value of a variable for this run; repeat for more.")
@click.option("--request-id", default="", help="The same id answers the same run, however often it is sent.")
@click.option("--wait", is_flag=True, help="Wait for the run to end and show its checks.")
@click.option("--timeout", type=Duration(), default="10m", show_default=True, help="How long to wait; the run goes on afterwards.")
@_fail_on_option
@json_option
@session_options
@click.pass_context
def trigger(
    ctx: click.Context,
    dataset: str,
    kinds: tuple[str, ...],
    variables: tuple[str, ...],
    request_id: str,
    wait: bool,
    timeout: timedelta,
    fail_on: str,
    as_json: bool,
    session: Session,
) -> None:
    request = TriggerDatasetRequest(kinds=[Run.Kind.Value(kind.upper()) for kind in kinds], request_id=request_id)
    request.variables.update(map(_variable, variables))
    with session.tenant_client() as client:
        request.dataset_id = dataset_id(client, dataset)
        run = client.quality.TriggerDataset(request)
        if wait:
            run = _wait(client, run, timeout)
    if as_json:
        print_json(as_dict(run))
    elif wait:
        print_run(run)
    else:
        say(f"run {run.id}: {Run.State.Name(run.state)}")
    ctx.exit(exit_code(run, fail_on) if wait else 0)


@click.command(
    cls=VerdictCommand,
    short_help="Follow a run to its end and exit by its verdict.",
    help="Follow RUN_ID to its end. With --json it prints the run at each change, one line each." + _EXIT_CODES_HELP,
)
@click.argument("run_id")
@click.option("--timeout", type=Duration(), help="How long to follow. Default: to the end.")
@_fail_on_option
@json_option
@session_options
@click.pass_context
def watch(ctx: click.Context, run_id: str, timeout: timedelta | None, fail_on: str, as_json: bool, session: Session) -> None:
    with session.tenant_client() as client:
        run = client.quality.GetRun(GetRunRequest(id=run_id))
        states = client.watch_run(run_id, timeout_s=timeout.total_seconds() if timeout else None)
        if as_json:
            for run in states:
                print_json_line(as_dict(run))
        else:
            run = _follow(states, run)
            print_run(run)
    ctx.exit(exit_code(run, fail_on))


def exit_code(run: Run, fail_on: str) -> int:
    """The exit code of a run that has ended."""
    if run.verdict == Run.WARN and fail_on == "warn":
        return _EXIT_CODES[Run.FAIL]
    return _EXIT_CODES.get(run.verdict, EXIT_NO_VERDICT)


def _variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise CliError(f"--var {text!r} is not of the form NAME=VALUE")
    return name, value


def _wait(client: Client, run: Run, timeout: timedelta) -> Run:
    try:
        return _follow(client.watch_run(run.id, timeout_s=timeout.total_seconds()), run)
    except KeyboardInterrupt:
        click.echo(f"the run goes on; follow it with: chalkandduster watch {run.id}", err=True)
        raise


def _follow(states: Iterable[Run], run: Run) -> Run:
    """Shows each state on stderr until the run has ended; answers it as it is then."""
    with _progress() as show:
        show(f"run {run.id}: {progress_line(run)}")
        shown = progress_line(run)
        for run in states:
            if (line := progress_line(run)) != shown:
                show(f"run {run.id}: {line}")
                shown = line
    return run


class _Show:
    """Shows a line in the place of the last one on a terminal, below it elsewhere."""

    def __init__(self, status: Status | None) -> None:
        self._status = status

    def __call__(self, line: str) -> None:
        if self._status is None:
            click.echo(clean(line), err=True)
        else:
            self._status.update(clean(line))


@contextmanager
def _progress() -> Iterator[_Show]:
    screen = console(stderr=True)
    if not screen.is_terminal:
        yield _Show(None)
        return
    with screen.status("") as status:
        yield _Show(status)
