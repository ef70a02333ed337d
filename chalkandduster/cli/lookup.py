"""Finds what a user names: by name, or by id."""

from __future__ import annotations

from chalkandduster.cli.errors import CliError
from chalkandduster.cli.session import is_uuid
from chalkandduster.client import Client
from chalkandduster.registry.v1.api_key_pb2 import ListApiKeysRequest
from chalkandduster.registry.v1.connection_pb2 import Connection, ListConnectionsRequest
from chalkandduster.registry.v1.dataset_pb2 import Dataset, ListDatasetsRequest


def find_dataset(client: Client, name: str) -> Dataset | None:
    """The dataset with exactly this name; None when there is none."""
    # Compared again: an empty name is no filter.
    found = client.registry.ListDatasets(ListDatasetsRequest(name=name)).datasets
    return next((dataset for dataset in found if dataset.name == name), None)


def find_connection(client: Client, name: str) -> Connection | None:
    """The connection with exactly this name; None when there is none."""
    found = client.registry.ListConnections(ListConnectionsRequest(name=name)).connections
    return next((connection for connection in found if connection.name == name), None)


def dataset_id(client: Client, name: str) -> str:
    """The id of a dataset given by name or id. Raises CliError when no dataset has the name."""
    if is_uuid(name):
        return name
    found = find_dataset(client, name)
    if found is None:
        raise CliError(f"there is no dataset {name!r} in this tenant")
    return found.id


def connection_id(client: Client, name: str) -> str:
    """The id of a connection given by name or id. Raises CliError when no connection has the name."""
    if is_uuid(name):
        return name
    found = find_connection(client, name)
    if found is None:
        raise CliError(f"there is no connection {name!r} in this tenant")
    return found.id


def api_key_id(client: Client, name: str) -> str:
    """The id of an API key given by name or id. Raises CliError when no key that still works has the name."""
    if is_uuid(name):
        return name
    for page in client.pages(client.registry.ListApiKeys, ListApiKeysRequest(page_size=1000)):
        for key in page.api_keys:
            if key.name == name and not key.HasField("revoke_time"):
                return key.id
    raise CliError(f"there is no API key {name!r} in this tenant")
