"""The Snowflake emulator as the real connector sees it."""

from __future__ import annotations

import gzip
import threading
import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest
import snowflake.connector
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from snowflake.connector import SnowflakeConnection
from snowflake.connector.errors import DatabaseError, ProgrammingError

from chalkandduster.local.emulator import EmulatorError, EmulatorProcess
from tests.support.warehouse import Warehouse

# Runs for minutes, if nobody stops it.
_ENDLESS = "SELECT COUNT(*) FROM range(1000000) a, range(1000000) b WHERE a.range + b.range = 7"


@pytest.fixture
def connection(warehouse: Warehouse) -> Iterator[SnowflakeConnection]:
    with closing(snowflake.connector.connect(**warehouse.connect_args)) as opened:
        yield opened


def _ask(connection: SnowflakeConnection, sql: str, **parameters: str) -> list[tuple[Any, ...]]:
    cursor = connection.cursor()
    cursor.execute(sql, _statement_params=parameters or None)
    return [tuple(row) for row in cursor.fetchall()]


@pytest.mark.parametrize(
    ("sql", "errno", "words"),
    [
        ("SELECT nope FROM (SELECT 1 AS n)", 904, "invalid identifier 'NOPE'"),
        ("SELECT * FROM nope", 2003, "Object 'NOPE' does not exist or not authorized"),
        ("SELECT nope(1)", 2140, "Unknown function NOPE"),
        ("SELEC 1", 1003, "Unexpected token"),
        ("SELECT CAST('x' AS INT)", 100038, "x"),
        ("SELECT 1; SELECT 2", 8, "Actual statement count 2 did not match the desired statement count 1"),
        ("SELECT INTERVAL '1 day'", 2, "Unsupported feature"),
        ("SELECT * FROM read_csv('/etc/passwd')", 3001, "file system operations are disabled"),
        ("SELECT * FROM read_text('/proc/self/environ')", 3001, "file system operations are disabled"),
    ],
)
def test_a_refused_statement_is_a_programming_error_at_once(connection: SnowflakeConnection, sql: str, errno: int, words: str) -> None:
    with pytest.raises(ProgrammingError, match=words) as refused:
        _ask(connection, sql)
    assert refused.value.errno == errno
    assert _ask(connection, "SELECT 1") == [(1,)]


def test_a_refused_second_statement_did_not_run(warehouse: Warehouse) -> None:
    warehouse.execute("CREATE TABLE kept AS SELECT 1 AS n")
    with pytest.raises(ProgrammingError):
        warehouse.execute("SELECT 1; DROP TABLE kept")
    assert warehouse.execute("SELECT n FROM kept") == [(1,)]


def test_cancel_from_another_thread_ends_the_statement_and_keeps_the_session(
    connection: SnowflakeConnection, emulator: EmulatorProcess
) -> None:
    request = uuid.uuid4()
    caught: list[ProgrammingError] = []

    def run() -> None:
        try:
            _ask(connection, _ENDLESS, requestId=str(request))
        except ProgrammingError as error:
            caught.append(error)

    before = emulator.statements()[-1].seq
    thread = threading.Thread(target=run)
    thread.start()
    while not any(entry.request_id == str(request) for entry in emulator.statements(before)):
        assert thread.is_alive()
    connection._cancel_query(_ENDLESS, request)
    thread.join(30)
    assert [error.errno for error in caught] == [604]
    assert _ask(connection, "SELECT 1") == [(1,)]


def test_a_statement_that_waits_for_its_session_can_be_cancelled(connection: SnowflakeConnection, emulator: EmulatorProcess) -> None:
    running, waiting = uuid.uuid4(), uuid.uuid4()
    numbers: list[int | None] = []

    def run(request: uuid.UUID) -> None:
        try:
            _ask(connection, _ENDLESS, requestId=str(request))
        except ProgrammingError as error:
            numbers.append(error.errno)

    before = emulator.statements()[-1].seq
    threads = [threading.Thread(target=run, args=(request,)) for request in (running, waiting)]
    for thread in threads:
        thread.start()
    while len([entry for entry in emulator.statements(before) if entry.sql == _ENDLESS]) < 2:
        assert all(thread.is_alive() for thread in threads)
    for request in (waiting, running):
        connection._cancel_query(_ENDLESS, request)
    for thread in threads:
        thread.join(30)
    assert numbers == [604, 604]


def test_the_statement_timeout_of_the_statement_is_kept(connection: SnowflakeConnection) -> None:
    with pytest.raises(ProgrammingError, match=r"timeout of 1 second\(s\) and was canceled") as stopped:
        _ask(connection, _ENDLESS, STATEMENT_TIMEOUT_IN_SECONDS="1")
    assert stopped.value.errno == 630
    assert _ask(connection, "SELECT 1") == [(1,)]


