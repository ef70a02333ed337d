from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from services.common.context import CallContext, call_or_none, current_call, enter_call, refine_call, serving
from services.common.logging import JsonFormatter, log_context, setup_logging


class Captured:
    """A logger whose lines are parsed."""

    def __init__(self) -> None:
        self.stream = io.StringIO()
        self.logger = logging.Logger("test.logger")
        handler = logging.StreamHandler(self.stream)
        handler.setFormatter(JsonFormatter("registry"))
        self.logger.addHandler(handler)

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(text) for text in self.stream.getvalue().splitlines()]


@pytest.fixture
def log() -> Captured:
    return Captured()


@pytest.fixture
def root_logging() -> Iterator[None]:
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    yield
    root.handlers[:], level = before
    root.setLevel(level)
    logging.captureWarnings(False)


def test_a_line_has_time_level_service_logger_message_and_facts(log: Captured) -> None:
    log.logger.warning("Run claimed.", extra={"run": "r-1", "duration_ms": 1.5})
    [line] = log.lines()
    assert line.pop("ts").endswith("Z")
    assert line == {
        "level": "WARNING",
        "service": "registry",
        "logger": "test.logger",
        "message": "Run claimed.",
        "run": "r-1",
        "duration_ms": 1.5,
    }


def test_a_line_carries_the_ids_of_its_call(log: Captured) -> None:
    with serving(CallContext(method="/a.B/C", request_id="r-1", trace_id="t-1", tenant_id="x")):
        log.logger.info("One.")
    log.logger.info("Two.")
    one, two = log.lines()
    assert (one["request_id"], one["trace_id"], one["tenant_id"]) == ("r-1", "t-1", "x")
    assert "request_id" not in two


def test_work_in_the_background_brings_its_own_ids(log: Captured) -> None:
    with log_context(run_id="run-1", tenant_id="x"), log_context(request_id="r", trace_id=None):
        log.logger.info("One.")
    log.logger.info("Two.")
    one, two = log.lines()
    assert (one["run_id"], one["tenant_id"], one["request_id"]) == ("run-1", "x", "r")
    assert "trace_id" not in one
    assert "run_id" not in two


def test_hostile_text_stays_inside_its_line(log: Captured) -> None:
    log.logger.info("a\nb %s", '"}\n{"level":"ERROR"', extra={"name_given": "\u2028\x1b[31m\ud800"})
    assert len(log.stream.getvalue().splitlines()) == 1
    assert log.stream.getvalue().isascii()
    assert log.lines()[0]["level"] == "INFO"


def test_facts_cannot_take_the_place_of_what_the_line_is(log: Captured) -> None:
    log.logger.info("One.", extra={"level": "ERROR", "service": "other", "ts": "never"})
    assert (log.lines()[0]["level"], log.lines()[0]["service"]) == ("INFO", "registry")


def test_a_long_text_is_cut(log: Captured) -> None:
    log.logger.info("x" * 100_000, extra={"detail": "y" * 100_000})
    assert len(log.stream.getvalue()) < 20_000


def test_an_exception_is_part_of_the_line(log: Captured) -> None:
    try:
        raise LookupError("gone")
    except LookupError:
        log.logger.exception("Failed.")
    assert log.lines()[0]["exception"].endswith("LookupError: gone")


def test_what_json_does_not_know_is_shown_as_text(log: Captured) -> None:
    log.logger.info("One.", extra={"found": {1, 2} - {2}})
    assert log.lines()[0]["found"] == "{1}"


@pytest.mark.usefixtures("root_logging")
def test_all_loggers_of_the_process_write_json_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    setup_logging("quality", "WARNING")
    logging.getLogger("a.library").info("Hidden.")
    logging.getLogger("a.library").error("Shown.")
    [line] = capsys.readouterr().err.splitlines()
    assert (json.loads(line)["service"], json.loads(line)["message"]) == ("quality", "Shown.")


def test_outside_of_a_call_there_is_none() -> None:
    assert call_or_none() is None
    with pytest.raises(LookupError):
        current_call()


def test_a_call_is_named_by_service_and_method() -> None:
    assert CallContext(method="/chalkandduster.registry.v1.RegistryService/GetDataset", request_id="r").action == "registry.GetDataset"
    assert CallContext(method="/grpc.health.v1.Health/Check", request_id="r").action == "health.Check"
    assert CallContext(method="/Odd/Check", request_id="r").action == "Odd.Check"


def test_what_interceptors_find_out_is_added_to_the_call() -> None:
    with serving(CallContext(method="/a.B/C", request_id="r")):
        refine_call(tenant_id="x")
        assert current_call().tenant_id == "x"
        enter_call(CallContext(method="/a.B/D", request_id="r2"))
        assert (current_call().request_id, current_call().tenant_id) == ("r2", None)


def test_a_call_without_deadline_has_no_end_and_a_late_one_has_nothing_left() -> None:
    assert CallContext(method="/a.B/C", request_id="r").remaining_seconds() is None
    assert CallContext(method="/a.B/C", request_id="r", deadline=0.0).remaining_seconds() == 0.0
