"""Datasets between the domain and protobuf."""

from __future__ import annotations

from collections.abc import Callable

from chalkandduster.registry.v1 import dataset_pb2
from services.common.field_mask import apply_update
from services.registry.domain.dataset import Dataset, DatasetDraft, DatasetFilter, SamplePolicy
from services.registry.domain.revision import etag_of
from services.registry.rpc.calls import canonical_id
from services.registry.rpc.codec.times import timestamp_of

_CHANGEABLE = (
    "name",
    "connection_id",
    "table",
    "schema",
    "database",
    "checks_yaml",
    "drift_yaml",
    "description",
    "owner",
    "tags",
    "variables",
    "samples",
)


def encode_dataset(dataset: Dataset) -> dataset_pb2.Dataset:
    """The dataset as callers see it."""
    message = _encode_draft(dataset.content)
    message.id = dataset.id
    message.check_count = dataset.check_count
    message.create_time.CopyFrom(timestamp_of(dataset.create_time))
    message.update_time.CopyFrom(timestamp_of(dataset.update_time))
    message.etag = etag_of(dataset.revision)
    return message


def decode_dataset(message: dataset_pb2.Dataset) -> DatasetDraft:
    """The dataset as the caller wants it."""
    samples = message.samples
    return DatasetDraft(
        name=message.name,
        connection_id=canonical_id(message.connection_id),
        table=message.table,
        schema=message.schema,
        database=message.database,
        checks_yaml=message.checks_yaml,
        drift_yaml=message.drift_yaml,
        description=message.description,
        owner=message.owner,
        tags=tuple(message.tags),
        variables=dict(message.variables),
        samples=SamplePolicy(samples.limit, tuple(samples.excluded_columns)) if message.HasField("samples") else None,
    )


def decode_dataset_change(request: dataset_pb2.UpdateDatasetRequest) -> Callable[[Dataset], DatasetDraft]:
    """What the request makes of a dataset. The function raises InvalidUpdateMask."""

    def change(present: Dataset) -> DatasetDraft:
        mask = request.update_mask if request.HasField("update_mask") else None
        return decode_dataset(apply_update(encode_dataset(present), request.dataset, mask, _CHANGEABLE))

    return change


def decode_dataset_filter(request: dataset_pb2.ListDatasetsRequest) -> DatasetFilter:
    """Which datasets the request asks for."""
    return DatasetFilter(request.name, canonical_id(request.connection_id), request.tag, request.owner)


def _encode_draft(draft: DatasetDraft) -> dataset_pb2.Dataset:
    message = dataset_pb2.Dataset(
        name=draft.name,
        connection_id=draft.connection_id,
        table=draft.table,
        schema=draft.schema,
        database=draft.database,
        checks_yaml=draft.checks_yaml,
        drift_yaml=draft.drift_yaml,
        description=draft.description,
        owner=draft.owner,
        tags=draft.tags,
        variables=draft.variables,
    )
    if draft.samples is not None:
        policy = dataset_pb2.SamplePolicy(limit=draft.samples.limit, excluded_columns=draft.samples.excluded_columns)
        message.samples.CopyFrom(policy)
    return message
