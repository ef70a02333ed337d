"""Checks inside a manifest keep their text and their lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from chalkandduster.cli.apply import files, manifest
from chalkandduster.cli.apply.problem import Problem
from chalkandduster.cli.apply.source import Source

HEAD = "apiVersion: chalkandduster/v1\nkind: Dataset\nmetadata: {name: d}\nspec:\n  connection: c\n"


def checks(tmp_path: Path, spec: str, table: str = "T") -> tuple[Source, list[str]]:
    """The checks of a dataset, and the lines of its file."""
    text = f"{HEAD}  table: '{table}'\n{spec}"
    (tmp_path / "m.yaml").write_text(text, encoding="utf-8")
    problems: list[Problem] = []
    [found] = manifest.read(files.load([tmp_path / "m.yaml"], problems), problems)
    assert problems == []
    assert found.checks is not None
    return found.checks, text.splitlines()


@pytest.mark.parametrize(
    "spec",
    [
        "  checks: |\n    # why\n    checks for T:\n      - row_count > 0\n      - NEEDLE\n",
        "  checks: |2\n    checks for T:\n      - NEEDLE\n",
        "  checks: |-\n\n    checks for T:\n      - NEEDLE",
        "  checks:\n    # why\n    checks for T:\n      - row_count > 0\n      - NEEDLE\n  owner: me\n",
        "  checks:\n    - row_count > 0\n# at the margin\n    - NEEDLE\n  owner: me\n",
        "  checks:\n  - row_count > 0\n\n  - NEEDLE",
        "  checks:  # here\n    - row_count > 0\n    - missing_count(a) = 0:\n        name: x\n    - NEEDLE\n---\n",
    ],
)
def test_a_spot_in_the_checks_is_a_spot_in_the_manifest(tmp_path: Path, spec: str) -> None:
    source, lines = checks(tmp_path, spec)
    line, text = next((number, text) for number, text in enumerate(source.text.splitlines(), 1) if "NEEDLE" in text)
    place = source.place_of(line, text.index("NEEDLE") + 1)
    assert lines[place.line - 1][place.column - 1 :] == "NEEDLE"


def test_comments_are_kept(tmp_path: Path) -> None:
    source, _ = checks(tmp_path, "  checks:\n    # first\n    - row_count > 0  # second\n    # third\n")
    assert source.text == "checks for T:\n  # first\n  - row_count > 0  # second\n  # third\n"


def test_a_list_on_one_line_is_taken_without_lines(tmp_path: Path) -> None:
    source, _ = checks(tmp_path, "  checks: [row_count > 0, missing_count(a) = 0]\n")
    assert source.text == "checks for T:\n- row_count > 0\n- missing_count(a) = 0\n"
    assert (source.place_of(3, 1).line, source.place_of(3, 1).column) == (7, 11)


def test_an_error_about_the_whole_text_is_told_where_it_starts(tmp_path: Path) -> None:
    source, _ = checks(tmp_path, "  checks: |\n    nothing\n")
    assert (source.place_of(0, 0).line, source.place_of(0, 0).column) == (7, 11)


def test_a_table_with_an_odd_name_is_quoted(tmp_path: Path) -> None:
    source, _ = checks(tmp_path, "  checks:\n    - row_count > 0\n", table='my "table": x')
    assert source.text.splitlines()[0] == '"checks for my \\"table\\": x":'


def test_variables_of_the_checks_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/root")
    source, _ = checks(tmp_path, "  checks:\n    - row_count > ${HOME}\n")
    assert "${HOME}" in source.text
