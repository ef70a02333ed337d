"""Is every table of a service closed to other tenants?"""

from __future__ import annotations

from collections.abc import Collection

from services.common.postgres import Connection

# What the migration runner keeps.
_ALWAYS_UNTENANTED = frozenset({"schema_migrations"})

_TABLES = """
SELECT c.oid, c.relname AS name, c.relrowsecurity AS enabled, c.relforcerowsecurity AS forced
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'f')
"""

# Both halves of each policy: which rows are seen, and which may be written (where absent, the first counts for both).
_CONDITIONS = """
SELECT condition
  FROM pg_policy p, unnest(ARRAY[pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)]) AS condition
 WHERE p.polrelid = $1 AND condition IS NOT NULL
"""

# A view runs with its owner's rights unless it says otherwise: measured, one of a superuser shows all rows of all tenants.
_VIEWS = """
SELECT c.relname AS name
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = $1
   AND (c.relkind = 'm' OR (c.relkind = 'v' AND NOT coalesce('security_invoker=true' = ANY (c.reloptions)
                                                             OR 'security_invoker=on' = ANY (c.reloptions), false)))
"""

_FUNCTIONS = """
SELECT p.proname AS name
  FROM pg_proc p
  JOIN pg_namespace n ON n.oid = p.pronamespace
 WHERE n.nspname = $1 AND p.prosecdef
   AND NOT EXISTS (SELECT FROM unnest(p.proconfig) AS setting WHERE setting LIKE 'search\\_path=%')
"""


async def unprotected_tables(connection: Connection, schema: str, untenanted: Collection[str] = ()) -> list[str]:
    """What in `schema` could show one tenant's rows to another, as sentences; none when all is well.

    Every table has row-level security ENABLEd and FORCEd, and each of its policies reads `app.tenant_id`. `untenanted` names
    the tables that hold nothing of a tenant, each for a reason that the caller's test gives. Views are security_invoker, there
    is no materialised view, and a SECURITY DEFINER function has a search_path of its own.
    """
    exempt = _ALWAYS_UNTENANTED | set(untenanted)
    tables = [row for row in await connection.fetch(_TABLES, schema) if row["name"] not in exempt]
    problems = []
    for row in tables:
        conditions = [found["condition"] for found in await connection.fetch(_CONDITIONS, row["oid"])]
        problems += [f"table {row['name']} {problem}" for problem in _problems(row["enabled"], row["forced"], conditions)]
    problems += [f"view {row['name']} does not run with the caller's rights" for row in await connection.fetch(_VIEWS, schema)]
    problems += [f"function {row['name']} has no search_path of its own" for row in await connection.fetch(_FUNCTIONS, schema)]
    return sorted(problems)


def _problems(enabled: bool, forced: bool, conditions: list[str]) -> list[str]:
    found = []
    if not enabled:
        found.append("does not ENABLE row-level security")
    if not forced:
        found.append("does not FORCE row-level security, so its owner sees everything")
    if not conditions:
        found.append("has no policy")
    if any("app.tenant_id" not in condition for condition in conditions):
        found.append("has a policy that does not ask for app.tenant_id")
    return found
