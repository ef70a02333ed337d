"""What the SQL guard lets through, and what it does not."""

from __future__ import annotations

import pytest

from services.quality.soda.guard import Refused, Scope, check, fold_name

SNOWFLAKE = Scope("snowflake", "DB", "SC", frozenset({("DB", "SC"), ("DB", "OTHER"), ("LAKE", "RAW")}))
POSTGRES = Scope("postgres", "db", "sc", frozenset({("db", "sc")}))

READABLE = [
    "SELECT COUNT(*) FROM orders",
    "SELECT * FROM (SELECT COUNT(*) AS c0 FROM DB.SC.orders\n) q0 CROSS JOIN (SELECT COUNT(*) c1 FROM db.other.x) q1",
    "SELECT * FROM lake.raw.events",
    "WITH a AS (SELECT 1 x) SELECT * FROM a",
    "SELECT value FROM t, LATERAL FLATTEN(input => t.j)",
    "SELECT f.value FROM t, TABLE(FLATTEN(input => t.j)) f",
    "SELECT j:a.b::string FROM t",
    "SELECT PERCENTILE_DISC(0.5) WITHIN GROUP (ORDER BY x) FROM t",
    "SELECT COUNT(CASE WHEN REGEXP_LIKE(COLLATE(x, ''), '^a$') THEN 1 END) FROM t",
    "SELECT a FROM t UNION ALL SELECT b FROM u",
    "SELECT COUNT_IF(x > 1) FROM t QUALIFY ROW_NUMBER() OVER (PARTITION BY a ORDER BY b) = 1",
    "SELECT * FROM t AT(OFFSET => -60)",
    "SELECT IFF(a > 1, 1, 0), NVL(a, b), DATEADD(day, -1, CURRENT_DATE()), TRY_TO_NUMBER(a) FROM t",
    "SELECT 'DROP TABLE t; --' AS words FROM t",
    'SELECT "delete" FROM t',
    "(SELECT 1)",
]
REFUSED = [
    "DELETE FROM t", "DROP TABLE t", "SELECT 1; DROP TABLE t", "CREATE TABLE x AS SELECT 1", "INSERT INTO t VALUES (1)", "USE ROLE x",
    "PUT file:///etc/passwd @st", "GET @st file:///tmp", "LIST @st", "SELECT * FROM other2.secrets", "SELECT * FROM demo.other.secrets",
    "SELECT $1 FROM @stage", "SELECT SYSTEM$CANCEL_ALL_QUERIES(1)", "SELECT * FROM TABLE(RESULT_SCAN(LAST_QUERY_ID()))",
    "SELECT * FROM TABLE(GENERATOR(ROWCOUNT => 10))", "SELECT * FROM IDENTIFIER('x')", "SELECT * FROM TABLE('other.secrets')",
    "SELECT * FROM t WHERE EXISTS (SELECT 1 FROM db.secrets.x)", "CALL p()", "SELECT * FROM '/etc/passwd'", 'SELECT * FROM "/etc/passwd"',
    "SELECT * FROM read_csv('/etc/passwd')", "COPY INTO @s FROM t", "ALTER SESSION SET x = 1", "SET x = 1", "EXECUTE IMMEDIATE 'x'",
    "BEGIN; SELECT 1", "SELECT * FROM information_schema.tables", "SELECT db.other.f(1)", "SELECT snowflake.cortex.complete('a', 'b')",
    "SELECT * INTO x FROM t", "SELECT $x", "MERGE INTO t USING u ON 1 = 1 WHEN MATCHED THEN DELETE", "TRUNCATE TABLE t", "SHOW TABLES",
    "GRANT SELECT ON t TO x", "DESCRIBE TABLE t", "EXPLAIN SELECT 1", "SELECT * FROM t, LATERAL (SELECT * FROM z.secrets)",
    "WITH x AS (SELECT * FROM zz.a) SELECT * FROM x", "UNDROP TABLE t", "COMMENT ON TABLE t IS 'x'", "SELECT GET_DDL('table', 'x')",
    "SELECT ''' FROM t -- ", "VALUES (1)", "", "SELECT " + "(" * 3000 + "1" + ")" * 3000, "SELECT '" + "x" * 200_001 + "'",
    'SELECT * FROM "db"."SC".t', 'SELECT * FROM "sc".t',
]  # fmt: skip
REFUSED_IN_POSTGRES = [
    "SELECT pg_read_file('/etc/passwd')", "SELECT pg_sleep(100)", "COPY t TO '/tmp/x'", "SELECT lo_import('/etc/passwd')",
    "SELECT * FROM pg_shadow", "SELECT * FROM pg_catalog.pg_shadow", "SELECT query_to_xml('select 1', true, false, '')",
    "SELECT * FROM dblink('x', 'select 1') AS t(a int)", "SELECT set_config('a', 'b', false)", "SELECT * FROM t FOR UPDATE",
    "DO $$ BEGIN END $$", "WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x", "SELECT current_setting('x')", "TABLE other.x",
    "SELECT pg_catalog.pg_read_file('x')", "SELECT * FROM generate_series(1, 10)", "LISTEN x", "VACUUM", "LOCK TABLE t",
    "SELECT nextval('s')", "SELECT * FROM other.t", "SELECT database_to_xml(true, true, '')", "SELECT has_table_privilege('x', 'y')",
]  # fmt: skip


