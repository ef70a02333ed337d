"""Tables that tests of drift watch."""

from __future__ import annotations

from datetime import datetime

from tests.integration.drift.harness import NOON, Drift

DAILY = "partition: {column: created_at}\n"


async def orders(drift: Drift, days: int = 10, rows: int = 100, until: datetime = NOON) -> None:
    """`shop.orders` with so many rows a day, the last full day being the one before `until`."""
    await drift.sql(
        "CREATE TABLE shop.orders (id int, amount numeric(10,2), country text, email text, created_at timestamp)",
        f"INSERT INTO shop.orders SELECT g, g % 50, CASE g % 3 WHEN 0 THEN 'AT' ELSE 'DE' END, 'm' || g || '@x.at', "
        f"timestamp '{until.date()}' - make_interval(days => 1 + g % {days}) + make_interval(mins => g % 1440) "
        f"FROM generate_series(0, {days * rows - 1}) g",
    )


async def another_day(drift: Drift, day: str, rows: int = 100, email: str = "'x'") -> None:
    """Rows of one more day."""
    await drift.sql(
        f"INSERT INTO shop.orders SELECT g, g % 50, 'AT', {email}, timestamp '{day}' + make_interval(mins => g % 1440) "
        f"FROM generate_series(0, {rows - 1}) g"
    )


def _random_rows(first: str, last: str, rows: int) -> str:
    """Rows as a shop has them: every day a little other in number and content."""
    return (
        "INSERT INTO shop.sales SELECT (random() * 1e9)::int, round((exp(random() * 3) * 10)::numeric, 2), "
        "(ARRAY['AT', 'AT', 'AT', 'DE', 'DE', 'CH'])[1 + floor(random() * 6)::int], 'm' || (random() * 1e6)::int || '@shop.at', "
        "d + random() * interval '1 day' "
        f"FROM generate_series(timestamp '{first}', timestamp '{last}', '1 day') d, "
        f"generate_series(1, {rows} + (10 * extract(isodow FROM d))::int + floor(random() * 20)::int)"
    )


async def sales(drift: Drift, first: str = "2026-01-20", last: str = "2026-03-11", rows: int = 200) -> None:
    """`shop.sales`, the same in every run of a test."""
    await drift.sql(
        "CREATE TABLE shop.sales (id int, amount numeric(10,2), country text, email text, created_at timestamp)",
        f"SELECT setseed(0.42); {_random_rows(first, last, rows)}",
    )


async def more_sales(drift: Drift, day: str, rows: int = 200) -> None:
    """One more day of `shop.sales`."""
    await drift.sql(f"SELECT setseed(0.43); {_random_rows(day, day, rows)}")
