"""The commands that keep generated files and the contract in order, in a copy of the repository."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
COPIED = ("proto", "third_party", "tools", "gateway", "buf", "buf.yaml", "buf.gen.yaml")
STUB = "chalkandduster/common/v1/access_pb2.py"
TENANT_PROTO = "proto/chalkandduster/registry/v1/tenant.proto"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository without a commit, as a fresh clone holds it."""
    for name in COPIED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "chalkandduster", tmp_path / "chalkandduster", ignore=shutil.ignore_patterns("local", "cli", "__pycache__"))
    # Only services with an entry point are described.
    for entry_point in (ROOT / "services").glob("*/main.py"):
        (tmp_path / "services" / entry_point.parent.name).mkdir(parents=True)
        shutil.copy(entry_point, tmp_path / "services" / entry_point.parent.name)
    git(tmp_path, "init", "--quiet", "--initial-branch", "main")
    return tmp_path


def git(repository: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
    subprocess.run(["git", *identity, *arguments], cwd=repository, check=True, capture_output=True)


def commit(repository: Path) -> None:
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message", "x")


def run(repository: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True, timeout=50, check=False)


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new), "utf-8")


def test_committed_files_are_what_the_protos_give(repository: Path) -> None:
    checked = run(repository, "tools/check_gen.sh")
    assert checked.returncode == 0, checked.stderr


def test_changed_missing_and_leftover_files_are_named(repository: Path) -> None:
    (repository / STUB).unlink()
    (repository / "chalkandduster/registry/v1/gone_pb2.py").write_text("# its proto is gone\n", "utf-8")
    edit(repository / TENANT_PROTO, "// Name for people", "// The name for people")
    checked = run(repository, "tools/check_gen.sh")
    assert checked.returncode == 1
    for name in (STUB, "chalkandduster/registry/v1/gone_pb2.py", "gateway/docs/openapi.json", "tools/gen.sh"):
        assert name in checked.stderr
    assert "registry/v1/tenant_pb2.py\n" not in checked.stderr


def test_generating_mends_them_and_leaves_hand_written_modules(repository: Path) -> None:
    by_hand = repository / "chalkandduster/registry/helper.py"
    by_hand.write_text("HAND_WRITTEN = True\n", "utf-8")
    leftover = repository / "chalkandduster/registry/v1/gone_pb2.pyi"
    leftover.write_text("", "utf-8")
    (repository / STUB).unlink()
    generated = run(repository, "tools/gen.sh")
    assert generated.returncode == 0, generated.stderr
    assert by_hand.exists()
    assert not leftover.exists()
    assert (repository / STUB).read_text("utf-8") == (ROOT / STUB).read_text("utf-8")
    assert run(repository, "tools/check_gen.sh").returncode == 0


def test_contract_is_not_checked_before_the_first_commit(repository: Path) -> None:
    assert run(repository, "tools/check_breaking.sh").returncode == 0


def test_addition_keeps_the_contract_in_a_clone_of_depth_one(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    commit(repository)
    commit_again = repository / "second.txt"
    commit_again.write_text("", "utf-8")
    commit(repository)
    clone = tmp_path_factory.mktemp("clone") / "shallow"
    git(repository, "clone", "--quiet", "--depth", "1", f"file://{repository}", str(clone))
    edit(clone / TENANT_PROTO, "  string display_name = 3", "  // More.\n  string nickname = 90;\n\n  string display_name = 3")
    kept = run(clone, "tools/check_breaking.sh")
    assert kept.returncode == 0, kept.stdout + kept.stderr


def test_break_is_refused_until_it_is_meant(repository: Path) -> None:
    commit(repository)
    edit(repository / TENANT_PROTO, "string display_name = 3", "string label = 3")
    before = (repository / "gateway/api.pb").read_bytes()
    refused = run(repository, "tools/gen.sh")
    assert refused.returncode != 0
    assert "display_name" in refused.stdout + refused.stderr
    assert (repository / "gateway/api.pb").read_bytes() == before
    meant = run(repository, "tools/gen.sh", "--accept-breaking")
    assert meant.returncode == 0, meant.stderr
    assert (repository / "gateway/api.pb").read_bytes() != before


def test_protos_follow_the_house_rules(repository: Path) -> None:
    assert run(repository, "buf", "lint").returncode == 0
    edit(repository / TENANT_PROTO, "  // Name for people, 0 to 200 characters. `name` when absent.\n", "")
    uncommented = run(repository, "buf", "lint")
    assert uncommented.returncode != 0
    assert "display_name" in uncommented.stdout + uncommented.stderr
