"""Finds the manifests in files and folders."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from chalkandduster.cli.apply.problem import Place, Problem
from chalkandduster.cli.errors import CliError
from chalkandduster.cli.validate import read_text

# A YAML file of a folder without this line is something else, for example checks that a manifest refers to.
_IS_MANIFEST = re.compile(r"^apiVersion\s*:", re.MULTILINE)
# The checks of a dataset may have 256 KiB, and a file may hold many datasets.
_LARGEST_FILE_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document of a manifest file."""

    file: Path
    lines: tuple[str, ...]
    """The whole file, without line ends."""
    node: yaml.Node
    root: Path
    """Folder that the files a manifest refers to must be in."""


def load(paths: Sequence[Path], problems: list[Problem]) -> list[Document]:
    """All documents of the files, and of the YAML files in the folders, in the order of their paths.

    Adds what does not parse to `problems`. Raises CliError when a path cannot be read or holds no manifest.
    """
    documents: list[Document] = []
    for path in paths:
        found = [document for file in _files(path) for document in _parse(file, path if path.is_dir() else path.parent, problems)]
        if not found and not problems:
            raise CliError(f"{path} holds no manifest: expected YAML documents with apiVersion: chalkandduster/v1")
        documents += found
    return documents


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    for folder, names, files in os.walk(path):
        names[:] = sorted(name for name in names if not name.startswith("."))
        for name in sorted(files):
            file = Path(folder, name)
            if file.suffix in (".yml", ".yaml") and not name.startswith(".") and _IS_MANIFEST.search(_read(file)):
                yield file


def _parse(file: Path, root: Path, problems: list[Problem]) -> Iterator[Document]:
    # With a line end at its end, the parser's marks tell where the last value ends.
    text = _read(file).rstrip() + "\n"
    try:
        nodes = list(yaml.compose_all(text, Loader=yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        what = " ".join(part for part in (error.context, error.problem) if part)
        problems.append(Problem(Place.of(file, error.problem_mark or error.context_mark), f"this is not YAML: {what}"))
        return
    except (yaml.YAMLError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else getattr(error, "reason", "it cannot be read")
        problems.append(Problem(Place(file, 1), f"this is not YAML: {reason}"))
        return
    lines = tuple(re.split("\r\n|\r|\n", text))
    for node in nodes:
        # A file may end with `---`.
        if node is not None and node.tag != "tag:yaml.org,2002:null":
            yield Document(file, lines, node, root)


def _read(file: Path) -> str:
    try:
        size = file.stat().st_size
    except OSError as error:
        raise CliError(f"{file} cannot be read: {error.strerror}") from error
    if size > _LARGEST_FILE_BYTES:
        raise CliError(f"{file} is too large: {size} bytes, at most {_LARGEST_FILE_BYTES}")
    return read_text(file)
