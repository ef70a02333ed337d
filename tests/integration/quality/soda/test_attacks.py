"""What hostile checks try, one test for each way found in stock Soda: refused, with a sentence that says why."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from services.quality.domain.connection import PostgresConnection
from services.quality.domain.scan import CheckResult, CheckVerdict, SamplePolicy, ScanFailed, ScanFailure
from services.quality.soda.postgres_session import PostgresSession
from services.quality.soda.session import Limits, StatementFailed
from services.quality.soda.session_pool import scope_of
from tests.integration.quality.soda.scanning import Scanner, snowflake_spec
from tests.support.warehouse import Warehouse

pytestmark = [pytest.mark.asyncio(loop_scope="session")]

SECRET = "s3cret-of-the-service"


@pytest.fixture(autouse=True)
def _secret_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", SECRET)
    monkeypatch.setenv("REGION", SECRET)


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    path = tmp_path / "secret.sql"
    path.write_text(f"SELECT '{SECRET}' AS stolen FROM customers", encoding="utf-8")
    return path


@pytest.fixture
def forbidden_schema(shop: Scanner, warehouse: Warehouse) -> str:
    """A schema beside the granted one, with a secret table in it."""
    name = f"{warehouse.schema}_SECRET"
    warehouse.execute(
        f"CREATE SCHEMA IF NOT EXISTS {name}", f"CREATE OR REPLACE TABLE {name}.SECRETS (ID INT)", f"INSERT INTO {name}.SECRETS VALUES (1)"
    )
    return name


def _refused(result: CheckResult, *words: str) -> None:
    assert result.verdict is CheckVerdict.ERROR, result
    assert SECRET not in repr(result)
    for word in words:
        assert word in result.message, result.message


@pytest.mark.parametrize("reference", ["${DATABASE_URL}", "${env_var('DATABASE_URL')}", "${ DATABASE_URL | upper }", "${''.__class__}"])
@pytest.mark.parametrize("place", ["name", "filter", "query", "line"])
async def test_the_environment_is_out_of_reach(shop: Scanner, reference: str, place: str) -> None:
    check = {
        "name": f'row_count > 0:\n  name: "{reference}"',
        "filter": f"row_count > 0:\n  filter: \"email = '{reference}'\"",
        "query": f"failed rows:\n  fail query: \"SELECT '{reference}' AS x FROM customers\"",
        "line": f"'row_count > {reference.replace(chr(39), chr(39) * 2)}'",
    }[place]
    _refused(await shop.one(check), "${" if "|" in reference or "(" in reference or "'" in reference else "DATABASE_URL")


async def test_the_environment_does_not_shadow_a_variable_of_the_run(shop: Scanner) -> None:
    result = await shop.one("row_count = 2:\n  filter: country = '${REGION}'", variables={"REGION": "DE"})
    assert result.verdict is CheckVerdict.PASS
    assert "'DE'" in result.query


async def test_values_of_variables_are_not_resolved_again(shop: Scanner) -> None:
    result = await shop.one("row_count = 0:\n  filter: country = '${REGION}'", variables={"REGION": "${DATABASE_URL}"})
    assert result.verdict is CheckVerdict.PASS
    assert "${DATABASE_URL}" in result.query


async def test_a_table_name_with_a_reference_in_it_resolves_nothing(shop: Scanner, warehouse: Warehouse) -> None:
    warehouse.execute('CREATE TABLE "T_${DATABASE_URL}" (ID INT)')
    results = await shop.scan("for each dataset T:\n  datasets: ['t_%']\n  checks:\n    - row_count = 0\n")
    assert [result.verdict for result in results] == [CheckVerdict.PASS]
    assert SECRET not in repr(results)


@pytest.mark.parametrize(
    "setting", ["stolen sql_file: {path}", "failed rows sql_file: {path}", "stolen query: x\n  reference file: {path}", "sql_file: {path}"]
)
async def test_files_are_not_read(shop: Scanner, secret_file: Path, setting: str) -> None:
    for path in (str(secret_file), "/proc/self/environ", "/etc/passwd"):
        result = await shop.one(f"stolen > 0:\n  {setting.format(path=path)}")
        _refused(result, "reads a file")
        assert "root:" not in repr(result)


async def test_reference_distributions_are_not_read(shop: Scanner, secret_file: Path) -> None:
    result = await shop.one(f"distribution_difference(total, x) > 0.5:\n  distribution reference file: {secret_file}")
    _refused(result, "drift detection")


@pytest.mark.parametrize(
    "section",
    ["soda_cloud:\n  host: attacker.example\n  scheme: http", "sampler:\n  storage:\n    type: http", "data_source wh:\n  type: snowflake"],
)
async def test_configuration_sections_are_refused(shop: Scanner, section: str) -> None:
    results = await shop.scan(f"{section}\nchecks for customers:\n  - row_count > 0\n")
    _refused(results[0], "not configured in checks")
    assert results[1].verdict is CheckVerdict.PASS


STATEMENTS = [
    "DELETE FROM customers",
    "DROP TABLE customers",
    "CREATE TABLE evil (id INT)",
    "INSERT INTO customers (id) VALUES (99)",
    "UPDATE customers SET id = 0",
    "TRUNCATE TABLE customers",
    "ALTER TABLE customers RENAME TO gone",
    "USE ROLE accountadmin",
    "SELECT 1; DROP TABLE customers",
    "SELECT 1) x; DROP TABLE customers; --",
    "SELECT * FROM (DELETE FROM customers RETURNING *) x",
    "WITH gone AS (DELETE FROM customers RETURNING *) SELECT * FROM gone",
    "CALL SYSTEM$ABORT_SESSION(1)",
    "EXECUTE IMMEDIATE 'DROP TABLE customers'",
    "GRANT ALL ON customers TO PUBLIC",
    "SELECT * INTO evil FROM customers",
]


@pytest.mark.parametrize("statement", STATEMENTS)
@pytest.mark.parametrize("key", ["fail query", "own query", "condition", "filter"])
async def test_nothing_is_changed(shop: Scanner, warehouse: Warehouse, statement: str, key: str) -> None:
    text = json.dumps(statement)
    check = {
        "fail query": f"failed rows:\n  fail query: {text}",
        "own query": f"own > 0:\n  own query: {text}",
        "condition": f"failed rows:\n  fail condition: {json.dumps(f'1 = 1) THEN 1 END) FROM customers; {statement}; --')}",
        "filter": f"row_count > 0:\n  filter: {json.dumps(f'id IN ({statement})')}",
    }[key]
    tables = warehouse.execute("SHOW TABLES")
    _refused(await shop.one(check))
    assert warehouse.execute("SELECT COUNT(*), SUM(id) FROM customers") == [(5, 14)]
    assert warehouse.execute("SHOW TABLES") == tables


@pytest.mark.parametrize("statement", STATEMENTS)
async def test_nothing_is_changed_in_postgres(postgres_shop: Scanner, statement: str) -> None:
    _refused(await postgres_shop.one(f"failed rows:\n  fail query: {json.dumps(statement)}"))
    assert (await postgres_shop.one("row_count = 5")).verdict is CheckVerdict.PASS


async def test_postgres_sessions_are_read_only_below_the_guard(postgres_shop: Scanner) -> None:
    spec = postgres_shop.connection
    assert isinstance(spec, PostgresConnection)
    session = PostgresSession(spec, scope_of(spec, "", ""), lambda event: None)
    limits = Limits("{}", time.monotonic() + 30, 30)
    for statement in ("DELETE FROM customers", "CREATE TABLE evil (id INT)", "SELECT nextval('x')"):
        with pytest.raises(StatementFailed):
            session.run(statement, limits, 1)
    assert session.run("SELECT COUNT(*) FROM customers", limits, 1).rows == [(5,)]
    session.close()


@pytest.mark.parametrize(
    "query",
    [
        "PUT file:///etc/passwd @st",
        "GET @st file:///tmp",
        "SELECT $1 FROM @st",
        "SELECT * FROM '/etc/passwd'",
        'SELECT * FROM "/etc/passwd"',
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT getenv('DATABASE_URL')",
        "SELECT SYSTEM$WAIT(10)",
        "SELECT * FROM TABLE(RESULT_SCAN(LAST_QUERY_ID()))",
        "SELECT COUNT(*) FROM TABLE(GENERATOR(ROWCOUNT => 1000000000))",
        "SELECT * FROM IDENTIFIER('customers')",
        "SELECT * FROM information_schema.tables",
        "SELECT snowflake.cortex.complete('a', 'b')",
    ],
)
async def test_stages_files_and_system_functions_are_refused(shop: Scanner, query: str) -> None:
    _refused(await shop.one(f"failed rows:\n  fail query: {json.dumps(query)}"))


@pytest.mark.parametrize(
    "query",
    [
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT * FROM pg_ls_dir('/')",
        "SELECT lo_import('/etc/passwd')",
        "COPY customers TO '/tmp/stolen'",
        "SELECT * FROM pg_shadow",
        "SELECT * FROM pg_catalog.pg_authid",
        "SELECT current_setting('data_directory')",
        "SELECT query_to_xml('select 1', true, false, '')",
        "SELECT * FROM dblink('host=x', 'select 1') AS t(a int)",
        "SELECT set_config('default_transaction_read_only', 'off', false)",
        "SELECT pg_sleep(60)",
        "SELECT * FROM generate_series(1, 1000000000)",
    ],
)
async def test_postgres_system_functions_are_refused(postgres_shop: Scanner, query: str) -> None:
    _refused(await postgres_shop.one(f"failed rows:\n  fail query: {json.dumps(query)}"))


@pytest.mark.parametrize(
    "check",
    [
        "failed rows:\n  fail query: SELECT * FROM {schema}.SECRETS",
        "failed rows:\n  fail condition: EXISTS (SELECT 1 FROM {schema}.SECRETS)",
        "row_count > 0:\n  filter: id IN (SELECT id FROM {schema}.SECRETS)",
        "own > 0:\n  own expression: (SELECT MAX(id) FROM {schema}.SECRETS)",
        "own > 0:\n  own query: WITH s AS (SELECT * FROM {schema}.SECRETS) SELECT COUNT(*) FROM s",
        "values in (id) must exist in {schema}.SECRETS (id)",
        "row_count same as {schema}.SECRETS",
        "missing_count(id/**/)=0",
    ],
)
async def test_other_schemas_are_not_read(shop: Scanner, forbidden_schema: str, check: str) -> None:
    words = ["not granted"] if "{schema}" in check else []
    _refused(await shop.one(check.format(schema=forbidden_schema)), *words)


async def test_columns_and_names_of_other_schemas_are_not_told(either_shop: Scanner) -> None:
    schema = "information_schema" if isinstance(either_shop.connection, PostgresConnection) else "INFORMATION_SCHEMA"
    text = (
        f"checks for {schema}.tables:\n  - schema:\n      fail:\n        when forbidden column present: ['*']\n  - avg(table_nmae) > 0\n"
        f'checks for orders:\n  - failed rows:\n      fail query: SELECT * FROM "{schema}.TABLEZ"\n'
    )
    columns, average, _ = results = await either_shop.scan(text)
    assert [result.verdict for result in results] == [CheckVerdict.ERROR] * 3
    assert "not granted" in columns.message
    assert "not granted" in average.message
    assert not any("did you mean" in result.message for result in results)


async def test_a_granted_schema_is_read(shop: Scanner, warehouse: Warehouse, forbidden_schema: str) -> None:
    granted = Scanner(shop.engine, snowflake_spec(warehouse, granted_schemas=(forbidden_schema,)))
    result = await granted.one(f"failed rows:\n  fail query: SELECT * FROM {forbidden_schema}.secrets")
    assert (result.verdict, result.measured_value) == (CheckVerdict.FAIL, 1)


@pytest.mark.parametrize("header", ["customers/**/cross/**/join/**/secrets", "customers;drop", "customers'x", "customers, x", "@stage"])
async def test_table_names_are_names(shop: Scanner, header: str) -> None:
    results = await shop.scan(f"'checks for {header.replace(chr(39), chr(39) * 2)}':\n  - row_count > 0\n")
    _refused(results[0], "not a table name")


@pytest.mark.parametrize("header", ["discover datasets", "profile columns", "sample datasets", "automated monitoring"])
async def test_catalogue_and_whole_rows_are_not_collected(shop: Scanner, header: str) -> None:
    results = await shop.scan(f"{header}:\n  datasets:\n    - include %\n  columns: ['%.%']\n")
    _refused(results[0], "not supported")


async def test_patterns_of_for_each_are_no_sql(shop: Scanner) -> None:
    results = await shop.scan("for each dataset T:\n  datasets: [\"x' or '1'='1\"]\n  checks:\n    - row_count > 0\n")
    assert [result.verdict for result in results] == [CheckVerdict.NOT_EVALUATED]


@pytest.mark.parametrize("value", ["it's", "x') OR (1=1", "back\\", "a\\' OR 1=1 --", '"', "x\ny", "🙂"])
async def test_values_are_literals_whatever_is_in_them(value: str, either_shop: Scanner) -> None:
    result = await either_shop.one(f"invalid_count(country) = 0:\n  valid values: [DE, FR, IT, {json.dumps(value, ensure_ascii=False)}]")
    assert (result.verdict, result.measured_value) == (CheckVerdict.FAIL, 1), result.message


@pytest.mark.parametrize(
    ("query", "leaks"),
    [
        ("SELECT * FROM customers", False),
        ("SELECT id, concat(email, '') AS x FROM customers", True),
        ("SELECT x FROM (SELECT email AS x FROM customers) s", True),
        ("WITH c AS (SELECT email AS x FROM customers) SELECT x FROM c", True),
        ("SELECT id, email AS x FROM customers", True),
        ("SELECT OBJECT_CONSTRUCT(*) AS x FROM customers", True),
        ("SELECT 'a' AS a, 1 AS b UNION ALL SELECT email, id FROM customers", True),
        ("SELECT a.* FROM customers a JOIN customers b ON a.id = b.id", True),
        ("SELECT val FROM customers UNPIVOT(val FOR name IN (email, country))", True),
        ("SELECT value FROM customers, LATERAL FLATTEN(input => ARRAY_CONSTRUCT(email))", True),
        ("SELECT id, country FROM customers", False),
    ],
)
async def test_excluded_columns_do_not_come_back_under_another_name(shop: Scanner, query: str, leaks: bool) -> None:
    policy = SamplePolicy(limit=5, excluded_columns=("Email",))
    result = await shop.one(f"failed rows:\n  fail query: {json.dumps(query)}", samples=policy)
    assert result.verdict is CheckVerdict.FAIL
    assert "example.com" not in repr(result.samples)
    assert (result.samples is None) == leaks


async def test_excluded_columns_do_not_come_back_as_rows_of_an_array(postgres_shop: Scanner) -> None:
    policy = SamplePolicy(limit=5, excluded_columns=("email",))
    result = await postgres_shop.one("failed rows:\n  fail query: SELECT a FROM customers, unnest(ARRAY[email]) a", samples=policy)
    assert (result.verdict, result.samples) == (CheckVerdict.FAIL, None)


@pytest.mark.parametrize("check", ["max(email) > 0", "own > 0:\n  own query: SELECT MAX(email) FROM customers"])
async def test_messages_hold_no_values_of_rows(either_shop: Scanner, check: str) -> None:
    result = await either_shop.one(check)
    assert result.verdict is CheckVerdict.ERROR
    assert "example.com" not in repr(result)


async def test_messages_of_the_warehouse_hold_no_values_of_rows(either_shop: Scanner) -> None:
    result = await either_shop.one("failed rows:\n  fail condition: CAST(email AS INTEGER) = 1")
    assert result.verdict is CheckVerdict.ERROR
    assert "example" not in result.message


_STEPS = [f"{after}: &{after} [{', '.join([f'*{before}'] * 9)}]\n" for before, after in zip("abcdefgh", "bcdefghi", strict=True)]
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(_STEPS)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (BOMB, "aliases"),
        ("checks for customers: " + "[" * 5000, "Nested deeper"),
        ("checks for customers:\n  - '{% for i in range(9999999) %}x{% endfor %}'\n", "Template statements"),
        ("checks for customers:\n" + "  - row_count > 0\n" * 60_000, "larger than"),
        ("checks for customers:\n" + "  - row_count > 0\n" * 1_001, "More than 1000 checks"),
        ("checks for customers: !!python/object/apply:os.system ['true']\n", "tags"),
        ("checks for customers:\n  - name: " + "x" * 40_000 + "\n", "characters"),
    ],
)
async def test_bombs_are_refused_before_anything_is_built(shop: Scanner, text: str, word: str) -> None:
    with pytest.raises(ScanFailed, match=word) as failed:
        await shop.scan(text)
    assert failed.value.failure is ScanFailure.INVALID_CHECKS


@pytest.mark.parametrize("zone", ["group", "column"])
async def test_a_pattern_never_runs_as_a_regular_expression_here(shop: Scanner, warehouse: Warehouse, zone: str) -> None:
    warehouse.execute(f'CREATE TABLE IF NOT EXISTS "{"a" * 60}!" ("{"a" * 60}!" INT)')
    check = {
        "group": f"group evolution:\n  query: SELECT '{'a' * 60}!' AS g\n  fail:\n    when forbidden group present: ['(a+)+$']",
        "column": "schema:\n  fail:\n    when forbidden column present: ['(a+)+$']",
    }[zone]
    table = "customers" if zone == "group" else f'"{"a" * 60}!"'
    item = "\n    ".join(check.splitlines())
    results = await shop.scan(f"'checks for {table}':\n  - {item}\n", deadline_seconds=10)
    assert [result.verdict for result in results] == [CheckVerdict.PASS]


async def test_too_many_groups_are_refused(shop: Scanner, warehouse: Warehouse) -> None:
    warehouse.execute("CREATE TABLE many AS SELECT seq4() AS id FROM TABLE(GENERATOR(ROWCOUNT => 3000))")
    query = "SELECT id AS g, COUNT(*) AS n FROM many GROUP BY id"
    check = f"group by:\n  query: {query}\n  fields: [g]\n  group_limit: 100000\n  checks:\n    - n > 0:\n        name: n"
    _refused(await shop.one(check), "more than 200 groups")


async def test_a_million_failing_rows_are_counted_and_not_fetched(shop: Scanner, warehouse: Warehouse) -> None:
    warehouse.execute("CREATE TABLE big AS SELECT seq4() AS id FROM TABLE(GENERATOR(ROWCOUNT => 1000000))")
    result = await shop.one("failed rows:\n  fail query: SELECT * FROM big WHERE id >= 0", samples=SamplePolicy(limit=3))
    assert (result.verdict, result.failed_rows_count) == (CheckVerdict.FAIL, 1_000_000)
    assert result.samples is not None
    assert len(result.samples.rows) == 3


async def test_checks_that_would_fork_processes_belong_to_drift(shop: Scanner) -> None:
    check = "anomaly detection for row_count:\n  model:\n    type: prophet\n    hyperparameters:\n      dynamic: {}"
    _refused(await shop.one(check), "drift detection")


async def test_a_key_that_is_no_key_is_told_without_showing_it(shop: Scanner) -> None:
    broken = replace(shop, connection=replace(shop.connection, password="", private_key_pem=SECRET))  # type: ignore[arg-type]
    with pytest.raises(ScanFailed) as failed:
        await broken.scan("checks for customers:\n  - row_count > 0\n")
    assert failed.value.failure is ScanFailure.WAREHOUSE_REFUSED_LOGIN
    assert SECRET not in failed.value.message
