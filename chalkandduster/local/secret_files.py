"""Files that only their owner reads."""

from __future__ import annotations

import os
from pathlib import Path


def directory(path: Path) -> Path:
    """`path`, created with mode 0700 if missing."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def write(path: Path, content: str | bytes) -> None:
    """Replace `path` in one step; it has mode 0600 from its first byte."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    data = content.encode() if isinstance(content, str) else content
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
    partial.replace(path)
