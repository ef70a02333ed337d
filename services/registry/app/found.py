"""What is not there is an error of its own."""

from __future__ import annotations

from services.registry.domain.connection import Connection
from services.registry.domain.dataset import Dataset
from services.registry.domain.errors import ConnectionNotFound, DatasetNotFound


def found_connection(connection: Connection | None, key: str) -> Connection:
    """The connection. Raises ConnectionNotFound naming `key` when there is none."""
    if connection is None:
        raise ConnectionNotFound(connection=key)
    return connection


def found_dataset(dataset: Dataset | None, dataset_id: str) -> Dataset:
    """The dataset. Raises DatasetNotFound when there is none."""
    if dataset is None:
        raise DatasetNotFound(dataset=dataset_id)
    return dataset
