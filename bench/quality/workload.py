"""The tables and the 30 checks that the benchmarks run: 20 columns, every check passes, a few values are missing or invalid."""

from __future__ import annotations

from collections.abc import Callable, Sequence

TABLE = "WIDE"
CHECKS = """
checks for wide:
  - row_count > 100
  - row_count between 100 and 100000000
  - missing_count(id) = 0
  - missing_count(email) < 1000000
  - missing_percent(phone) < 50
  - missing_count(city) = 0
  - missing_percent(note) < 90
  - invalid_count(email) < 1000000:
      valid format: email
  - invalid_count(country) = 0:
      valid values: [DE, FR, IT, ES, NL]
  - invalid_percent(status) < 10:
      valid values: [new, open, paid, sent]
  - invalid_count(zip) = 0:
      valid length: 5
  - invalid_count(age) < 1000000:
      valid min: 0
      valid max: 90
  - invalid_count(code) = 0:
      valid regex: '[A-Z]{2}-[0-9]+'
  - avg(amount) between 0 and 1000000
  - min(amount) >= 0
  - max(amount) < 1000000
  - sum(quantity) > 0
  - stddev(amount) > 0
  - avg_length(city) > 1
  - max_length(name) < 100
  - min_length(name) > 1
  - max(score) <= 1
  - min(score) >= 0
  - duplicate_count(id) = 0
  - duplicate_count(email) < 1000000
  - duplicate_count(code, id) = 0
  - freshness(updated) < 36500d
  - values in (customer_id) must exist in people (id)
  - schema:
      fail:
        when required column missing: [ID, EMAIL, COUNTRY, AMOUNT]
  - failed rows:
      fail condition: amount < 0
"""
MANY_FAILING = """
checks for wide:
  - failed rows:
      fail query: SELECT * FROM {table} WHERE amount >= 0
      samples limit: 10
"""


def create(execute: Callable[[str], object], rows: int) -> None:
    """Create the tables in the session's schema."""
    for statement in statements(rows):
        execute(statement)


def statements(rows: int) -> Sequence[str]:
    people = max(100, rows // 50)
    return (
        f"""CREATE OR REPLACE TABLE people AS SELECT n AS id, 'person ' || n AS name
        FROM (SELECT seq4() AS n FROM TABLE(GENERATOR(ROWCOUNT => {people})))""",
        f"""CREATE OR REPLACE TABLE {TABLE} AS SELECT
            n AS id, MOD(n * 7919, {people}) AS customer_id,
            CASE WHEN MOD(n, 50) = 0 THEN NULL WHEN MOD(n, 97) = 0 THEN 'not an address' ELSE 'user' || n || '@example.com' END AS email,
            CASE WHEN MOD(n, 11) = 0 THEN NULL ELSE '+49' || (1000000 + n) END AS phone,
            'Name ' || MOD(n, 5000) AS name, 'City ' || MOD(n, 300) AS city,
            CASE MOD(n, 5) WHEN 0 THEN 'DE' WHEN 1 THEN 'FR' WHEN 2 THEN 'IT' WHEN 3 THEN 'ES' ELSE 'NL' END AS country,
            CASE MOD(n, 41) WHEN 0 THEN 'odd' WHEN 1 THEN 'new' WHEN 2 THEN 'open' WHEN 3 THEN 'paid' ELSE 'sent' END AS status,
            CAST(10000 + MOD(n, 80000) AS VARCHAR) AS zip, MOD(n, 101) AS age, 'AB-' || MOD(n, 100000) AS code,
            MOD(n * 31, 100000) / 100.0 AS amount, MOD(n, 9) + 1 AS quantity, MOD(n, 1000) / 1000.0 AS score,
            CASE WHEN MOD(n, 4) = 0 THEN 'a note' END AS note, MOD(n, 2) = 0 AS active, MOD(n, 12) AS month, MOD(n, 7) AS weekday,
            DATEADD('minute', -MOD(n, 100000), '2026-01-01'::TIMESTAMP_NTZ) AS updated, MOD(n, 3) AS segment
        FROM (SELECT seq4() AS n FROM TABLE(GENERATOR(ROWCOUNT => {rows})))""",
    )
