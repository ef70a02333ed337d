"""The roles of deploy/postgres/bootstrap.sql, and their passwords."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

from chalkandduster.local import secret_files

DATABASE = "chalkandduster"
SUPERUSER = "postgres"
SERVICES_WITH_DATA = ("registry", "quality", "drift", "notifier")
LOGIN_ROLES = tuple(f"{service}_{kind}" for service in SERVICES_WITH_DATA for kind in ("owner", "app"))


def passwords(file: Path) -> dict[str, str]:
    """The passwords of the superuser and the login roles, made at the first call and kept in `file` (mode 0600)."""
    known: dict[str, str] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    missing = [role for role in (SUPERUSER, *LOGIN_ROLES) if role not in known]
    if missing:
        known |= {role: secrets.token_urlsafe(24) for role in missing}
        secret_files.write(file, json.dumps(known, indent=1))
    return known