def _refusal(sql: str, scope: Scope, *, internal: bool = False) -> str:
    try:
        check(sql, scope, internal=internal)
    except Refused as refused:
        return refused.message
    return ""


@pytest.mark.parametrize("sql", READABLE)
def test_reading_the_granted_schemas_is_allowed(sql: str) -> None:
    assert not _refusal(sql, SNOWFLAKE)


@pytest.mark.parametrize("sql", REFUSED)
def test_everything_else_is_refused_with_a_sentence(sql: str) -> None:
    with pytest.raises(Refused) as refused:
        check(sql, SNOWFLAKE)
    assert 10 < len(refused.value.message) < 400


@pytest.mark.parametrize("sql", REFUSED_IN_POSTGRES)
def test_everything_else_is_refused_in_postgres(sql: str) -> None:
    with pytest.raises(Refused):
        check(sql, POSTGRES)


@pytest.mark.parametrize(
    "sql", ["SELECT COUNT(*) FROM sc.t WHERE x ~ '^a$'", "SELECT x::int FROM db.sc.t", "SELECT COUNT(*) FILTER (WHERE a > 1) FROM t"]
)
def test_postgres_reads_its_own_schema(sql: str) -> None:
    assert not _refusal(sql, POSTGRES)


@pytest.mark.parametrize("sql", ['SELECT U&"pg\\005fsleep"(1)', 'SELECT * FROM u&"\\0078".secrets', "SELECT U&\"a\" UESCAPE '!' FROM t"])
def test_names_that_postgres_decodes_after_the_guard_are_refused(sql: str) -> None:
    with pytest.raises(Refused, match="Unicode escapes"):
        check(sql, POSTGRES)


def test_an_escape_in_a_text_is_only_text() -> None:
    assert not _refusal("""SELECT * FROM t WHERE a = 'U&"x"' OR a = U&'\\0041'""", POSTGRES)


@pytest.mark.parametrize("name", ["sqlite_master", '"SQLITE_MASTER"', "duckdb_tables", "pragma_database_list", "pg_class", "PG_SETTINGS"])
def test_the_catalogue_of_an_emulator_is_no_table(name: str) -> None:
    with pytest.raises(Refused, match="System table"):
        check(f"SELECT * FROM {name}", SNOWFLAKE)


def test_a_table_of_snowflake_may_begin_like_a_system_table() -> None:
    assert not _refusal("SELECT * FROM pg_orders JOIN DB.SC.pg_class ON 1 = 1", SNOWFLAKE)


def test_a_sequence_is_not_advanced() -> None:
    with pytest.raises(Refused, match="sequence"):
        check("SELECT order_ids.NEXTVAL", SNOWFLAKE)
    assert not _refusal('SELECT nextval, t."nextval" FROM t', SNOWFLAKE)


@pytest.mark.parametrize("sql", ["SELECT 'a", "SELECT 1 /* a", "SELECT (1", "SELECT %s", "SELECT * FROM WHERE", "SELECT 1)) FROM t"])
def test_messages_about_unreadable_sql_hold_nothing_of_the_parser(sql: str) -> None:
    with pytest.raises(Refused) as refused:
        check(sql, SNOWFLAKE)
    assert not any(word in refused.value.message for word in ("sqlglot", "class", "Token", "tokeniz"))


def test_metadata_is_for_the_engines_own_statements() -> None:
    sql = "SELECT column_name FROM DB.information_schema.columns WHERE table_name = 'T'"
    assert not _refusal(sql, SNOWFLAKE, internal=True)
    with pytest.raises(Refused, match="information schema"):
        check(sql, SNOWFLAKE)
    with pytest.raises(Refused, match="information schema"):
        check("SELECT * FROM information_schema.applicable_roles", SNOWFLAKE, internal=True)


def test_the_message_of_a_missing_grant_names_the_schema() -> None:
    with pytest.raises(Refused, match="Schema SECRET is not granted to this connection"):
        check("SELECT * FROM secret.t", SNOWFLAKE)


def test_configured_names_fold_like_unquoted_ones() -> None:
    assert [fold_name(name, "snowflake") for name in ("sales", '"Sales"')] == ["SALES", "Sales"]
    assert fold_name("Sales", "postgres") == "sales"
