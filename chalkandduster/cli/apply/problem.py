"""What is wrong in a file, and where."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from chalkandduster.cli.errors import CliError


@dataclass(frozen=True, slots=True)
class Place:
    """A spot in a file, counted from 1; column 0 when it is not known."""

    file: Path
    line: int
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.column else f"{self.file}:{self.line}"

    @classmethod
    def of(cls, file: Path, mark: yaml.Mark | None) -> Place:
        """The spot that a mark of the YAML parser names."""
        return cls(file, 1) if mark is None else cls(file, mark.line + 1, mark.column + 1)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that has to be put right."""

    place: Place
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


class ProblemsError(CliError):
    """The manifests cannot be applied; every problem has its line."""

    def __init__(self, problems: list[Problem]) -> None:
        count = len(problems)
        listed = sorted(problems, key=lambda problem: (str(problem.place.file), problem.place.line, problem.place.column))
        super().__init__(f"{count} {'problem' if count == 1 else 'problems'} in the manifests; nothing was changed", *map(str, listed))
        self.problems = listed
