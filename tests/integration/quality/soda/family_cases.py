"""One case for every family of checks: what to write, and the verdict and value it has on the shop."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """A check on the shop. `value` is compared to six digits; None where nothing numeric is measured."""

    check: str
    verdict: str
    value: float | None = None
    failed_rows: int | None = None
    table: str = "customers"

    @property
    def id(self) -> str:
        return " ".join(self.check.split())[:70]


ROWS = [
    Case("row_count > 0", "PASS", 5),
    Case("row_count = 5", "PASS", 5),
    Case("row_count != 5", "FAIL", 5),
    Case("row_count between 1 and 4", "FAIL", 5),
    Case("row_count between (5 and 9", "FAIL", 5),
    Case("row_count not between 1 and 4", "PASS", 5),
    Case("row_count >= 6", "FAIL", 5),
    Case("row_count > 0", "FAIL", 0, table="nothing"),
    Case("row_count = 2:\n  filter: country = 'DE'", "PASS", 2),
    Case("row_count:\n  warn: when < 6\n  fail: when < 5", "WARN", 5),
    Case("row_count:\n  warn: when < 9\n  fail: when < 6", "FAIL", 5),
    Case("row_count same as orders", "PASS", 0),
    Case("row_count same as nothing", "FAIL", 5),
]

MISSING = [
    Case("missing_count(email) = 0", "FAIL", 1, 1),
    Case("missing_count(id) = 0", "PASS", 0, 0),
    Case("missing_percent(email) < 25 %", "PASS", 20, 1),
    Case("missing_percent(email) < 5", "FAIL", 20, 1),
    Case("missing_count(country) = 0:\n  missing values: [XX]", "FAIL", 1, 1),
    Case("missing_count(share) = 0:\n  missing regex: n/a", "FAIL", 1, 1),
    Case("missing_count(email) = 0:\n  filter: country = 'FR'", "PASS", 0, 0),
    Case("missing_percent(amount) < 5", "NOT_EVALUATED", table="nothing"),
]

INVALID = [
    Case("invalid_count(email) = 0:\n  valid format: email", "FAIL", 1, 1),
    Case("invalid_percent(email) < 30:\n  valid format: email", "PASS", 20, 1),
    Case("invalid_count(country) = 0:\n  valid values: [DE, FR, IT]", "FAIL", 1, 1),
    Case("invalid_count(country) = 0:\n  valid values: [DE, FR, IT, XX, it's]", "PASS", 0, 0),
    Case("invalid_count(country) = 0:\n  invalid values: [XX]", "FAIL", 1, 1),
    Case("invalid_count(country) = 0:\n  invalid values: [ZZ]", "PASS", 0, 0),
    Case("invalid_count(country) = 0:\n  valid regex: '[A-Z]{2}'", "PASS", 0, 0),
    Case("invalid_count(country) = 0:\n  valid regex: '(?:DE|FR)'", "FAIL", 2, 2),
    Case("invalid_count(share) = 0:\n  valid regex: '\\d+%'", "FAIL", 1, 1),
    Case("invalid_count(country) = 0:\n  invalid regex: 'X+'", "FAIL", 1, 1),
    Case("invalid_count(country) = 0:\n  valid length: 2", "PASS", 0, 0),
    Case("invalid_count(email) = 0:\n  valid min length: 15", "FAIL", 1, 1),
    Case("invalid_count(email) = 0:\n  valid max length: 14", "FAIL", 3, 3),
    Case("invalid_count(total) = 0:\n  valid min: 15\n  valid max: 40", "FAIL", 2, 2),
    Case("valid_count(country) = 4:\n  valid values: [DE, FR, IT]", "PASS", 4),
]

DUPLICATES = [
    Case("duplicate_count(id) = 0", "FAIL", 1, 1),
    Case("duplicate_count(email) = 0", "PASS", 0, 0),
    Case("duplicate_count(id, email) = 0", "PASS", 0, 0),
    Case("duplicate_count(id, d) = 0", "PASS", 0, 0),
    Case("duplicate_percent(id) < 25", "PASS", 20, 1),
    Case("duplicate_count(id) = 0:\n  filter: country = 'DE'", "PASS", 0, 0),
]

AGGREGATES = [
    Case("min(total) = 10.5", "PASS", 10.5),
    Case("max(total) < 50", "FAIL", 50),
    Case("avg(total) between 27 and 28", "PASS", 27.625),
    Case("sum(total) = 110.5", "PASS", 110.5),
    Case("stddev(total) between 16 and 18", "PASS", 16.908455),
    Case("stddev_pop(total) between 14 and 15", "PASS", 14.643152),
    Case("stddev_samp(total) > 100", "FAIL", 16.908455),
    Case("variance(total) between 285 and 286", "PASS", 285.895833),
    Case("var_pop(total) between 214 and 215", "PASS", 214.421875),
    Case("var_samp(total) between 285 and 286", "PASS", 285.895833),
    Case("percentile(total, 0.5) = 20", "PASS", 20),
    Case("min_length(country) = 2", "PASS", 2),
    Case("max_length(email) = 15", "PASS", 15),
    Case("avg_length(email) > 20", "FAIL", 14.75),
    Case("avg(total) > 0:\n  filter: id > 100", "NOT_EVALUATED"),
    Case("avg(amount) > 0", "NOT_EVALUATED", table="nothing"),
    Case("max(d) = 5", "PASS", 5),
    Case("max(share) <= 50:\n  valid format: percentage", "PASS", 50),
    Case("min(created) > 0", "ERROR"),
]

FRESHNESS = [
    Case("freshness(created) < 2d", "PASS", 86400),
    Case("freshness(created) < 23h", "FAIL", 86400),
    Case("freshness(created) < 1d1h30m", "PASS", 86400),
    Case("freshness(created):\n  warn: when > 6h\n  fail: when > 2d", "WARN", 86400),
    Case("freshness(created) < 2d:\n  filter: id = 1", "FAIL", 432000),
    Case("freshness(created) < 2d:\n  filter: id = 100", "FAIL"),
    Case("freshness(email) < 2d", "ERROR"),
]

SCHEMAS = [
    Case("schema:\n  fail:\n    when required column missing: [id, Email, COUNTRY]", "PASS"),
    Case("schema:\n  fail:\n    when required column missing: [id, phone]", "FAIL"),
    Case("schema:\n  warn:\n    when required column missing: [phone]", "WARN"),
    Case("schema:\n  fail:\n    when forbidden column present: [ssn, pass%]", "PASS"),
    Case("schema:\n  fail:\n    when forbidden column present: ['e*l']", "FAIL"),
    Case("schema:\n  fail:\n    when forbidden column present: [mail]", "PASS"),
    Case("schema:\n  fail:\n    when wrong column type:\n      country: varchar\n      total: double", "PASS"),
    Case("schema:\n  fail:\n    when wrong column type:\n      country: integer", "FAIL"),
    Case("schema:\n  fail:\n    when wrong column index:\n      id: 0\n      email: 1", "PASS"),
    Case("schema:\n  fail:\n    when wrong column index:\n      email: 0", "FAIL"),
    Case("schema:\n  fail:\n    when schema changes: any", "NOT_EVALUATED"),
    Case("schema:\n  fail:\n    when mismatching columns:\n      id: integer", "FAIL"),
    Case(
        "schema:\n  fail:\n    when mismatching columns:\n      id: integer\n      customer_id: integer\n"
        "    with optional columns: [amount]",
        "PASS",
        table="orders",
    ),
]

REFERENCES = [
    Case("values in (customer_id) must exist in customers (id)", "FAIL", 1, 1, table="orders"),
    Case("values in (id) must exist in orders (id)", "PASS", 0, 0),
    Case("values in (id) must not exist in orders (customer_id)", "FAIL", 4, 4),
    Case("values in (id) must not exist in nothing (id)", "PASS", 0, 0),
    Case("values in (customer_id, id) must exist in customers (id, d)", "FAIL", 2, 2, table="orders"),
]

OWN_SQL = [
    Case("failed rows:\n  name: Expensive\n  fail condition: total > 25", "FAIL", 2, 2),
    Case("failed rows:\n  fail condition: total > 100", "PASS", 0, 0),
    Case("failed rows:\n  fail query: SELECT id, email FROM customers WHERE total > 25", "FAIL", 2, 2),
    Case("failed rows:\n  fail query: |\n    SELECT id FROM customers -- all of them\n    WHERE total > 100;", "PASS", 0, 0),
    Case("failed rows:\n  fail query: WITH big AS (SELECT id FROM customers WHERE total > 25) SELECT * FROM big", "FAIL", 2, 2),
    Case("failed rows:\n  fail condition: total > 25\n  warn: when > 1\n  fail: when > 2", "WARN", 2, 2),
    Case("spread between 30 and 39:\n  spread expression: MAX(total) - MIN(total)", "FAIL", 39.5),
    Case("paid < 40:\n  paid query: SELECT SUM(amount) FROM orders", "PASS", 35),
    Case("paid < 30:\n  paid query: SELECT SUM(amount) AS paid FROM orders\n  failed rows query: SELECT id FROM orders", "FAIL", 35),
    Case("nobody > 0:\n  nobody query: SELECT MAX(amount) FROM nothing", "NOT_EVALUATED"),
]
_GROUP_BY = """
group by:
  query: SELECT country, AVG(total) AS average_total, COUNT(*) AS people FROM customers GROUP BY country
  fields: [country]
  checks:
    - average_total {average}:
        name: average
    - people {people}:
        name: people
