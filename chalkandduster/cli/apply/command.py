"""The command `apply`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from chalkandduster.cli.apply import files, manifest, plan
from chalkandduster.cli.apply.manifest import Manifest
from chalkandduster.cli.apply.plan import Action, Step
from chalkandduster.cli.apply.problem import ProblemsError
from chalkandduster.cli.apply.remote import Remote
from chalkandduster.cli.errors import CliError, explain
from chalkandduster.cli.options import json_option, target_options
from chalkandduster.cli.output import print_json, say
from chalkandduster.cli.session import Session, Target
from chalkandduster.cli.text import clean
from chalkandduster.client import ApiError

_DONE = {Action.CREATE: "created", Action.UPDATE: "updated", Action.UNCHANGED: "unchanged"}
_DIFF_STYLES = {"+": "green", "-": "red", "@": "cyan"}


@click.command(short_help="Make the tenant like the manifests in a file or folder.")
@click.option(
    "-f",
    "--file",
    "paths",
    type=click.Path(exists=True, path_type=Path),
    multiple=True,
    required=True,
    help="File or folder with manifests; repeat for more.",
)
@click.option("--dry-run", is_flag=True, help="Show what would change, as a diff, and change nothing.")
@click.option("--update-secrets", is_flag=True, help="Send the secrets of connections even if nothing else changes.")
@json_option
@target_options
def apply(paths: tuple[Path, ...], dry_run: bool, update_secrets: bool, as_json: bool, target: Target) -> None:
    """Make the tenant like the manifests: create what is missing, change what differs, leave the rest.

    A manifest has apiVersion: chalkandduster/v1, kind (Tenant, Connection, Dataset or Schedule), metadata.name and spec. What a spec leaves
    out is emptied, apart from secrets and a tenant's state; what has no manifest is left alone. Secrets are written as ${VARIABLE} and
    read from the environment; they are sent with a new connection and with a change of one. Without --tenant, a single Tenant among the
    manifests is the one that the others belong to.
    """
    problems: list[Any] = []
    manifests = manifest.read(files.load(paths, problems), problems)
    if problems:
        raise ProblemsError(problems)
    tenant = _tenant_of(target, manifests)
    with Remote(Session(target.in_tenant(tenant))) as remote:
        remote.look_for_tenant(manifests, tenant)
        steps = plan.make(manifests, remote, problems, send_secrets=update_secrets)
        if problems:
            raise ProblemsError(problems)
        if dry_run:
            _show(steps, as_json)
        else:
            _take_all(steps, remote, as_json)


def _tenant_of(target: Target, manifests: Sequence[Manifest]) -> str | None:
    declared = [each.name for each in manifests if each.kind == "Tenant"]
    if target.tenant or len(declared) == 1:
        return target.tenant or declared[0]
    if declared and len(declared) < len(manifests):
        raise CliError(f"the manifests declare several tenants, name the one of the others with --tenant: {', '.join(declared)}")
    return None


def _show(steps: list[Step], as_json: bool) -> None:
    if as_json:
        print_json({"dry_run": True, "resources": [_as_json(step, step.action) for step in steps]})
        return
    for step in steps:
        if step.action is Action.UNCHANGED:
            continue
        say(f"{step.manifest.label}: would be {_DONE[step.action]}")
        for line in step.diff.splitlines():
            click.secho(clean(line), fg=_DIFF_STYLES.get(line[:1]))
    say(f"dry run: {_tally([step.action for step in steps])}; nothing was changed")


def _take_all(steps: list[Step], remote: Remote, as_json: bool) -> None:
    """Takes the steps one by one up to the first that fails. Raises CliError saying what was done before it."""
    done: list[dict[str, Any]] = []
    failure: CliError | None = None
    for index, step in enumerate(steps):
        try:
            done.append(_as_json(step, _DONE[step.action], plan.take(step, remote)))
        except ApiError as error:
            failure = _failure(steps, index, error)
            done.append({**_as_json(step, "failed"), "error": failure.message})
            break
        if not as_json:
            say(f"{step.manifest.label} {_DONE[step.action]}")
    if as_json:
        print_json({"dry_run": False, "resources": done})
    if failure is not None:
        raise failure
    if not as_json:
        say(_tally([step.action for step in steps]))


def _failure(steps: list[Step], index: int, error: ApiError) -> CliError:
    failed = steps[index].manifest
    lines = [f"{failed.place_of(_own_path(each.field))}: {each.field}: {each.description}" for each in error.violations]
    changed = [step.manifest.label for step in steps[:index] if step.action is not Action.UNCHANGED]
    waiting = [step.manifest.label for step in steps[index + 1 :] if step.action is not Action.UNCHANGED]
    lines.append(f"applied before it: {', '.join(changed) or 'nothing'}")
    if waiting:
        lines.append(f"not tried: {', '.join(waiting)}")
    return CliError(f"{failed.place}: {failed.label} could not be {_DONE[steps[index].action]}: {explain(error)}", *lines)


def _own_path(field: str) -> str:
    """`connection.snowflake.host`, as an answer names it, is `snowflake.host` in the manifest."""
    return field.partition(".")[2]


def _as_json(step: Step, action: str, resource_id: str = "") -> dict[str, Any]:
    known = resource_id or str(getattr(step.current, "id", ""))
    named = {"kind": step.manifest.kind, "name": step.manifest.name}
    return {**named, "action": str(action), "id": known, "fields": list(step.paths), "diff": step.diff}


def _tally(actions: list[Action]) -> str:
    return ", ".join(f"{actions.count(action)} {word}" for action, word in _DONE.items())
