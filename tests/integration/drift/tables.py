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
