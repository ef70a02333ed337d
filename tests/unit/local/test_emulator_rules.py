"""What the emulator decides without a database: statements, sessions, logins, names."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import Mock

import pytest

from chalkandduster.local.emulator import loading
from chalkandduster.local.emulator.app import count_statements
from chalkandduster.local.emulator.cursor import EmulatorConnection
from chalkandduster.local.emulator.session import Session, StatementLog, stopped_error
from chalkandduster.local.emulator.users import ANYONE, LoginRefusedError, User, Users


@pytest.mark.parametrize(
    ("sql", "count"),
    [
        ("SELECT 1", 1),
        ("SELECT 1;", 1),
        ("SELECT 1 ; ;\n", 1),
        ("SELECT ';'", 1),
        ('SELECT ";" FROM t', 1),
        ("SELECT 1 -- ; drop", 1),
        ("SELECT 1 /* ; */", 1),
        ("SELECT $$ ; $$", 1),
        ("SELECT 1; DROP TABLE t", 2),
        ("SELECT 1;;SELECT 2; SELECT 3", 3),
        ("", 1),
        ("SELECT 'open ; ", 1),
    ],
)
def test_statements_are_counted_as_snowflake_counts_them(sql: str, count: int) -> None:
    assert count_statements(sql) == count


def _session(**parameters: object) -> Session:
    connection = Mock(spec=EmulatorConnection)
    connection.context = {}
    return Session(1, "CHALK", connection, parameters)


def test_alter_session_sets_and_unsets_parameters() -> None:
    session = _session()
    assert session.absorb("alter session set query_tag = 'it''s mine' STATEMENT_TIMEOUT_IN_SECONDS=5;") == {}
    assert session.parameters == {"QUERY_TAG": "it's mine", "STATEMENT_TIMEOUT_IN_SECONDS": "5"}
    assert session.absorb("ALTER SESSION UNSET QUERY_TAG") == {}
    assert session.parameters == {"STATEMENT_TIMEOUT_IN_SECONDS": "5"}


@pytest.mark.parametrize("sql", ["SELECT 1", "ALTER SESSION SET AUTOCOMMIT = false", "USE SCHEMA other", "ALTER TABLE t ADD c INT"])
def test_other_statements_are_passed_on(sql: str) -> None:
    assert _session().absorb(sql) is None


def test_use_role_tells_the_client_the_new_role() -> None:
    session = _session()
    assert session.absorb('use role "analyst"') == {"finalRoleName": "ANALYST"}
    assert session.connection.context == {"CURRENT_ROLE": "ANALYST"}


def test_the_statements_own_timeout_comes_before_the_sessions() -> None:
    session = _session(statement_timeout_in_seconds=30)
    assert session.timeout_s({}) == 30
    assert session.timeout_s({"STATEMENT_TIMEOUT_IN_SECONDS": "2"}) == 2
    assert _session().timeout_s({}) is None


def test_abort_finds_a_statement_by_request_id_or_by_its_text() -> None:
    session, log = _session(), StatementLog()
    statement = log.open(session, "r-1", "SELECT 1", {})
    session.pending["r-1"] = statement
    assert not session.abort("r-2", "SELECT 2")
    assert statement.stopped_by is None
    assert session.abort("unknown", "SELECT 1")
    assert statement.stopped_by == "abort"


def test_a_timeout_and_a_cancel_are_told_apart() -> None:
    statement = StatementLog().open(_session(), "r", "SELECT 1", {})
    statement.stopped_by = "timeout"
    assert stopped_error(statement, 1.5)["code"] == "000630"
    statement.stopped_by = "abort"
    assert stopped_error(statement, None)["code"] == "000604"


def test_the_log_gives_what_came_after_a_number() -> None:
    log, session = StatementLog(), _session()
    first, second = (log.open(session, str(n), f"SELECT {n}", {}) for n in range(2))
    assert [entry["sql"] for entry in log.after(first.seq)] == ["SELECT 1"]
    assert log.after(second.seq) == []


def test_without_users_everyone_is_let_in() -> None:
    assert Users(None).check({"LOGIN_NAME": "anyone", "PASSWORD": "anything"}) == "ANYONE"


def test_a_configured_user_needs_the_password_and_others_are_refused() -> None:
    users = Users({"chalk": User(password="right")})
    assert users.check({"LOGIN_NAME": "Chalk", "PASSWORD": "right"}) == "CHALK"
    for login in ({"LOGIN_NAME": "chalk", "PASSWORD": "wrong"}, {"LOGIN_NAME": "chalk"}, {"LOGIN_NAME": "other", "PASSWORD": "right"}):
        with pytest.raises(LoginRefusedError, match="Incorrect username or password"):
            users.check(login)


def test_anyone_may_be_let_in_beside_a_user_who_needs_a_password() -> None:
    users = Users({"chalk": User(password="right"), ANYONE: User()})
    assert users.check({"LOGIN_NAME": "other", "PASSWORD": "x"}) == "OTHER"
    with pytest.raises(LoginRefusedError):
        users.check({"LOGIN_NAME": "chalk", "PASSWORD": "x"})


def test_a_users_file_of_another_shape_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "users.json"
    file.write_text('["chalk"]', encoding="utf-8")
    with pytest.raises(ValueError, match="must hold an object"):
        Users.from_file(file)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("order_id", "ORDER_ID"),
        (" price € (net) ", "PRICE_NET"),
        ("2024", "_2024"),
        ("", "COLUMN"),
        ("日付", "COLUMN"),
        ("x" * 300, "X" * 255),
        ('a"; DROP TABLE t; --', "A_DROP_TABLE_T"),
    ],
)
def test_any_text_becomes_an_identifier(text: str, name: str) -> None:
    assert loading.clean_name(text) == name
    assert loading.IDENTIFIER.fullmatch(loading.clean_name(text))


def test_names_that_become_the_same_are_numbered() -> None:
    assert loading.unique_names(["a b", "a-b", "A_B", "a_b_2"]) == ["A_B", "A_B_2", "A_B_3", "A_B_2_2"]


@pytest.mark.parametrize(("name", "table"), [("nyc weather.csv.gz", "NYC_WEATHER"), ("Trips.PARQUET", "TRIPS"), ("2024.csv", "_2024")])
def test_a_table_is_named_after_its_file(name: str, table: str) -> None:
    assert loading.table_name_of(Path(name)) == table


@pytest.mark.parametrize("name", ["t.xlsx", "csv", "t.gz", "t.csv.bz2"])
def test_other_kinds_of_files_are_refused(name: str) -> None:
    with pytest.raises(loading.LoadError, match=r"is not a \.csv, \.csv\.gz or \.parquet file"):
        loading.suffix_of(Path(name))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"id,name\n1,a,b\n2\n", "its lines have different numbers of fields"),
        ("id,name\n1,café\n".encode("latin-1"), "it is not text in UTF-8"),
    ],
    ids=["ragged", "Latin-1"],
)
def test_a_file_that_is_no_table_is_refused_with_the_reason(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "t.csv"
    file.write_bytes(content)
    with pytest.raises(loading.LoadError, match=said):
        loading.read_file(file)


def test_a_file_of_one_column_is_a_table(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text("id\n1\n2\n", encoding="utf-8")
    assert loading.read_file(file).table.num_rows == 2
