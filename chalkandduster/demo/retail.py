"""Generates the retail data set: customers, orders and payments, the same on every machine, with flaws whose number is known."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path

CUSTOMERS = 4_000
ORDERS = 20_000

_SEED = 20_260_630
# The load job stopped on this day: everything after is missing, which is what freshness checks are for.
_LAST_DAY = datetime(2026, 6, 30, 22, 15)  # noqa: DTZ001 - the tables hold local time without a zone, as shops do
_FIRST_DAY = datetime(2025, 1, 1)  # noqa: DTZ001
_GIVEN = ("Ada", "Bela", "Chidi", "Dana", "Elif", "Femi", "Grete", "Hugo", "Ines", "Jonas", "Kaia", "Luca", "Mina", "Nils", "Oya", "Pim")
_FAMILY = ("Abel", "Brandt", "Costa", "Dahl", "Eriksen", "Fabre", "Grimm", "Horvat", "Ito", "Jansen", "Kaya", "Lind", "Moreau", "Novak")
_COUNTRIES = ("DE", "FR", "NL", "PL", "SE", "TR", "US", "BR")
_TIERS = ("bronze", "silver", "gold")
_STATUSES = ("placed", "paid", "shipped", "delivered", "returned", "cancelled")
_METHODS = ("card", "paypal", "transfer", "invoice")

Row = list[object]


def write_tables(directory: Path) -> dict[str, Path]:
    """Write the three tables as CSV files; table name to file."""
    chooser = random.Random(_SEED)  # noqa: S311 - data, not secrets
    directory.mkdir(parents=True, exist_ok=True)
    customers = _customers(chooser)
    orders = _orders(chooser)
    payments = _payments(chooser, orders)
    return {
        "customers": _write(
            directory / "customers.csv",
            ("customer_id", "full_name", "email", "country", "birth_date", "loyalty_tier", "signed_up_at"),
            customers,
        ),
        "orders": _write(
            directory / "orders.csv",
            ("order_id", "customer_id", "status", "items", "amount", "discount", "currency", "ordered_at", "shipped_at", "updated_at"),
            orders,
        ),
        "payments": _write(directory / "payments.csv", ("payment_id", "order_id", "method", "amount", "paid_at"), payments),
    }


def _customers(chooser: random.Random) -> list[Row]:
    rows: list[Row] = []
    for number in range(1, CUSTOMERS + 1):
        given, family = chooser.choice(_GIVEN), chooser.choice(_FAMILY)
        born = date(1945, 1, 1) + timedelta(days=chooser.randrange(22_000))
        signed_up = _FIRST_DAY + timedelta(minutes=chooser.randrange(545 * 24 * 60))
        email = f"{given}.{family}.{number}@example.com".lower()
        rows.append([number, f"{given} {family}", email, chooser.choice(_COUNTRIES), born, chooser.choice(_TIERS), signed_up])
    for row in chooser.sample(rows, 63):
        row[2] = None  # missing
    for row in chooser.sample([row for row in rows if row[2]], 41):
        row[2] = str(row[2]).replace("@", " at ")  # invalid
    for row in chooser.sample(rows, 30):
        row[3] = "USA"  # three letters where two belong
    for row in chooser.sample(rows, 5):
        row[4] = date(2062, 3, 14)  # out of range: a two-digit year read wrongly
    for row in chooser.sample(rows, 27):
        row[5] = "gld"  # not one of the tiers
    return rows + [list(row) for row in chooser.sample(rows, 12)]  # duplicates: an import that ran twice


def _orders(chooser: random.Random) -> list[Row]:
    rows: list[Row] = []
    minutes = int((_LAST_DAY - _FIRST_DAY).total_seconds() // 60)
    for number in range(1, ORDERS + 1):
        ordered = _FIRST_DAY + timedelta(minutes=minutes * number // ORDERS)
        status = chooser.choice(_STATUSES)
        shipped = ordered + timedelta(hours=chooser.randrange(4, 96)) if status in {"shipped", "delivered", "returned"} else None
        amount = round(min(chooser.lognormvariate(4.2, 0.7), 2_500.0), 2)
        discount = chooser.choice(("0", "0", "0", "0.05", "0.1"))
        row: Row = [number, chooser.randrange(1, CUSTOMERS + 1), status, chooser.randrange(1, 7), amount, discount, "EUR", ordered]
        rows.append([*row, shipped, min(ordered + timedelta(hours=chooser.randrange(1, 120)), _LAST_DAY)])
    for row in chooser.sample(rows, 25):
        row[1] = 900_000 + chooser.randrange(1_000)  # orphans: customers that do not exist
    for row in chooser.sample(rows, 130):
        row[2] = None  # missing, some
    for row in chooser.sample([row for row in rows if row[2]], 14):
        row[2] = "shiped"  # not one of the states
    for row in chooser.sample(rows, 18):
        row[4] = -abs(float(str(row[4])))  # negative amounts
    for row in chooser.sample([row for row in rows if float(str(row[4])) > 0], 3):
        row[4] = 1_000_000.0  # out of range: cents taken for euros
    for row in chooser.sample(rows, 40):
        row[5] = "10%"  # text among numbers: the whole column becomes text
    for row in chooser.sample([row for row in rows if row[8]], 34):
        row[8] = row[7] - timedelta(days=2)  # type: ignore[operator]  # shipped before it was ordered
    return rows + [list(row) for row in chooser.sample(rows, 7)]  # duplicates


def _payments(chooser: random.Random, orders: Iterable[Row]) -> list[Row]:
    rows: list[Row] = []
    for order in orders:
        if order[2] in {"placed", "cancelled"} or order[2] is None:
            continue
        paid = order[7] + timedelta(minutes=chooser.randrange(1, 600))  # type: ignore[operator]
        rows.append([len(rows) + 1, order[0], chooser.choice(_METHODS), abs(float(str(order[4]))), min(paid, _LAST_DAY)])
    for row in chooser.sample(rows, 15):
        row[1] = 5_000_000 + chooser.randrange(1_000)  # orphans: payments for orders that do not exist
    for row in chooser.sample(rows, 22):
        row[2] = "crad"  # not one of the methods
    for row in chooser.sample(rows, 55):
        row[3] = None  # missing
    return rows


def _write(path: Path, header: Sequence[str], rows: Iterable[Row]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
    return path
