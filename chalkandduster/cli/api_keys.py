"""`api-keys`: credentials for machines."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click

from chalkandduster.cli.duration import Duration
from chalkandduster.cli.lookup import api_key_id
from chalkandduster.cli.options import json_option, session_options
from chalkandduster.cli.output import as_dict, print_json, print_table, say
from chalkandduster.cli.session import Session
from chalkandduster.cli.text import clean, moment
from chalkandduster.registry.v1.api_key_pb2 import ApiKey, CreateApiKeyRequest, ListApiKeysRequest, RevokeApiKeyRequest


@click.group("api-keys")
def api_keys() -> None:
    """Create, list and revoke API keys."""


@api_keys.command()
@click.argument("name")
@click.option("--role", type=click.Choice(["tenant_admin", "editor", "viewer"]), required=True, help="What the key may do.")
@click.option("--expires", type=Duration(), help="How long it works. Default: until it is revoked.")
@json_option
@session_options
def create(name: str, role: str, expires: timedelta | None, as_json: bool, session: Session) -> None:
    """Create a key and print it. It is not shown again."""
    key = ApiKey(name=name, role=role)
    if expires is not None:
        key.expire_time.FromDatetime(datetime.now(UTC) + expires)
    with session.tenant_client() as client:
        created = client.registry.CreateApiKey(CreateApiKeyRequest(api_key=key))
    if as_json:
        print_json(as_dict(created))
    else:
        click.echo(f"API key {clean(created.name)} ({created.role}); keep it, it is not shown again:", err=True)
        click.echo(created.key)


@api_keys.command("list")
@json_option
@session_options
def list_keys(as_json: bool, session: Session) -> None:
    """List the keys, without their secrets."""
    with session.tenant_client() as client:
        pages = client.pages(client.registry.ListApiKeys, ListApiKeysRequest(page_size=500))
        found = [key for page in pages for key in page.api_keys]
    if as_json:
        print_json({"api_keys": [as_dict(key) for key in found]})
    else:
        print_table(("name", "role", "state", "expires", "last used", "created", "id"), map(_row, found), "no API keys")


@api_keys.command()
@click.argument("name")
@json_option
@session_options
def revoke(name: str, as_json: bool, session: Session) -> None:
    """Revoke the key NAME, given by name or id: it stops working within a minute."""
    with session.tenant_client() as client:
        revoked = client.registry.RevokeApiKey(RevokeApiKeyRequest(id=api_key_id(client, name)))
    if as_json:
        print_json(as_dict(revoked))
    else:
        say(f"API key {revoked.name} is revoked")


def _row(key: ApiKey) -> list[str]:
    state = "works"
    if key.HasField("revoke_time"):
        state = "revoked"
    elif key.HasField("expire_time") and key.expire_time.ToDatetime(tzinfo=UTC) <= datetime.now(UTC):
        state = "expired"
    return [key.name, key.role, state, moment(key.expire_time), moment(key.last_use_time), moment(key.create_time), key.id]
