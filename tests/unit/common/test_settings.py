from __future__ import annotations

from collections.abc import Mapping

import pytest
from pydantic import Field

from services.common.settings import ServiceSettings, load_settings

GOOD = {
    "DATABASE_URL": "postgresql://registry_app:hunter2@127.0.0.1/x",
    "JWT_ISSUER": "https://login.example.org",
    "JWT_AUDIENCE": "chalkandduster",
    "JWT_JWKS_FILE": "/keys/users.json",
    "SERVICE_JWKS_FILE": "/keys/services.json",
    "SERVICE_KEY_FILE": "/keys/registry.pem",
}


class QuotaSettings(ServiceSettings):
    """A service's own settings."""

    registry_address: str = "127.0.0.1:5000"
    lease_seconds: float = Field(default=30, gt=0)


def load(monkeypatch: pytest.MonkeyPatch, changes: Mapping[str, str | None]) -> QuotaSettings:
    for name, value in {**GOOD, **changes}.items():
        if value is None:
            monkeypatch.delenv(f"CHALKANDDUSTER_{name}", raising=False)
        else:
            monkeypatch.setenv(f"CHALKANDDUSTER_{name}", value)
    return load_settings(QuotaSettings)


def test_settings_come_from_the_environment_with_defaults_for_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, {"METRICS_PORT": "9100", "EGRESS_ALLOW_LOOPBACK": "true", "LEASE_SECONDS": "12.5"})
    assert (settings.metrics_port, settings.egress_allow_loopback, settings.egress_allow_private) == (9100, True, False)
    assert (settings.lease_seconds, settings.registry_address, settings.log_level) == (12.5, "127.0.0.1:5000", "INFO")
    assert settings.database_url.get_secret_value() == GOOD["DATABASE_URL"]


def test_settings_do_not_change_and_do_not_show_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, {})
    with pytest.raises(ValueError, match="frozen"):
        settings.listen = "0.0.0.0:1"
    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"DATABASE_URL": None}, "CHALKANDDUSTER_DATABASE_URL is missing"),
        ({"JWT_ISSUER": ""}, "CHALKANDDUSTER_JWT_ISSUER"),
        ({"LISTEN": "5000"}, "CHALKANDDUSTER_LISTEN"),
        ({"METRICS_PORT": "hunter2"}, "CHALKANDDUSTER_METRICS_PORT"),
        ({"METRICS_PORT": "70000"}, "CHALKANDDUSTER_METRICS_PORT"),
        ({"DRAIN_WAIT_SECONDS": "-1"}, "CHALKANDDUSTER_DRAIN_WAIT_SECONDS"),
        ({"LOG_LEVEL": "LOUD"}, "CHALKANDDUSTER_LOG_LEVEL"),
        ({"LEASE_SECONDS": "0"}, "CHALKANDDUSTER_LEASE_SECONDS"),
    ],
)
def test_a_wrong_setting_ends_the_start_with_its_name_and_without_its_value(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], changes: dict[str, str | None], said: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        load(monkeypatch, changes)
    text = capsys.readouterr().err
    assert caught.value.code == 2
    assert said in text
    assert text.count("\n") == 1
    assert "hunter2" not in text


def test_all_wrong_settings_are_named_at_once(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        load(monkeypatch, {"DATABASE_URL": None, "JWT_AUDIENCE": None, "LEASE_SECONDS": "x"})
    text = capsys.readouterr().err
    assert all(f"CHALKANDDUSTER_{name}" in text for name in ("DATABASE_URL", "JWT_AUDIENCE", "LEASE_SECONDS"))
