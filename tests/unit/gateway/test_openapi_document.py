"""The committed OpenAPI document: valid, complete, and saying of the API what the protos say."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import openapi_spec_validator
import pytest
import yaml

from gateway.contract import Contract
from gateway.openapi.__main__ import EXAMPLES
from gateway.render import DESCRIPTOR, DOCS

DOCUMENT: dict[str, Any] = json.loads((DOCS / "openapi.json").read_text("utf-8"))
OPERATIONS = {op["operationId"]: op for path in DOCUMENT["paths"].values() for op in path.values()}


def schema(name: str) -> dict[str, Any]:
    return dict(DOCUMENT["components"]["schemas"][name])


def query(operation_id: str) -> dict[str, dict[str, Any]]:
    return {item["name"]: item for item in OPERATIONS[operation_id]["parameters"] if item.get("in") == "query"}


def test_document_is_valid_openapi_3_1() -> None:
    openapi_spec_validator.validate(DOCUMENT, cls=openapi_spec_validator.OpenAPIV31SpecValidator)


def test_every_rpc_with_a_path_is_described_and_no_other() -> None:
    contract = Contract(DESCRIPTOR.read_bytes())
    rpcs = [rpc for name in contract.startable for rpc in contract.rpcs(name)]
    assert sorted(OPERATIONS) == sorted(rpc.name[0].lower() + rpc.name[1:] for rpc in rpcs if not rpc.internal)


def test_paths_of_one_shape_have_one_entry() -> None:
    shapes = [re.sub(r"\{[^}]*\}", "{}", path) for path in DOCUMENT["paths"]]
    assert len(shapes) == len(set(shapes))


def everything(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from everything(value)
    elif isinstance(node, list):
        for value in node:
            yield from everything(value)


def test_every_reference_leads_somewhere() -> None:
    for node in everything(DOCUMENT):
        if isinstance(reference := node.get("$ref"), str):
            _, _, kind, name = reference.split("/")
            assert name in DOCUMENT["components"][kind]


def test_every_operation_field_and_enum_says_what_it_is() -> None:
    for operation in OPERATIONS.values():
        assert operation["summary"]
        assert "`" not in operation["summary"]
        assert all(item["description"] for item in operation.get("parameters", []) if "$ref" not in item)
    for name, component in DOCUMENT["components"]["schemas"].items():
        assert component["description"], name
        if name not in ("ErrorInfo", "BadRequest", "PreconditionFailure"):
            assert all("description" in field for field in component.get("properties", {}).values() if field), name


def test_part_of_the_path_is_not_in_the_body() -> None:
    body = OPERATIONS["triggerDataset"]["requestBody"]["content"]["application/json"]["schema"]
    assert set(body["properties"]) == {"kinds", "request_id", "variables"}
    assert "requestBody" not in OPERATIONS["cancelRun"]


def test_rest_of_a_request_beside_its_body_is_in_the_query() -> None:
    assert set(query("createTenant")) == {"request_id"}
    assert set(query("updateTenant")) == {"update_mask"}
    assert query("updateTenant")["update_mask"]["schema"] == {"type": "string"}


def test_filters_of_a_list_are_in_the_query_with_their_types() -> None:
    parameters = query("listRuns")
    assert {"page_size", "page_token", "dataset_id", "state", "verdict", "from_time"} <= set(parameters)
    assert parameters["state"]["schema"] == {"$ref": "#/components/schemas/Run.State"}
    assert parameters["from_time"]["schema"] == {"type": "string", "format": "date-time"}
    assert parameters["page_size"]["schema"]["minimum"] == 0


def test_nested_path_field_is_named_by_its_last_part() -> None:
    operation = DOCUMENT["paths"]["/api/v1/tenants/{id}"]["patch"]
    assert [item["name"] for item in operation["parameters"] if item.get("in") == "path"] == ["id"]
    assert operation["requestBody"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/TenantPatch"}


def test_update_requires_nothing_and_leaves_out_what_only_answers_have() -> None:
    assert "required" not in schema("TenantPatch")
    assert "id" not in schema("TenantPatch")["properties"]
    assert schema("Tenant")["required"] == ["name"]


def test_secrets_are_write_only_and_server_fields_read_only() -> None:
    properties = schema("SnowflakeSettings")["properties"]
    assert properties["password"]["writeOnly"] is True
    assert properties["has_password"]["readOnly"] is True


def test_one_connection_has_at_most_one_kind() -> None:
    validator = jsonschema.Draft202012Validator({"$ref": "#/components/schemas/Connection", "components": DOCUMENT["components"]})
    assert validator.is_valid({"name": "w", "postgres": {}})
    assert validator.is_valid({"name": "w"})
    assert not validator.is_valid({"name": "w", "postgres": {}, "snowflake": {}})


def test_rules_of_the_protos_are_in_the_schemas() -> None:
    assert schema("PostgresSettings")["properties"]["port"]["maximum"] == 65535
    assert schema("PostgresSettings")["properties"]["sslmode"]["enum"][-1] == "verify-full"
    tags = schema("Dataset")["properties"]["tags"]
    assert (tags["maxItems"], tags["uniqueItems"], tags["items"]["minLength"]) == (50, True, 1)
    variables = schema("Dataset")["properties"]["variables"]
    assert (variables["maxProperties"], variables["additionalProperties"]["maxLength"]) == (100, 1000)
    assert variables["propertyNames"]["pattern"].startswith("^")


def test_enums_are_short_names_with_their_meaning() -> None:
    state = schema("Run.State")
    assert state["enum"] == ["STATE_UNSPECIFIED", "QUEUED", "RUNNING", "SUCCEEDED", "ERRORED", "CANCELLED"]
    assert "`RUNNING`: A worker holds it." in state["description"]


def test_what_answers_always_have_is_required() -> None:
    required = schema("CheckResult")["required"]
    assert {"id", "verdict", "message"} <= set(required)
    assert "measured_value" not in required


def test_counts_that_pass_thirty_two_bits_are_numbers_in_json() -> None:
    assert "number" in json.dumps(schema("CheckResult")["properties"]["failed_rows_count"])


def test_stream_is_described_as_lines_of_json() -> None:
    answer = OPERATIONS["watchRun"]["responses"]["200"]
    assert "newline-delimited" in answer["description"]
    assert answer["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/WatchRunResponse"}


def test_calls_need_a_token_or_a_key_but_for_health() -> None:
    assert DOCUMENT["security"] == [{"bearerAuth": []}, {"apiKey": []}]
    assert DOCUMENT["components"]["securitySchemes"]["apiKey"]["name"] == "x-api-key"
    open_to_all = [name for name, operation in OPERATIONS.items() if operation.get("security") == []]
    assert open_to_all == ["getHealth"]


def test_calls_in_a_tenant_take_the_tenant_header() -> None:
    def takes_tenant(operation_id: str) -> bool:
        return {"$ref": "#/components/parameters/TenantId"} in OPERATIONS[operation_id]["parameters"]

    assert takes_tenant("getRun")
    assert not takes_tenant("createTenant")


def test_errors_are_described_with_their_reasons() -> None:
    assert {"400", "401", "403", "404", "409", "413", "429", "503", "504", "default"} == set(OPERATIONS["updateDataset"]["responses"]) - {
        "200"
    }
    reasons = schema("ErrorInfo")["properties"]["reason"]["description"]
    assert "`ETAG_MISMATCH`: The resource changed" in reasons
    assert "retry-after" in DOCUMENT["components"]["responses"]["TooMany"]["headers"]


@pytest.mark.parametrize("name", sorted(DOCUMENT["components"]["responses"]))
def test_sample_of_an_error_fits_its_schema(name: str) -> None:
    content = DOCUMENT["components"]["responses"][name]["content"]["application/json"]
    jsonschema.Draft202012Validator({**content["schema"], "components": DOCUMENT["components"]}).validate(content["example"])


@pytest.mark.parametrize("operation_id", sorted(OPERATIONS.keys() & yaml.safe_load(Path(EXAMPLES).read_text("utf-8"))))
def test_sample_body_fits_its_schema(operation_id: str) -> None:
    content = OPERATIONS[operation_id]["requestBody"]["content"]["application/json"]
    jsonschema.Draft202012Validator({**content["schema"], "components": DOCUMENT["components"]}).validate(content["example"])