def test_the_statement_timeout_of_the_session_is_kept(connection: SnowflakeConnection) -> None:
    _ask(connection, "ALTER SESSION SET STATEMENT_TIMEOUT_IN_SECONDS = 1")
    with pytest.raises(ProgrammingError, match="timeout of 1 second"):
        _ask(connection, _ENDLESS)


def test_statements_of_one_session_may_be_sent_at_once(connection: SnowflakeConnection) -> None:
    answers: list[tuple[int, int]] = []
    threads = [
        threading.Thread(target=lambda n=n: answers.append((n, _ask(connection, f"SELECT {n}, COUNT(*) FROM range(200000)")[0][0])))
        for n in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(answers) == [(n, n) for n in range(12)]


def test_statements_of_different_sessions_run_at_once(warehouse: Warehouse, emulator: EmulatorProcess) -> None:
    request = uuid.uuid4()
    with closing(snowflake.connector.connect(**warehouse.connect_args)) as busy:

        def run() -> None:
            with pytest.raises(ProgrammingError):
                _ask(busy, _ENDLESS, requestId=str(request))

        thread = threading.Thread(target=run)
        thread.start()
        assert warehouse.execute("SELECT 1") == [(1,)]
        assert thread.is_alive()
        while not any(entry.request_id == str(request) for entry in emulator.statements()):
            assert thread.is_alive()
        busy._cancel_query(_ENDLESS, request)
        thread.join(30)


def test_the_statement_log_holds_text_tag_error_and_session(connection: SnowflakeConnection, emulator: EmulatorProcess) -> None:
    last = emulator.statements()[-1].seq
    _ask(connection, "SELECT 41", QUERY_TAG="tenant=a")
    with pytest.raises(ProgrammingError):
        _ask(connection, "SELECT nope")
    _ask(connection, "ALTER SESSION SET QUERY_TAG = 'of the session'")
    _ask(connection, "SELECT 43")
    entries = emulator.statements(last)
    assert [(entry.sql, entry.tag, entry.error) for entry in entries if entry.sql.startswith("SELECT")] == [
        ("SELECT 41", "tenant=a", None),
        ("SELECT nope", "", "000904"),
        ("SELECT 43", "of the session", None),
    ]
    assert len({entry.session for entry in entries}) == 1


def test_latency_is_added_to_each_request_until_it_is_taken_away(tmp_path: Path) -> None:
    with EmulatorProcess(tmp_path, latency_ms=60_000) as slow:
        url = f"http://{slow.host}:{slow.port}/session/heartbeat"
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(url, timeout=0.2)
        slow.set_latency(0)
        assert httpx.post(url).json()["code"] == "390103"  # answered: there is no session


def test_a_wrong_password_is_refused_as_the_real_server_does(warehouse: Warehouse) -> None:
    with pytest.raises(DatabaseError, match="Incorrect username or password was specified") as refused:
        snowflake.connector.connect(**{**warehouse.connect_args, "password": "wrong"})
    assert refused.value.errno == 250001


def test_an_unknown_user_is_refused_with_the_same_words(warehouse: Warehouse) -> None:
    with pytest.raises(DatabaseError, match="Incorrect username or password was specified"):
        snowflake.connector.connect(**{**warehouse.connect_args, "user": "NOBODY"})


def test_key_pair_login_takes_the_users_key_and_no_other(tmp_path: Path) -> None:
    mine, other = (rsa.generate_private_key(65537, 2048) for _ in range(2))
    public = mine.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    with EmulatorProcess(tmp_path, users={"ROBOT": {"public_key_pem": public}}) as guarded:
        arguments = {key: value for key, value in guarded.connect_args.items() if key != "password"}
        with closing(snowflake.connector.connect(**arguments, private_key=_der(mine))) as connection:
            assert _ask(connection, "SELECT CURRENT_USER()") == [("ROBOT",)]
        with pytest.raises(DatabaseError, match="JWT token is invalid"):
            snowflake.connector.connect(**arguments, private_key=_der(other))


def _der(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def test_a_database_name_that_is_no_name_is_refused(warehouse: Warehouse) -> None:
    with pytest.raises(DatabaseError, match="does not exist or not authorized"):
        snowflake.connector.connect(**{**warehouse.connect_args, "database": "a' AS b; --"})


def test_session_context_follows_use_statements(connection: SnowflakeConnection) -> None:
    _ask(connection, "USE ROLE analyst")
    _ask(connection, "USE WAREHOUSE small")
    assert _ask(connection, "SELECT CURRENT_ROLE(), CURRENT_WAREHOUSE()") == [("ANALYST", "SMALL")]
    assert (connection.role, connection.warehouse) == ("ANALYST", "SMALL")


def test_a_null_timestamp_stays_null(connection: SnowflakeConnection) -> None:
    rows = _ask(
        connection, "SELECT CAST(NULL AS TIMESTAMP_NTZ), CAST(NULL AS TIMESTAMP_TZ), CAST('1969-12-31 23:59:59.25' AS TIMESTAMP_NTZ)"
    )
    assert rows == [(None, None, datetime(1969, 12, 31, 23, 59, 59, 250_000))]  # noqa: DTZ001 - NTZ has no zone


def test_an_offset_after_a_space_can_be_inserted(warehouse: Warehouse) -> None:
    warehouse.execute("CREATE TABLE t (seen TIMESTAMP_TZ, said VARCHAR)", "INSERT INTO t SELECT '2026-01-01 10:00:00 +02:00', 'x'")
    assert warehouse.execute("SELECT seen = '2026-01-01 08:00:00+00:00'::TIMESTAMP_TZ FROM t") == [(True,)]


def test_data_survives_a_restart(tmp_path: Path) -> None:
    with EmulatorProcess(tmp_path) as first, closing(snowflake.connector.connect(**first.connect_args)) as connection:
        _ask(connection, "CREATE TABLE kept AS SELECT 5 AS n")
    with EmulatorProcess(tmp_path) as second, closing(snowflake.connector.connect(**second.connect_args)) as connection:
        assert _ask(connection, "SELECT n FROM chalk.public.kept") == [(5,)]


def test_a_csv_becomes_a_table_with_types_of_its_own(tmp_path: Path, warehouse: Warehouse) -> None:
    file = tmp_path / "2024 sales.csv"
    file.write_text(
        "id,When,price €,ok,note,note\n1,2026-01-01 10:00:00,2.5,true,NA,x\n2,2026-01-02 11:00:00,,false,,y\n", encoding="utf-8"
    )
    loaded = warehouse.emulator.load(file, "SALES", schema=warehouse.schema)
    assert [(column.name, column.type.partition("(")[0], column.missing, column.distinct) for column in loaded.columns] == [
        ("ID", "NUMBER", 0, 2),
        ("WHEN", "TIMESTAMP_NTZ", 0, 2),
        ("PRICE", "FLOAT", 1, 1),
        ("OK", "BOOLEAN", 0, 2),
        ("NOTE", "VARCHAR", 2, 0),
        ("NOTE_1", "VARCHAR", 0, 2),
    ]
    assert warehouse.execute('SELECT id, "WHEN", price, ok, note_1 FROM sales ORDER BY id')[0] == (
        1,
        datetime(2026, 1, 1, 10),  # noqa: DTZ001 - NTZ has no zone
        2.5,
        True,
        "x",
    )


def test_gzip_and_parquet_load_and_replace_what_was_there(tmp_path: Path, warehouse: Warehouse) -> None:
    packed, columns = tmp_path / "t.csv.gz", tmp_path / "t.parquet"
    packed.write_bytes(gzip.compress(b"a\n1\n2\n3\n"))
    duckdb.sql(f"COPY (SELECT 1::UTINYINT AS a, TIMESTAMPTZ '2026-01-01 00:00:00+00' AS b, [1, 2] AS c) TO '{columns}'")
    assert warehouse.emulator.load(packed, "T", schema=warehouse.schema).rows == 3
    loaded = warehouse.emulator.load(columns, "T", schema=warehouse.schema)
    assert [column.type.partition("(")[0] for column in loaded.columns] == ["NUMBER", "TIMESTAMP_NTZ", "VARIANT"]
    assert warehouse.execute("SELECT COUNT(*) FROM t") == [(1,)]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("t.xlsx", b"x", r"t\.xlsx is not a \.csv, \.csv\.gz or \.parquet file"),
        ("t.parquet", b"not parquet", r"t\.parquet could not be read"),
        ("t.csv.gz", b"not gzip", r"t\.csv\.gz could not be read"),
        ("empty.csv", b"", r"empty\.csv is empty"),
    ],
)
def test_a_file_that_cannot_be_loaded_is_named(tmp_path: Path, emulator: EmulatorProcess, name: str, content: bytes, words: str) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(EmulatorError, match=words):
        emulator.load(file, "T")


def test_admin_routes_answer_only_to_the_token(emulator: EmulatorProcess) -> None:
    url = f"http://{emulator.host}:{emulator.port}/_emulator"
    answers = [
        httpx.post(f"{url}/load", json={"path": "/etc/passwd"}),
        httpx.get(f"{url}/statements", headers={"x-emulator-token": "guess"}),
        httpx.post(f"{url}/latency", json={"ms": 1000}),
    ]
    assert [answer.status_code for answer in answers] == [403, 403, 403]


def test_a_taken_port_is_one_sentence(emulator: EmulatorProcess, tmp_path: Path) -> None:
    with pytest.raises(EmulatorError, match=f"cannot listen on 127.0.0.1:{emulator.port}: Address already in use"):
        EmulatorProcess(tmp_path, port=emulator.port).start()
