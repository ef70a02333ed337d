"""`runs`: the history."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import click

from chalkandduster.cli.lookup import dataset_id
from chalkandduster.cli.options import json_option, session_options, session_options_beside_state
from chalkandduster.cli.output import as_dict, print_json, print_table
from chalkandduster.cli.run_view import RUN_COLUMNS, print_run, run_row
from chalkandduster.cli.session import Session
from chalkandduster.client import Client
from chalkandduster.quality.v1.run_pb2 import GetRunRequest, ListRunsRequest, Run

_LARGEST_PAGE = 1000


def _choice(names: list[str]) -> click.Choice[str]:
    return click.Choice(names[1:], case_sensitive=False)  # without the zero value


@click.group(invoke_without_command=True)
@click.option("--dataset", metavar="NAME", help="Only runs of this dataset, given by name or id.")
@click.option("--state", "run_state", type=_choice(Run.State.keys()), help="Only runs in this state.")
@click.option("--verdict", type=_choice(Run.Verdict.keys()), help="Only runs with this verdict.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=20, show_default=True, help="Most runs to list.")
@json_option
@session_options_beside_state
@click.pass_context
def runs(
    ctx: click.Context, dataset: str | None, run_state: str | None, verdict: str | None, limit: int, as_json: bool, session: Session
) -> None:
    """List runs, newest first."""
    if ctx.invoked_subcommand is not None:
        return
    request = ListRunsRequest(page_size=min(limit, _LARGEST_PAGE))
    if run_state:
        request.state = Run.State.Value(run_state)
    if verdict:
        request.verdict = Run.Verdict.Value(verdict)
    with session.tenant_client() as client:
        if dataset:
            request.dataset_id = dataset_id(client, dataset)
        found = list(islice(_all_runs(client, request), limit))
    if as_json:
        print_json({"runs": [as_dict(run) for run in found]})
    else:
        print_table(RUN_COLUMNS, map(run_row, found), "no runs")


@runs.command()
@click.argument("run_id")
@json_option
@session_options
def show(run_id: str, as_json: bool, session: Session) -> None:
    """Show one run with its checks."""
    with session.tenant_client() as client:
        run = client.quality.GetRun(GetRunRequest(id=run_id))
    if as_json:
        print_json(as_dict(run))
    else:
        print_run(run)


def _all_runs(client: Client, request: ListRunsRequest) -> Iterator[Run]:
    for page in client.pages(client.quality.ListRuns, request):
        yield from page.runs
