"""One test for each change made to Soda, so that a new release that needs another change is noticed."""

from __future__ import annotations

import logging
import sys
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import pytest
from opentelemetry import trace

from services.quality.soda import patches

patches.apply()

from soda.common.config_helper import ConfigHelper  # noqa: E402
from soda.common.jinja import Jinja  # noqa: E402
from soda.common.logs import Logs  # noqa: E402
from soda.configuration.configuration import Configuration  # noqa: E402
from soda.execution.metric.numeric_query_metric import NumericQueryMetric  # noqa: E402
from soda.scan import Scan  # noqa: E402
from soda.sodacl import sodacl_parser  # noqa: E402
from soda.telemetry.soda_telemetry import SodaTelemetry  # noqa: E402


def test_the_patches_fit_the_installed_release() -> None:
    assert version("soda-core") == patches.VERSION


def test_telemetry_is_off_and_the_tracer_provider_is_not_taken() -> None:
    assert ConfigHelper.get_instance().load_config() == {"send_anonymous_usage_stats": False, "user_cookie_id": "none"}
    assert SodaTelemetry.get_instance() is not None
    assert "soda" not in type(trace.get_tracer_provider()).__module__


def test_a_dotenv_file_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HTTPS_PROXY", "kept")
    (tmp_path / ".env").write_text("HTTPS_PROXY=http://attacker.example\n", encoding="utf-8")
    from soda.common.env_helper import EnvHelper

    EnvHelper.reset()
    Scan()
    assert __import__("os").environ["HTTPS_PROXY"] == "kept"


def test_templates_are_not_rendered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "value")
    for template in ("${SECRET}", "${env_var('SECRET')}", "${1 + 1}", "{% for x in y %}a{% endfor %}"):
        assert Jinja.resolve(template, {"SECRET": "value"}) == template
    assert Jinja.env_var("SECRET") == ""


def test_no_file_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "x.sql"
    path.write_text("SELECT 1", encoding="utf-8")
    for files in (Configuration(scan=SimpleNamespace()).file_system, sodacl_parser.file_system()):
        with pytest.raises(patches.ForbiddenAccess):
            files.file_read_as_str(str(path))


def test_signatures_are_looked_up_once() -> None:
    class Example:
        def __init__(self, keyword: int) -> None:
            self.keyword = keyword

    assert sodacl_parser.inspect.signature(Example.__init__) is sodacl_parser.inspect.signature(Example.__init__)


def test_logs_reach_no_handler(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    Logs().reset().error("SELECT secret FROM t")
    assert caplog.records == []
    assert logging.getLogger("soda").propagate is False


def test_inflect_is_not_loaded() -> None:
    assert sys.modules["inflect"].engine().plural("Failure", 2) == "Failure"


@pytest.mark.parametrize(
    ("name", "value", "kept"), [("row_count", Decimal(5), 5), ("avg", Decimal("1.5"), 1.5), ("max", "x", "x"), ("avg", None, None)]
)
def test_values_are_plain_numbers(name: str, value: object, kept: object) -> None:
    metric = SimpleNamespace(name=name, value=None)
    NumericQueryMetric.set_value(metric, value)
    assert metric.value == kept
    assert type(metric.value) is type(kept)
