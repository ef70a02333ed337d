"""One declared check, one verdict: what is wrong with one check never takes another with it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from services.quality.domain.scan import CheckVerdict, ScanFailed, ScanFailure
from tests.integration.quality.soda.scanning import SHOP_TIME, KeptHistory, Scanner, run_in_postgres
from tests.support.databases import Database
from tests.support.warehouse import Warehouse

pytestmark = [pytest.mark.asyncio(loop_scope="session")]

PASS, FAIL, ERROR, NOT_EVALUATED = CheckVerdict.PASS, CheckVerdict.FAIL, CheckVerdict.ERROR, CheckVerdict.NOT_EVALUATED

FLAWED_SUITE = """
checks for customers:
  - row_count > 0
  - missing_count(emial) = 0
  - rowcount > 0
  - avg(total) > 0
  - missing_count(email) = 0:
      filter: this is not sql
  - max(total) > ${limit}
  - values in (id) must exist in nowhere (id)
  - duplicate_count(id) = 0
  - min(created) > 0
checks for nowhere:
  - row_count > 0
  - schema:
      fail:
        when required column missing: [id]
cheks for customers:
  - row_count > 0
checks for orders [daily]:
  - row_count > 0
checks for orders:
  - row_count = 5
"""
FLAWED_VERDICTS = [PASS, ERROR, ERROR, PASS, ERROR, ERROR, ERROR, FAIL, ERROR, ERROR, ERROR, ERROR, ERROR, PASS]


async def test_each_flaw_has_its_own_entry_and_its_neighbours_their_verdicts(either_shop: Scanner) -> None:
    results = await either_shop.scan(FLAWED_SUITE)
    assert [result.verdict for result in results] == FLAWED_VERDICTS, [(result.name, result.message) for result in results]
    lines = [result.line for result in results]
    assert lines == sorted(lines)
    messages = [result.message for result in results]
    assert messages[1].casefold() == "column emial does not exist in customers; did you mean email?"
    assert messages[2].startswith("Unknown check `rowcount`; did you mean row_count?")
    assert messages[5] == "Variable `limit` is not declared; known variables: NOW."
    assert messages[9].casefold().startswith("table nowhere does not exist in schema")
    assert messages[11].startswith("Unknown section `cheks for customers`; expected `checks for TABLE:`")
    assert messages[12] == "Filter [daily] of orders is not declared; add `filter orders [daily]:` with `where:`."


async def test_a_near_table_name_is_suggested(shop: Scanner) -> None:
    result = await shop.one("row_count > 0", table="custmers")
    assert result.message.endswith("did you mean CUSTOMERS?")


async def test_equal_checks_keep_their_own_entries_and_ids(shop: Scanner) -> None:
    results = await shop.scan("checks for customers:\n  - row_count > 0\n  - row_count > 0\n  - row_count > 0\n")
    assert [result.verdict for result in results] == [PASS] * 3
    assert len({result.id for result in results}) == 3


async def test_ids_are_stable_when_checks_are_moved_and_variables_change(shop: Scanner) -> None:
    first = await shop.scan("checks for customers:\n  - row_count > ${n}\n  - missing_count(id) = 0\n", variables={"n": "1"})
    second = await shop.scan("checks for customers:\n  - missing_count(id) = 0\n  - row_count > ${n}\n", variables={"n": "2"})
    assert {result.id for result in first} == {result.id for result in second}


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "variables:\n  a: 1\n", "{}"])
async def test_an_empty_suite_is_an_error(shop: Scanner, text: str) -> None:
    with pytest.raises(ScanFailed) as failed:
        await shop.scan(text)
    assert failed.value.failure is ScanFailure.INVALID_CHECKS


async def test_an_empty_section_is_an_error(shop: Scanner) -> None:
    results = await shop.scan("checks for customers: []\nchecks for orders:\n  - row_count > 0\n")
    assert [result.verdict for result in results] == [ERROR, PASS]


async def test_not_a_number_is_not_a_pass(shop: Scanner, warehouse: Warehouse) -> None:
    warehouse.execute("CREATE TABLE nans (x FLOAT)", "INSERT INTO nans VALUES (1), ('NaN'::FLOAT)")
    results = await shop.scan("checks for nans:\n  - avg(x) < 10\n  - max(x) < 10\n  - row_count = 2\n")
    assert [result.verdict for result in results] == [NOT_EVALUATED, NOT_EVALUATED, PASS]


async def test_not_a_number_is_not_a_pass_in_postgres(postgres_shop: Scanner, shop_database: Database) -> None:
    run_in_postgres(shop_database, "CREATE TABLE nans (x FLOAT)", "INSERT INTO nans VALUES (1), ('NaN')")
    results = await postgres_shop.scan("checks for nans:\n  - avg(x) < 10\n  - row_count = 2\n")
    assert [result.verdict for result in results] == [NOT_EVALUATED, PASS]


async def test_both_forms_give_the_same_results(shop: Scanner) -> None:
    native = await shop.scan(
        "checks for customers:\n  - row_count > 0\n  - missing_count(email) = 0\nchecks for orders:\n  - row_count = 5\n"
    )
    compact = await shop.scan(
        "checks:\n  customers:\n    - row_count > 0\n    - missing_count(email) = 0\n  orders:\n    - row_count = 5\n"
    )
    assert [replace(result, line=0) for result in native] == [replace(result, line=0) for result in compact]


async def test_checks_that_differ_only_in_what_soda_forgets_do_not_share_a_value(shop: Scanner) -> None:
    results = await shop.scan(
        """
        checks for customers:
          - invalid_count(country) = 0:
              invalid values: [XX]
          - invalid_count(country) = 0:
              invalid values: [DE]
          - invalid_count(country) = 0:
              invalid values: [D, EXX]
          - invalid_count(country) = 0:
              invalid values: [DE, XX]
          - spread > 0:
              spread expression: MAX(id)
          - spread > 0:
              spread expression: MIN(id)
          - values in (id) must exist in orders (id)
          - values in (id) must not exist in orders (id)
        """
    )
    assert [result.measured_value for result in results] == [1, 2, 0, 3, 4, 1, 0, 5]


async def test_filters_and_configurations_of_columns_apply(shop: Scanner) -> None:
    results = await shop.scan(
        """
        variables:
          land: DE
        filter customers [german]:
          where: country = '${land}' -- only these
        configurations for customers:
          valid values for Country: [DE, FR]
        checks for customers [german]:
          - row_count = 2
          - duplicate_count(country) = 0
          - missing_count(email) = 0
          - failed rows:
              fail condition: total > 20
        checks for customers:
          - invalid_count(COUNTRY) = 0
          - row_count same as customers [german]
        """
    )
    assert [result.measured_value for result in results] == [2, 1, 1, 1, 2, 3]


async def test_for_each_dataset_gives_each_table_its_checks(shop: Scanner) -> None:
    results = await shop.scan(
        """
        for each dataset T:
          datasets: [cust%, include ORDERS, exclude noth%]
          checks:
            - row_count > 0:
                name: Rows of ${T}
            - missing_count(id) = 0
            - failed rows:
                fail query: SELECT * FROM ${T} WHERE id < 0
        for each dataset D:
          datasets: [zz%]
          checks:
            - row_count > 0
        """
    )
    assert [result.table for result in results] == ["CUSTOMERS", "ORDERS"] * 3 + ["${D}"]
    assert [result.verdict for result in results] == [PASS] * 6 + [NOT_EVALUATED]
    assert results[0].name == "Rows of CUSTOMERS"
    assert len({result.id for result in results}) == 7


async def test_attributes_and_names_come_back(shop: Scanner) -> None:
    results = await shop.scan(
        """
        checks for customers:
          - attributes:
              owner: data team
          - row_count > 0:
              name: There are customers
              attributes:
                tier: 1
                tags: [a, b]
          - missing_count(id) = 0
        """
    )
    assert [result.name for result in results] == ["There are customers", "missing_count(id) = 0"]
    assert results[0].attributes == {"owner": "data team", "tier": "1", "tags": "a, b"}
    assert results[1].attributes == {"owner": "data team"}


async def test_change_over_time_compares_with_kept_history(shop: Scanner, warehouse: Warehouse) -> None:
    warehouse.execute("CREATE TABLE grows (id INT, kind VARCHAR)", "INSERT INTO grows VALUES (1, 'a'), (2, 'b')")
    history = KeptHistory()
    scanner = replace(shop, history=history)
    text = """
    checks for grows:
      - change for row_count < ${limit}
      - change percent for row_count < 40
      - change avg last 3 for row_count <= 1
      - change same day last week for row_count = 0
      - schema:
          fail:
            when schema changes: any
      - group evolution:
          query: SELECT DISTINCT kind FROM grows
          fail:
            when groups change: any
    """
    first = await scanner.outcome(text, variables={"limit": "5"}, data_time=SHOP_TIME - timedelta(days=7))
    assert [result.verdict for result in first.checks] == [NOT_EVALUATED] * 6
    history.keep(first)
    warehouse.execute("INSERT INTO grows VALUES (3, 'c')", "DELETE FROM grows WHERE kind = 'a'", "INSERT INTO grows VALUES (4, 'c')")
    warehouse.execute("ALTER TABLE grows ADD COLUMN extra INT")
    second = await scanner.scan(text, variables={"limit": "9"})
    assert [result.verdict for result in second] == [PASS, FAIL, PASS, FAIL, FAIL, FAIL]
    assert [result.measured_value for result in second[:4]] == [1, 50, 1, 1]
    assert second[1].message == "change percent for row_count is 50, expected < 40 (3 now, 2 before)."
    assert second[4].message == "added columns: EXTRA."
    assert second[5].message == "added groups: c; deleted groups: a."


@pytest.mark.parametrize("later", ["between -20 and +50", "not between 5 and 9", "< 50%", "> -3"])
async def test_history_outlives_a_change_of_the_threshold(shop: Scanner, later: str) -> None:
    history = KeptHistory()
    scanner = replace(shop, history=history)
    history.keep(await scanner.outcome("checks for orders:\n  - change for row_count < 5\n", data_time=SHOP_TIME - timedelta(days=1)))
    result = await scanner.one(f"change for row_count {later}", table="orders")
    assert (result.verdict, result.measured_value) == (PASS, 0)


async def test_rows_are_compared_across_connections(shop: Scanner, postgres_shop: Scanner) -> None:
    others = {"lake": postgres_shop.connection}
    result = await shop.one("row_count same as orders in lake", other_sources=others)
    assert (result.verdict, result.measured_value) == (PASS, 0)
    unknown = await shop.one("row_count same as orders in lake")
    assert unknown.message == "There is no connection named lake; connections that checks may name: none."


@pytest.mark.parametrize("name", ["wh", "own", "warehouse"])
async def test_another_connection_never_takes_the_place_of_the_own(shop: Scanner, postgres_shop: Scanner, name: str) -> None:
    text = f"checks for orders:\n  - row_count > 0\n  - row_count same as nosuch in {name}\n"
    results = await shop.scan(text, other_sources={name: postgres_shop.connection})
    assert [result.verdict for result in results] == [PASS, ERROR]
    assert results[1].message.startswith(f"In connection {name}: Table nosuch does not exist in schema public")


async def test_a_table_may_be_called_like_a_word_of_sql(shop: Scanner, warehouse: Warehouse) -> None:
    warehouse.execute('CREATE TABLE "SELECT" (id INT)', 'INSERT INTO "SELECT" VALUES (1), (2)')
    results = await shop.scan(
        "checks for select:\n  - row_count = 2\n  - duplicate_count(id) = 0\n  - values in (id) must exist in select (id)\n"
    )
    assert [result.verdict for result in results] == [PASS] * 3


async def test_time_comes_from_the_request(shop: Scanner) -> None:
    result = await shop.one("freshness(created) < 1d", data_time=SHOP_TIME + timedelta(days=10))
    assert result.message == "The newest created is 11d old, expected < 1d."


async def test_a_few_of_many_rows_never_round_to_none(shop: Scanner, warehouse: Warehouse) -> None:
    warehouse.execute("CREATE TABLE sparse AS SELECT CASE WHEN seq4() > 2 THEN 1 END AS x FROM TABLE(GENERATOR(ROWCOUNT => 200000))")
    result = await shop.one("missing_percent(x) = 0", table="sparse")
    assert result.verdict is FAIL
    assert result.measured_value == pytest.approx(0.0015)


async def test_mixed_case_names_are_reached_in_quotes(shop: Scanner, warehouse: Warehouse) -> None:
    warehouse.execute('CREATE TABLE "Mixed Case" ("theId" INT)', 'INSERT INTO "Mixed Case" VALUES (1)')
    results = await shop.scan('\'checks for "Mixed Case"\':\n  - missing_count("theId") = 0\n  - row_count = 1\n')
    assert [result.verdict for result in results] == [PASS, PASS]
