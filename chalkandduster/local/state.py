"""The directory that holds all a local suite keeps: databases, keys, logs, and who runs it."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chalkandduster.local import roles, secret_files

if TYPE_CHECKING:
    from chalkandduster.local.keys import SigningKey


class State:
    """Paths and secrets under one directory; everything in it is made when first asked for."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory.resolve()

    def make_directory(self) -> None:
        """Make the directory itself. As root it lets others pass (not list), because Postgres then runs as user nobody inside."""
        secret_files.directory(self.directory)
        self.directory.chmod(0o711 if os.geteuid() == 0 else 0o700)

    def prepare(self) -> None:
        """Make the directory, what is in it, and the keys."""
        self.make_directory()
        for path in (self.keys, self.logs, self.warehouse, self.gateway):
            secret_files.directory(path)
        self.issuer_key()
        self.service_key()
        self.kek_file()

    @property
    def keys(self) -> Path:
        return self.directory / "keys"

    @property
    def logs(self) -> Path:
        return self.directory / "logs"

    @property
    def postgres(self) -> Path:
        return self.directory / "postgres"

    @property
    def warehouse(self) -> Path:
        return self.directory / "warehouse"

    @property
    def gateway(self) -> Path:
        return self.directory / "gateway"

    @property
    def jwks_file(self) -> Path:
        return self.keys / "issuer.jwks.json"

    @property
    def service_jwks_file(self) -> Path:
        return self.keys / "service.jwks.json"

    @property
    def service_key_file(self) -> Path:
        return self.keys / "service.pem"

    @property
    def run_file(self) -> Path:
        """What `status` and `down` read about the suite that runs."""
        return self.directory / "run.json"

    @property
    def lock_file(self) -> Path:
        return self.directory / "lock"

    def issuer_key(self) -> SigningKey:
        """The key that signs users' tokens."""
        from chalkandduster.local.keys import SigningKey  # cryptography takes a while, and `status` needs none

        secret_files.directory(self.keys)
        return SigningKey.load_or_create(self.keys / "issuer.pem", self.jwks_file)

    def service_key(self) -> SigningKey:
        """The key that signs the services' own tokens."""
        from chalkandduster.local.keys import SigningKey  # cryptography takes a while, and `status` needs none

        secret_files.directory(self.keys)
        return SigningKey.load_or_create(self.service_key_file, self.service_jwks_file)

    def kek_file(self) -> Path:
        """The key that wraps the keys of tenants' sealed credentials. Losing it loses them."""
        path = self.keys / "kek.json"
        if not path.exists():
            key = base64.b64encode(secrets.token_bytes(32)).decode()
            secret_files.write(path, json.dumps({"active": "local-1", "keys": {"local-1": key}}))
        return path

    def passwords(self) -> dict[str, str]:
        """Postgres passwords by role."""
        return roles.passwords(self.keys / "postgres.json")

    def warehouse_password(self) -> str:
        """The password of the one emulator user that has one."""
        return self._secret("warehouse-password")

    def warehouse_admin_token(self) -> str:
        """Opens the emulator's admin routes, also to a later process (`up --load` into a suite that runs)."""
        return self._secret("warehouse-admin-token")

    def _secret(self, name: str) -> str:
        path = self.keys / name
        if not path.exists():
            secret_files.write(path, secrets.token_urlsafe(24))
        return path.read_text(encoding="ascii")

    def ports(self) -> dict[str, int]:
        """The ports of the last start: connections registered then still point to the warehouse's."""
        with contextlib.suppress(OSError, ValueError):
            content: dict[str, int] = json.loads((self.directory / "ports.json").read_text(encoding="utf-8"))
            return content
        return {}

    def keep_ports(self, ports: dict[str, int]) -> None:
        secret_files.write(self.directory / "ports.json", json.dumps(ports))

    def read_run(self) -> dict[str, Any] | None:
        """What the last supervisor wrote, whether or not it still lives; None if there was none."""
        with contextlib.suppress(OSError, ValueError):
            content: dict[str, Any] = json.loads(self.run_file.read_text(encoding="utf-8"))
            return content
        return None

    def write_run(self, content: dict[str, Any]) -> None:
        secret_files.write(self.run_file, json.dumps(content, indent=1))
