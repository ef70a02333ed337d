"""Files that the kit reads: statements and migrations; and ids."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.common.ids import new_id, parse_uuid
from services.common.migrations import MigrationError, read_migrations
from services.common.sql import StatementError, load_statements, parse_statements

GOOD = """-- Statements about runs.

-- claim_run --
-- Takes the oldest run that waits.
-- Its lease begins now.
UPDATE run SET state = 'RUNNING'
 WHERE id = $1; -- the oldest

-- get_run --
-- Answers one run.
SELECT * FROM run WHERE id = $1;
"""


def test_statements_are_found_by_name_and_as_attributes() -> None:
    statements = parse_statements(GOOD, "runs.sql")
    assert list(statements) == ["claim_run", "get_run"]
    assert statements.get_run == statements["get_run"] == "SELECT * FROM run WHERE id = $1"
    assert "UPDATE run" in statements.claim_run
    with pytest.raises(AttributeError, match=r"runs\.sql has no statement 'gone'"):
        _ = statements.gone


def test_statements_are_loaded_from_a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "kit_sql_sample"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "runs.sql").write_text(GOOD)
    monkeypatch.syspath_prepend(tmp_path)
    assert len(load_statements("kit_sql_sample", "runs.sql")) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("-- a --\n-- One.\nSELECT 1\n-- a --\n-- Two.\nSELECT 2", "'a' is there twice"),
        ("-- a --\nSELECT 1", "must say what it is for"),
        ("-- a --\n-- One.\n", "has no statement"),
        ("-- a --\n-- One.\n-- Two.\n", "has no statement"),
        ("-- a --\n-- One.\n;", "has no statement"),
        ("SELECT 0;\n-- a --\n-- One.\nSELECT 1", "SQL before the first"),
    ],
)
def test_a_file_that_breaks_the_format_is_refused(text: str, said: str) -> None:
    with pytest.raises(StatementError, match=rf"x\.sql: .*{said}"):
        parse_statements(text, "x.sql")


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name.removeprefix('v')}.sql").write_text(text)
    return folder


def test_migrations_are_read_in_the_order_of_their_versions(tmp_path: Path) -> None:
    write(tmp_path, v10_ten="-- migrate:up\nSELECT 10;", v9_nine="-- migrate:up transaction:false\nSELECT 9;\n-- migrate:down\nSELECT 0;")
    nine, ten = read_migrations(tmp_path)
    assert (nine.version, nine.name, nine.up, nine.in_transaction) == ("9", "9_nine", "SELECT 9;", False)
    assert (ten.version, ten.up, ten.in_transaction) == ("10", "SELECT 10;", True)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("create_thing", "-- migrate:up\nSELECT 1;", "is named"),
        ("1_Create", "-- migrate:up\nSELECT 1;", "is named"),
        ("1_create", "SELECT 1;", "expected one"),
        ("1_create", "-- migrate:down\nSELECT 1;", "expected one"),
        ("1_create", "-- migrate:down\nSELECT 1;\n-- migrate:up\nSELECT 1;", "expected one"),
        ("1_create", "-- migrate:up\nSELECT 1;\n-- migrate:up\nSELECT 2;", "expected one"),
        ("1_create", "-- migrate:up transaction:maybe\nSELECT 1;", "unknown option"),
    ],
)
def test_a_migration_that_breaks_the_format_is_refused(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / f"{name}.sql").write_text(text)
    with pytest.raises(MigrationError, match=rf"{name}\.sql: .*{said}"):
        read_migrations(tmp_path)


def test_a_version_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    write(tmp_path, v1_a="-- migrate:up\nSELECT 1;", v01_b="-- migrate:up\nSELECT 1;")
    with pytest.raises(MigrationError, match="have the same version"):
        read_migrations(tmp_path)


def test_ids_are_uuids_of_version_seven_and_sort_by_time() -> None:
    ids = [new_id() for _ in range(1000)]
    assert ids == sorted(ids)
    assert len(set(ids)) == 1000
    assert {one[14] for one in ids} == {"7"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "0193f1c27e6470008000000000000001",
        "{0193f1c2-7e64-7000-8000-000000000001}",
        "0193f1c2-7e64-7000-8000-00000000000g",
        "urn:uuid:0193f1c2-7e64-7000-8000-000000000001",
        "0193f1c2-7e64-7000-80000-00000000001",
    ],
)
def test_what_is_no_uuid_is_none(text: str) -> None:
    assert parse_uuid(text) is None


def test_a_uuid_is_read_in_either_case() -> None:
    assert parse_uuid("0193F1C2-7E64-7000-8000-00000000000A") == "0193f1c2-7e64-7000-8000-00000000000a"
