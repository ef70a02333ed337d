"""`token`: development tokens of the local suite."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import click

from chalkandduster.cli import suite
from chalkandduster.cli.duration import Duration
from chalkandduster.cli.errors import CliError
from chalkandduster.cli.options import state_option
from chalkandduster.cli.session import Session, Target, is_uuid

_ROLES = ("platform_admin", "tenant_admin", "editor", "viewer")


@click.command()
@click.option("--tenant", metavar="NAME", help="Tenant of the token, by name or id. platform_admin needs none.")
@click.option("--role", type=click.Choice(_ROLES), required=True, help="What the token allows.")
@click.option("--expires", type=Duration(), default="1h", show_default=True, help="How long it is valid.")
@state_option
def token(tenant: str | None, role: str, expires: timedelta, state: Path) -> None:
    """Print a bearer token of the local suite, and nothing else."""
    if tenant is None and role != "platform_admin":
        raise CliError(f"the role {role} acts in a tenant: name it with --tenant")
    tenant_id = _tenant_id(tenant, state) if tenant is not None else None
    click.echo(suite.mint(state, tenant_id=tenant_id, role=role, lifetime=expires))


def _tenant_id(tenant: str, state: Path) -> str:
    if is_uuid(tenant):
        return tenant.lower()
    if not suite.exists(state):
        raise CliError(f"there is no local suite in {state}: start it with 'chalkandduster up' or name another with --state")
    gateway = suite.gateway_url(state)
    if gateway is None:
        raise CliError(f"the suite in {state} is not running, so tenant {tenant!r} cannot be looked up: start it with 'chalkandduster up'")
    # Not the caller's own token: what is minted is this suite's, and so must be the tenant.
    admin = suite.mint(state, tenant_id=None, role="platform_admin", lifetime=timedelta(minutes=1))
    return Session(Target(gateway, admin, None, state)).tenant_id(tenant)
