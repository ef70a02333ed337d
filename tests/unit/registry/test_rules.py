"""The rules of the registry's domain."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.errors import EtagMismatch, InvalidRequest
from services.registry.domain import api_key, connection_rules, dataset_rules
from services.registry.domain.audit import changed_fields, describe
from services.registry.domain.connection import Settings
from services.registry.domain.dataset import CheckProblem
from services.registry.domain.drift_settings import MAX_BYTES, check_drift_yaml
from services.registry.domain.revision import check_etag
from services.registry.domain.secret import Secret, SecretKind, StoredSecret
from services.registry.domain.tenant import Quotas
from tests.unit.registry import samples

CONNECTION_ID = "0193ff00-0000-7000-8000-000000000000"


def fields_of(check: Any, *arguments: Any) -> list[str]:
    try:
        check(*arguments)
    except InvalidRequest as error:
        return [violation.field for violation in error.violations]
    return []


@given(st.text(max_size=300))
def test_names_that_pass_are_plain_ascii(name: str) -> None:
    if fields_of(dataset_rules.check_draft, samples.dataset_draft(CONNECTION_ID, name)) == []:
        assert 1 <= len(name) <= 200
        assert all(character.isascii() and (character.isalnum() or character in "_.-") for character in name)
        assert name[0].isalnum()


@given(st.text(max_size=300))
def test_tables_that_pass_can_be_quoted(table: str) -> None:
    if fields_of(dataset_rules.check_draft, samples.dataset_draft(CONNECTION_ID, table=table)) == []:
        assert not set(table) & set("\"'`\n\r\0")
        assert 1 <= len(table) <= 255


@given(st.text(max_size=200))
def test_any_drift_yaml_is_judged_without_an_error_of_ours(text: str) -> None:
    assert len(list(check_drift_yaml("drift_yaml", text))) <= 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("volume:\n  band: [1, 2\n", "line 3, column 1: "),
        ("a: &a [x]\nb: [*a, *a]\n", "line 2, column 5: aliases"),
        ("a: 1\n---\nb: 2\n", "line 2, column 1: one YAML document"),
        ("just text", "line 1, column 1: a mapping"),
        ("- a\n", "line 1, column 1: a mapping"),
        ("a: " + "[" * 30 + "]" * 30, "nested more than 20 levels"),
        ("a: \x07", "a character that YAML does not allow"),
        ("x" * (MAX_BYTES + 1), "at most 64 KiB"),
    ],
)
def test_bad_drift_yaml_is_refused_with_the_place(text: str, expected: str) -> None:
    (violation,) = check_drift_yaml("dataset.drift_yaml", text)
    assert violation.field == "dataset.drift_yaml"
    assert expected in violation.description


@pytest.mark.parametrize("text", ["", "  \n", "# only a comment\n", "volume:\n  band: 3\n", "{}"])
def test_good_drift_yaml_passes(text: str) -> None:
    assert list(check_drift_yaml("drift_yaml", text)) == []


@pytest.mark.parametrize(
    ("settings", "draft", "field"),
    [
        (samples.SNOWFLAKE, {}, []),
        (samples.SNOWFLAKE, {"schema": "public", "database": "shop"}, []),
        (samples.SNOWFLAKE, {"schema": "OTHER"}, ["dataset.schema"]),
        (samples.SNOWFLAKE, {"database": "OTHER"}, ["dataset.database"]),
        (replace(samples.SNOWFLAKE, granted_schemas=("RAW.LANDING",)), {"database": "RAW", "schema": "LANDING"}, []),
        (replace(samples.SNOWFLAKE, granted_schemas=("RAW.LANDING",)), {"database": "RAW"}, ["dataset.schema"]),
        (samples.POSTGRES, {"schema": "Public"}, ["dataset.schema"]),
        (replace(samples.POSTGRES, granted_schemas=("sales",)), {"schema": "sales"}, []),
    ],
)
def test_place_must_be_granted(settings: Settings, draft: dict[str, str], field: list[str]) -> None:
    assert fields_of(dataset_rules.check_place, samples.dataset_draft(CONNECTION_ID, **draft), settings) == field


def test_secret_may_be_left_out_only_where_the_login_stays() -> None:
    present = StoredSecret(SecretKind.PASSWORD, 1, b"")
    same = samples.connection_draft(secret=None, warehouse="OTHER", granted_schemas=("X",))
    moved = samples.connection_draft(secret=None, host="evil.example.com")
    assert fields_of(connection_rules.check_change, samples.SNOWFLAKE, same) == []
    assert fields_of(connection_rules.check_change, samples.SNOWFLAKE, moved) == ["connection.snowflake.password"]
    assert fields_of(connection_rules.check_draft, same, present) == []
    assert fields_of(connection_rules.check_draft, same, None) == ["connection.snowflake.password"]


def test_explicit_default_port_is_no_other_place() -> None:
    assert fields_of(connection_rules.check_change, samples.SNOWFLAKE, samples.connection_draft(secret=None, port=443)) == []


def test_postgres_may_have_no_password() -> None:
    assert fields_of(connection_rules.check_draft, samples.connection_draft(settings=samples.POSTGRES, secret=None), None) == []


@pytest.mark.parametrize(
    ("line", "column", "expected"), [(3, 5, "line 3, column 5: m"), (3, 0, "line 3: m"), (0, 0, "m"), (0, 2, "column 2: m")]
)
def test_problems_name_what_is_known_of_their_place(line: int, column: int, expected: str) -> None:
    assert str(CheckProblem(line, column, "m")) == expected


def test_keys_are_long_random_and_carry_their_id() -> None:
    keys = {api_key.generate_key(CONNECTION_ID) for _ in range(100)}
    assert len(keys) == 100
    assert {api_key.key_id_of(key) for key in keys} == {CONNECTION_ID}
    assert all(len(key.removeprefix(f"chk_{CONNECTION_ID}_")) == 43 for key in keys)


@given(st.text(max_size=120))
def test_text_that_is_no_key_has_no_id(text: str) -> None:
    assert api_key.key_id_of(text) is None


def test_key_works_until_the_moment_it_expires() -> None:
    key = samples.api_key(CONNECTION_ID, expire_time=samples.TIME)
    assert key.works_at(samples.TIME - timedelta(microseconds=1))
    assert not key.works_at(samples.TIME)
    assert not replace(key, revoke_time=samples.TIME).works_at(samples.TIME - timedelta(days=1))


def test_role_of_a_key_is_at_most_the_creators() -> None:
    for role, allowed in (("editor", ["viewer", "editor"]), ("tenant_admin", ["viewer", "editor", "tenant_admin"]), ("service", [])):
        who = samples.caller(CONNECTION_ID, role)
        drafts = [api_key.ApiKeyDraft("k", wanted) for wanted in ("viewer", "editor", "tenant_admin")]
        assert [draft.role for draft in drafts if fields_of(api_key.check_draft, draft, who, samples.TIME) == []] == allowed


def test_secrets_have_no_representation() -> None:
    shown = repr([samples.PASSWORD, samples.connection(CONNECTION_ID), samples.api_key(CONNECTION_ID)])
    assert "s3cret" not in shown
    assert "sealed" not in shown
    assert "key_hash" not in shown


def test_trail_shows_changed_fields_only() -> None:
    before = samples.connection(CONNECTION_ID)
    assert changed_fields(before, replace(before, description="new")) == ({"description": ""}, {"description": "new"})
    assert changed_fields(before, before) == ({}, {})
    created = changed_fields(None, before)
    assert (created[0], created[1]) == (None, describe(before))


def test_quotas_left_open_are_the_platforms() -> None:
    assert Quotas(max_datasets=7).effective() == Quotas(4, 7, 500)


def test_etag_matches_its_state_or_is_empty() -> None:
    check_etag("", 3)
    check_etag("3", 3)
    for stale in ("2", "4", "W/3", "x"):
        with pytest.raises(EtagMismatch):
            check_etag(stale, 3)


def test_login_revision_ignores_what_no_login_depends_on() -> None:
    connection = samples.connection(CONNECTION_ID)
    same = replace(connection, name="x", description="y", revision=9, settings=replace(samples.SNOWFLAKE, granted_schemas=("Z",)))
    assert same.login_revision() == connection.login_revision()
    newer = replace(connection, secret=StoredSecret(SecretKind.PASSWORD, 2, b""))
    assert len({one.login_revision() for one in (connection, newer, replace(connection, settings=samples.POSTGRES))}) == 3


def test_password_with_a_line_break_is_caught_on_save() -> None:
    draft = samples.connection_draft(secret=Secret(SecretKind.PASSWORD, "pass\n"))
    assert fields_of(connection_rules.check_draft, draft, None) == ["connection.snowflake.password"]
