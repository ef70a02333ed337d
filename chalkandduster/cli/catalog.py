"""`datasets`, `connections` and `connections test`: what is registered."""

from __future__ import annotations

import click

from chalkandduster.cli.errors import EXIT_FAILURE
from chalkandduster.cli.lookup import connection_id
from chalkandduster.cli.options import json_option, session_options
from chalkandduster.cli.output import as_dict, print_json, print_table, say
from chalkandduster.cli.session import Session
from chalkandduster.cli.text import moment
from chalkandduster.client import Client
from chalkandduster.registry.v1.connection_pb2 import Connection, ListConnectionsRequest, TestConnectionRequest
from chalkandduster.registry.v1.dataset_pb2 import Dataset, ListDatasetsRequest

_PAGE_SIZE = 500


@click.command()
@click.option("--connection", metavar="NAME", help="Only datasets of this connection, given by name or id.")
@click.option("--tag", default="", help="Only datasets with this tag.")
@click.option("--owner", default="", help="Only datasets of this owner.")
@json_option
@session_options
def datasets(connection: str | None, tag: str, owner: str, as_json: bool, session: Session) -> None:
    """List the datasets."""
    request = ListDatasetsRequest(page_size=_PAGE_SIZE, tag=tag, owner=owner)
    with session.tenant_client() as client:
        if connection:
            request.connection_id = connection_id(client, connection)
        found = [dataset for page in client.pages(client.registry.ListDatasets, request) for dataset in page.datasets]
        names = {} if as_json else {each.id: each.name for each in _connections(client)}
    if as_json:
        print_json({"datasets": [as_dict(dataset) for dataset in found]})
        return
    columns = ("name", "table", "connection", "checks", "owner", "tags", "changed")
    print_table(columns, (_dataset_row(dataset, names) for dataset in found), "no datasets")


@click.group(invoke_without_command=True)
@json_option
@session_options
@click.pass_context
def connections(ctx: click.Context, as_json: bool, session: Session) -> None:
    """List the connections."""
    if ctx.invoked_subcommand is not None:
        return
    with session.tenant_client() as client:
        found = _connections(client)
    if as_json:
        print_json({"connections": [as_dict(connection) for connection in found]})
    else:
        print_table(("name", "kind", "place", "user", "secret", "changed"), map(_connection_row, found), "no connections")


@connections.command("test")
@click.argument("name")
@json_option
@session_options
@click.pass_context
def test_connection(ctx: click.Context, name: str, as_json: bool, session: Session) -> None:
    """Log in with connection NAME, given by name or id. The exit code is 1 when that fails."""
    with session.tenant_client() as client:
        answer = client.registry.TestConnection(TestConnectionRequest(id=connection_id(client, name)))
    if as_json:
        print_json(as_dict(answer))
    elif answer.ok:
        say(f"connection {name} works: {answer.server_version}, {answer.latency_ms:.0f} ms")
    else:
        click.echo(f"error: connection {name} does not work: {answer.error}", err=True)
    ctx.exit(0 if answer.ok else EXIT_FAILURE)


def _connections(client: Client) -> list[Connection]:
    pages = client.pages(client.registry.ListConnections, ListConnectionsRequest(page_size=_PAGE_SIZE))
    return [connection for page in pages for connection in page.connections]


def _dataset_row(dataset: Dataset, connection_names: dict[str, str]) -> list[str]:
    table = ".".join(part for part in (dataset.database, dataset.schema, dataset.table) if part)
    connection = connection_names.get(dataset.connection_id, dataset.connection_id)
    tags = ", ".join(dataset.tags)
    return [dataset.name, table, connection, str(dataset.check_count), dataset.owner, tags, moment(dataset.update_time)]


def _connection_row(connection: Connection) -> list[str]:
    kind = connection.WhichOneof("kind") or ""
    settings = connection.postgres if kind == "postgres" else connection.snowflake
    host = connection.postgres.host if kind == "postgres" else connection.snowflake.account
    secret = "private key" if connection.snowflake.has_private_key else "password" if settings.has_password else "none"
    place = f"{host} {settings.database}.{settings.schema}"
    return [connection.name, kind, place, settings.user, secret, moment(connection.update_time)]
