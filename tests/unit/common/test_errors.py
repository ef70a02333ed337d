from __future__ import annotations

import logging

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from services.common import errors
from services.common.rpc_errors import COMMON_CATALOG, to_status
from services.common.testing.catalog import missing_from_catalog


def details(status: status_pb2.Status) -> dict[str, object]:
    kinds = (error_details_pb2.ErrorInfo, error_details_pb2.BadRequest, error_details_pb2.PreconditionFailure, error_details_pb2.RetryInfo)
    found: dict[str, object] = {}
    for detail in status.details:
        for kind in kinds:
            message = kind()
            if detail.Unpack(message):
                found[kind.__name__] = message
    return found


SAMPLES = [
    errors.InvalidRequest([errors.FieldViolation("dataset.name", "must not be empty")]),
    errors.InvalidPageToken(),
    errors.InvalidUpdateMask("etag", ["name"]),
    errors.EgressDenied("host", "leads to a private address"),
    errors.HostNotFound("host", "has no address"),
    errors.Unauthenticated(),
    errors.PermissionDenied(permission="datasets.write"),
    errors.TenantRequired(),
    errors.NameTaken(name="orders"),
    errors.RequestIdReused(),
    errors.EtagMismatch(),
    errors.ResourceInUse(users=[errors.ResourceUser("dataset", "7", "orders")]),
    errors.QuotaExceeded(quota="max_datasets"),
    errors.DependencyUnavailable(service="registry"),
]


def test_every_error_of_the_kit_is_in_the_catalogue_with_a_reason_of_the_api() -> None:
    assert missing_from_catalog(COMMON_CATALOG, "services.common") == []
    assert {type(sample) for sample in SAMPLES} == set(COMMON_CATALOG)


def test_an_error_without_entry_or_with_an_unknown_reason_is_found() -> None:
    class BrewingFailed(errors.DomainError):
        """An error of a service that nobody entered."""

    BrewingFailed.__module__ = "services.teapot.domain.errors"
    assert missing_from_catalog(COMMON_CATALOG, "services.teapot") == ["BrewingFailed has no entry"]
    without = {error: spec for error, spec in COMMON_CATALOG.items() if error is not errors.NameTaken}
    assert missing_from_catalog(without, "services.common") == ["NameTaken of the kit has no entry"]


@pytest.mark.parametrize("error", SAMPLES, ids=lambda error: type(error).__name__)
def test_every_error_carries_its_reason_domain_and_metadata(error: errors.DomainError) -> None:
    status = to_status(error, COMMON_CATALOG)
    info = details(status)["ErrorInfo"]
    assert isinstance(info, error_details_pb2.ErrorInfo)
    assert (info.reason, info.domain, dict(info.metadata)) == (COMMON_CATALOG[type(error)].reason, "chalkandduster", error.metadata)
    assert status.code == COMMON_CATALOG[type(error)].code.value[0]
    assert status.message == error.message
    assert status.message.endswith(".") or ":" in status.message


def test_field_violations_reach_the_caller_as_bad_request() -> None:
    status = to_status(errors.InvalidRequest([errors.FieldViolation("dataset.name", "must not be empty", "REQUIRED")]), COMMON_CATALOG)
    bad = details(status)["BadRequest"]
    assert isinstance(bad, error_details_pb2.BadRequest)
    assert [(one.field, one.description, one.reason) for one in bad.field_violations] == [("dataset.name", "must not be empty", "REQUIRED")]
    assert status.message == "The request is not valid: dataset.name: must not be empty"


def test_what_uses_a_resource_reaches_the_caller_as_precondition_failure() -> None:
    status = to_status(errors.ResourceInUse(users=[errors.ResourceUser("dataset", "7", "orders")]), COMMON_CATALOG)
    failure = details(status)["PreconditionFailure"]
    assert isinstance(failure, error_details_pb2.PreconditionFailure)
    assert [(one.type, one.subject, one.description) for one in failure.violations] == [
        ("RESOURCE_IN_USE", "dataset/7", "used by dataset orders")
    ]
    assert status.message == "The resource is in use by dataset orders."


def test_the_message_of_a_resource_in_use_names_the_first_of_many() -> None:
    users = [errors.ResourceUser("dataset", str(number), f"d{number}") for number in range(5)]
    assert to_status(errors.ResourceInUse(users=users), COMMON_CATALOG).message == (
        "The resource is in use by dataset d0, dataset d1, dataset d2 and 2 more."
    )


def test_only_what_may_work_later_says_when_to_try_again() -> None:
    again = [type(error).__name__ for error in SAMPLES if "RetryInfo" in details(to_status(error, COMMON_CATALOG))]
    assert again == ["DependencyUnavailable"]


def test_an_unforeseen_error_tells_the_caller_its_request_id_and_the_log_the_rest(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        status = to_status(RuntimeError("postgresql://user:secret@db/prod"), COMMON_CATALOG, request_id="r-1")
    assert status.message == "internal error; request id r-1"
    assert status.code == grpc.StatusCode.INTERNAL.value[0]
    assert b"secret" not in status.SerializeToString()
    assert caplog.records[0].exc_info is not None


def test_an_error_of_a_service_that_is_not_in_the_catalogue_says_nothing_either() -> None:
    class Uncatalogued(errors.DomainError):
        """Not in any catalogue."""

    Uncatalogued.__module__ = "services.elsewhere"
    assert to_status(Uncatalogued("inner detail"), {}, request_id="r").message == "internal error; request id r"


def test_an_error_that_a_task_group_wrapped_is_the_same_to_the_caller() -> None:
    wrapped = ExceptionGroup("unhandled errors", [ExceptionGroup("inner", [errors.NameTaken(name="orders")])])
    assert to_status(wrapped, COMMON_CATALOG).message == "The name 'orders' is taken."


def test_a_status_stays_small_enough_for_http2_trailers_whatever_the_caller_sent() -> None:
    many = errors.InvalidRequest([errors.FieldViolation("f" * 10_000, "d" * 10_000) for _ in range(500)])
    assert len(to_status(many, COMMON_CATALOG).SerializeToString()) < 8_000
    users = errors.ResourceInUse(users=[errors.ResourceUser("dataset", str(number), "n" * 200) for number in range(5_000)])
    assert len(to_status(users, COMMON_CATALOG).SerializeToString()) < 8_000
    assert len(to_status(errors.NameTaken(name="x" * 100_000), COMMON_CATALOG).SerializeToString()) < 8_000
