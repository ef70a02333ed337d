"""The RPCs about datasets."""

from __future__ import annotations

from google.protobuf.empty_pb2 import Empty

from chalkandduster.registry.v1 import dataset_pb2, registry_service_pb2
from services.registry.app.use_cases import UseCases
from services.registry.domain.tenant import TenantState
from services.registry.rpc.calls import Context, caller, canonical_id, request_key
from services.registry.rpc.codec.connections import encode_opened
from services.registry.rpc.codec.datasets import decode_dataset, decode_dataset_change, decode_dataset_filter, encode_dataset
from services.registry.rpc.codec.tenants import encode_quotas
from services.registry.rpc.pages import Pages


class DatasetMethods:
    """Decode, use case, encode."""

    def __init__(self, use_cases: UseCases) -> None:
        self._use_cases = use_cases

    async def CreateDataset(self, request: dataset_pb2.CreateDatasetRequest, context: Context) -> dataset_pb2.Dataset:  # noqa: N802
        draft, key = decode_dataset(request.dataset), request_key(request.request_id, request.dataset)
        return encode_dataset(await self._use_cases.create_dataset.execute(caller(), draft, key))

    async def GetDataset(self, request: dataset_pb2.GetDatasetRequest, context: Context) -> dataset_pb2.Dataset:  # noqa: N802
        return encode_dataset(await self._use_cases.get_dataset.execute(caller(), canonical_id(request.id)))

    async def ListDatasets(self, request: dataset_pb2.ListDatasetsRequest, context: Context) -> dataset_pb2.ListDatasetsResponse:  # noqa: N802
        who, wanted = caller(), decode_dataset_filter(request)
        filters = {"name": wanted.name, "connection_id": wanted.connection_id, "tag": wanted.tag, "owner": wanted.owner}
        pages = Pages("datasets", who, filters)
        page = await self._use_cases.list_datasets.execute(who, wanted, pages.wanted(request))
        return dataset_pb2.ListDatasetsResponse(
            datasets=[encode_dataset(dataset) for dataset in page.items], next_page_token=pages.next_token(page.last_key)
        )

    async def UpdateDataset(self, request: dataset_pb2.UpdateDatasetRequest, context: Context) -> dataset_pb2.Dataset:  # noqa: N802
        dataset_id, change = canonical_id(request.dataset.id), decode_dataset_change(request)
        return encode_dataset(await self._use_cases.update_dataset.execute(caller(), dataset_id, change, request.dataset.etag))

    async def DeleteDataset(self, request: dataset_pb2.DeleteDatasetRequest, context: Context) -> Empty:  # noqa: N802
        await self._use_cases.delete_dataset.execute(caller(), canonical_id(request.id), request.etag)
        return Empty()

    async def ResolveDataset(  # noqa: N802
        self, request: dataset_pb2.ResolveDatasetRequest, context: Context
    ) -> registry_service_pb2.ResolveDatasetResponse:
        dataset, resolved = await self._use_cases.resolve_dataset.execute(caller(), canonical_id(request.id))
        return registry_service_pb2.ResolveDatasetResponse(
            dataset=encode_dataset(dataset),
            connection=encode_opened(resolved.opened),
            quotas=encode_quotas(resolved.tenant.quotas),
            tenant_active=resolved.tenant.state is TenantState.ACTIVE,
        )
