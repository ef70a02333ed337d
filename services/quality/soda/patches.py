"""Every change made to Soda Core 3.5.6 from outside, in one place. Import this module before anything else of soda.

Each function is one patch with its reason; tests/unit/quality/soda/test_patches.py has a test for each. What can be
done by subclassing is done in subclasses (datasource.py, parse.py), not here.
"""

from __future__ import annotations

import functools
import inspect
import logging
import sys
from decimal import Decimal
from types import ModuleType, SimpleNamespace
from typing import Any

VERSION = "3.5.6"
"""The release these patches were written against; another one needs each of them looked at again."""


class ForbiddenAccess(Exception):
    """Soda tried to reach a file, a template engine or a connection that scans here never use."""


def apply() -> None:
    """Apply all patches; a second call changes nothing."""
    if getattr(sys, "_chalkandduster_soda_patched", False):
        return
    silence_telemetry()
    ignore_dotenv()
    refuse_templates()
    refuse_files()
    remember_signatures()
    quiet_logs()
    stub_inflect()
    keep_values_plain()
    sys._chalkandduster_soda_patched = True  # type: ignore[attr-defined]


def silence_telemetry() -> None:
    """Usage statistics are off: importing soda.scan neither writes ~/.soda nor takes the global tracer provider."""
    from soda.common import config_helper

    def load_config(self: object) -> dict[str, object]:
        return {"send_anonymous_usage_stats": False, "user_cookie_id": "none"}

    config_helper.ConfigHelper.load_config = load_config


def ignore_dotenv() -> None:
    """A `.env` file never overrides the process environment; Soda loads one with override at its first Scan."""
    from soda.common import env_helper

    env_helper.load_dotenv = lambda *_args, **_kwargs: False


def refuse_templates() -> None:
    """No Jinja: texts are resolved once, before Soda sees them; its templates read the environment and run code."""
    from soda.common import jinja

    def resolve(template: str, variables: object = None, environment: object = None) -> str:
        return template

    jinja.Jinja.resolve = staticmethod(resolve)
    jinja.Jinja.env_var = staticmethod(lambda *_args, **_kwargs: "")


def refuse_files() -> None:
    """No file is opened for a check: `sql_file` and reference files would read any path of the host."""
    from soda.configuration import configuration
    from soda.sodacl import sodacl_parser

    configuration.file_system = _NoFiles
    sodacl_parser.file_system = _NoFiles


def remember_signatures() -> None:
    """Soda inspects one constructor 17 times per check, over a quarter of its parse time; the answer never changes."""
    from soda.sodacl import sodacl_parser

    sodacl_parser.inspect = SimpleNamespace(signature=functools.lru_cache(maxsize=256)(inspect.signature))


def quiet_logs() -> None:
    """Soda's log lines hold SQL and data: they stay in the scan's own list and reach no handler."""
    from soda.common import log

    log.Log.log_to_python_logging = lambda self: None
    log.Log.log_errors = staticmethod(lambda error_logs: None)
    logging.getLogger("soda").propagate = False


def stub_inflect() -> None:
    """`inflect` costs 3.5 s at the first group evolution check, to write "2 failures" in a report that is not used here."""
    if "inflect" not in sys.modules:
        stub = ModuleType("inflect")
        stub.engine = lambda: SimpleNamespace(plural=lambda word, _count: word)  # type: ignore[attr-defined]
        sys.modules["inflect"] = stub


def keep_values_plain() -> None:
    """Metric values need no pandas: Soda imports it, where it is installed, to look at each fractional number."""
    from soda.execution.metric.numeric_query_metric import NumericQueryMetric

    counts = frozenset({"row_count", "missing_count", "invalid_count", "valid_count", "duplicate_count"})

    def set_value(self: Any, value: Any) -> None:
        if value is not None and self.name in counts:
            value = int(value)
        self.value = float(value) if isinstance(value, Decimal) else value

    NumericQueryMetric.set_value = set_value


class _NoFiles:
    """A file system with nothing in it."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)

        def refuse(*_args: object, **_kwargs: object) -> object:
            raise ForbiddenAccess("Checks cannot read files.")

        return refuse
