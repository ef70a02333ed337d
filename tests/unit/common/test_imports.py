from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
# What a use case or a domain module may import of the kit.
PURE = (
    "errors",
    "context",
    "ids",
    "clock",
    "paging",
    "sealing",
    "egress",
    "audit",
    "logging",
    "startup",
    "auth.principal",
    "auth.roles",
    "auth.api_keys",
)
PROGRAM = "import importlib, sys; [importlib.import_module('services.common.' + name) for name in sys.argv[1:]]; print(sorted(sys.modules))"


def test_what_use_cases_need_of_the_kit_brings_no_transport_and_no_driver() -> None:
    result = subprocess.run([sys.executable, "-c", PROGRAM, *PURE], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = {name.partition(".")[0] for name in result.stdout.strip("[]\n").replace("'", "").split(", ")}
    assert loaded & {"grpc", "google", "asyncpg", "opentelemetry", "protovalidate", "soda"} == set()


def test_services_start_and_migrate_without_the_snowflake_connector() -> None:
    program = "import services.registry.main, services.quality.main, sys; print('snowflake.connector' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert result.stdout.strip() == "False", "it takes longer to import than all the rest of the registry"