"""
GROUPS = [
    Case(_GROUP_BY.format(average="> 1", people="> 0"), "NOT_EVALUATED", 1),
    Case(_GROUP_BY.format(average="> 25", people="> 0"), "FAIL", 3),
    Case(_GROUP_BY.format(average="> 1", people="> 0").replace("FROM customers", "FROM customers WHERE total IS NOT NULL"), "PASS", 0),
    Case("group evolution:\n  query: SELECT DISTINCT country FROM customers\n  fail:\n    when required group missing: [DE, FR]", "PASS"),
    Case("group evolution:\n  query: SELECT DISTINCT country FROM customers\n  fail:\n    when required group missing: [US]", "FAIL"),
    Case("group evolution:\n  query: SELECT DISTINCT country FROM customers\n  fail:\n    when forbidden group present: [X*]", "FAIL"),
    Case("group evolution:\n  query: SELECT DISTINCT id FROM customers\n  warn:\n    when required group missing: ['9']", "WARN"),
    Case("group evolution:\n  query: SELECT DISTINCT country FROM customers\n  fail:\n    when groups change: any", "NOT_EVALUATED"),
]

OVER_TIME = [
    Case("change for row_count < 50", "NOT_EVALUATED"),
    Case("change percent for row_count < 50", "NOT_EVALUATED"),
    Case("change avg last 7 for missing_count(email) < 5", "NOT_EVALUATED"),
    Case("change same day last week for row_count < 50", "NOT_EVALUATED"),
]

FAMILIES = [*ROWS, *MISSING, *INVALID, *DUPLICATES, *AGGREGATES, *FRESHNESS, *SCHEMAS, *REFERENCES, *OWN_SQL, *GROUPS, *OVER_TIME]
