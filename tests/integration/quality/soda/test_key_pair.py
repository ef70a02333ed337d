"""Logging in to Snowflake with a key pair."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from chalkandduster.local.emulator import EmulatorProcess
from services.quality.domain.connection import SnowflakeConnection
from services.quality.domain.scan import CheckVerdict, ScanFailed, ScanFailure
from services.quality.soda.engine import SodaEngine
from tests.integration.quality.soda.scanning import Scanner

pytestmark = [pytest.mark.asyncio(loop_scope="session")]


def _private_pem(key: rsa.RSAPrivateKey) -> str:
    encryption = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption).decode()


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory, key: rsa.RSAPrivateKey) -> Iterator[EmulatorProcess]:
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
    with EmulatorProcess(tmp_path_factory.mktemp("keys"), users={"KEYED": {"public_key_pem": public}}) as running:
        yield running


def _scanner(engine: SodaEngine, account: EmulatorProcess, pem: str) -> Scanner:
    arguments = account.connect_args
    spec = SnowflakeConnection(
        account="emulator", user="KEYED", warehouse="", database=arguments["database"], schema=arguments["schema"], role="",
        host=account.host, port=account.port, protocol="http", private_key_pem=pem,
    )  # fmt: skip
    return Scanner(engine, spec)


async def test_the_key_of_the_user_logs_in(engine: SodaEngine, account: EmulatorProcess, key: rsa.RSAPrivateKey) -> None:
    scanner = _scanner(engine, account, _private_pem(key))
    result = await scanner.one("one = 1:\n  one query: SELECT 1")
    assert result.verdict is CheckVerdict.PASS, result.message


@pytest.mark.parametrize("kind", ["another", "broken", "encrypted"])
async def test_other_keys_are_refused(engine: SodaEngine, account: EmulatorProcess, key: rsa.RSAPrivateKey, kind: str) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    locked = serialization.BestAvailableEncryption(b"secret")
    pem = {
        "another": _private_pem(other),
        "broken": "-----BEGIN PRIVATE KEY-----\nnot a key\n-----END PRIVATE KEY-----\n",
        "encrypted": key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked).decode(),
    }[kind]
    scanner = replace(_scanner(engine, account, pem), tenant=f"tenant-{kind}")
    with pytest.raises(ScanFailed) as failed:
        await scanner.one("row_count > 0")
    assert failed.value.failure is ScanFailure.WAREHOUSE_REFUSED_LOGIN
    assert "PRIVATE KEY" not in failed.value.message
