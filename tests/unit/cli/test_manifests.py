"""Reading manifests: what is taken, and what is told with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from chalkandduster.cli.apply import files, manifest
from chalkandduster.cli.apply.manifest import Manifest
from chalkandduster.cli.apply.problem import Problem
from chalkandduster.cli.errors import CliError
from chalkandduster.quality.v1.run_pb2 import Run
from chalkandduster.quality.v1.schedule_pb2 import Schedule
from chalkandduster.registry.v1.connection_pb2 import Connection
from chalkandduster.registry.v1.dataset_pb2 import Dataset

HEAD = "apiVersion: chalkandduster/v1\n"


def read(tmp_path: Path, text: str) -> tuple[list[Manifest], list[str]]:
    """The manifests of a text, and what is wrong with it as `line:column: message`."""
    file = tmp_path / "m.yaml"
    file.write_text(text, encoding="utf-8")
    problems: list[Problem] = []
    manifests = manifest.read(files.load([file], problems), problems)
    return manifests, [str(problem).removeprefix(f"{file}:") for problem in problems]


def dataset(tmp_path: Path, spec: str) -> Manifest:
    """The one dataset with this spec, indented by two."""
    [found], problems = read(tmp_path, f"{HEAD}kind: Dataset\nmetadata: {{name: d}}\nspec:\n  connection: c\n  table: T\n{spec}")
    assert problems == []
    return found


def problems_of(tmp_path: Path, kind: str, spec: str) -> list[str]:
    _, problems = read(tmp_path, f"{HEAD}kind: {kind}\nmetadata: {{name: x}}\nspec:\n{spec}")
    return problems


def test_fields_become_the_message_of_the_api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PW", "pass word")
    spec = "spec:\n  postgres: {host: db, port: 5433, user: u, password: '${PW}', database: 0123, granted_schemas: [a, b]}\n"
    [found], problems = read(tmp_path, f"{HEAD}kind: Connection\nmetadata: {{name: c}}\n{spec}")
    assert problems == []
    assert isinstance(found.message, Connection)
    postgres = found.message.postgres
    assert (postgres.host, postgres.port, postgres.password, postgres.database) == ("db", 5433, "pass word", "0123")
    assert list(postgres.granted_schemas) == ["a", "b"]


def test_a_schedule_belongs_to_the_dataset_of_its_name_or_to_the_one_it_names(tmp_path: Path) -> None:
    text = f"{HEAD}kind: Schedule\nmetadata: {{name: s}}\nspec: {{cron: '* * * * *', paused: true, kinds: [quality]}}\n"
    [found], _ = read(tmp_path, text)
    assert found.refers_to == "s"
    assert isinstance(found.message, Schedule)
    assert found.message.paused
    assert list(found.message.kinds) == [Run.QUALITY]
    [named], _ = read(tmp_path, text.replace("cron:", "dataset: orders, cron:"))
    assert named.refers_to == "orders"


def test_texts_may_be_written_as_numbers_and_dates(tmp_path: Path) -> None:
    message = dataset(tmp_path, "  variables: {day: 2024-01-01, limit: 010, flag: yes}\n  owner: 42\n").message
    assert isinstance(message, Dataset)
    assert dict(message.variables) == {"day": "2024-01-01", "limit": "010", "flag": "yes"}
    assert message.owner == "42"


def test_references_outside_of_connections_stay_as_they_are(tmp_path: Path) -> None:
    message = dataset(tmp_path, "  variables: {day: '${DAY}'}\n").message
    assert isinstance(message, Dataset)
    assert dict(message.variables) == {"day": "${DAY}"}


def test_an_empty_value_is_no_value(tmp_path: Path) -> None:
    message = dataset(tmp_path, "  owner:\n  tags:\n").message
    assert isinstance(message, Dataset)
    assert (message.owner, list(message.tags)) == ("", [])


@pytest.mark.parametrize(
    ("kind", "spec", "problem"),
    [
        ("Dataset", "  connection: c\n  tabel: T\n", "6:3: unknown field 'tabel'; did you mean 'table'?"),
        ("Dataset", "  connection: c\n  id: 5\n", "6:3: unknown field 'id'; expected one of: checks, checks_file,"),
        ("Dataset", "  connection: c\n  table: [a]\n", "6:10: table: expected a text"),
        ("Dataset", "  connection: c\n  tags: a\n", "6:9: tags: expected a list"),
        ("Dataset", "  connection: c\n  tags: [a, [b]]\n", "6:13: tags[1]: expected a text"),
        ("Dataset", "  connection: c\n  samples: 5\n", "6:12: samples: expected a mapping of names to values"),
        ("Dataset", "  connection: c\n  samples: {limit: many}\n", "6:20: samples.limit: expected a whole number"),
        ("Dataset", "  connection: c\n  samples: {limit: 99999999999}\n", "6:20: samples.limit: the number is out of range"),
        ("Dataset", "  connection: c\n  connection: d\n", "6:3: 'connection' is given twice"),
        ("Dataset", "  table: T\n", "1:1: spec.connection is missing: expected the name of a connection"),
        ("Dataset", "  connection: c\n  checks: a\n  checks_file: b\n", "6:3: give checks or checks_file, not both"),
        ("Schedule", "  cron: '* * * * *'\n  paused: maybe\n", "6:11: paused: expected true or false"),
        ("Schedule", "  cron: '* * * * *'\n  kinds: [fast]\n", "6:11: kinds[0]: expected one of QUALITY, DRIFT"),
        ("Connection", "  snowflake: {}\n  postgres: {}\n", "6:13: postgres: give snowflake or postgres, not both"),
        (
            "Connection",
            "  snowflake:\n    port: ${NO_SUCH_VARIABLE}\n",
            "6:11: snowflake.port: the environment variable NO_SUCH_VARIABLE is not set",
        ),
        ("Tenant", "  state: gone\n", "5:10: state: expected one of ACTIVE, SUSPENDED"),
    ],
)
def test_what_does_not_fit_is_told_with_its_line_and_what_was_expected(tmp_path: Path, kind: str, spec: str, problem: str) -> None:
    [found] = problems_of(tmp_path, kind, spec)
    assert found.startswith(problem)


def test_a_secret_in_the_file_is_refused_and_not_shown(tmp_path: Path) -> None:
    problems = problems_of(tmp_path, "Connection", "  snowflake:\n    password: hunter2\n    private_key_pem: ${A}${B}\n")
    assert [problem.partition(": ")[0] for problem in problems] == ["6:15", "7:22"]
    assert "a secret does not belong in a file" in problems[0]
    assert "hunter2" not in "".join(problems)


def test_a_secret_that_is_not_set_is_told_with_its_line(tmp_path: Path) -> None:
    problems = problems_of(tmp_path, "Connection", "  snowflake:\n    password: ${NO_SUCH_VARIABLE}\n")
    assert problems == ["6:15: snowflake.password: the environment variable NO_SUCH_VARIABLE is not set"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("apiVersion: v2\nkind: Tenant\nmetadata: {name: a}\n", "1:13: apiVersion: expected chalkandduster/v1"),
        (HEAD + "kind: Pod\nmetadata: {name: a}\n", "2:7: kind: expected Tenant or Connection or Dataset or Schedule"),
        (HEAD + "kind: Tenant\n", "1:1: metadata.name is missing"),
        (HEAD + "kind: Tenant\nmetadata: {name: ''}\n", "3:18: metadata.name: expected the name of the resource"),
        (HEAD + "kind: Tenant\nmetadata: {name: a, labels: {}}\n", "3:21: unknown field 'labels'"),
        (HEAD + "kind: Tenant\nmetadata: {name: a}\nstatus: {}\n", "4:1: unknown field 'status'"),
        (HEAD + "kind: [\n", "3:1: this is not YAML: "),
        (HEAD + "kind: Tenant\nmetadata: *nothing\n", "3:11: this is not YAML: found undefined alias"),
        ("- apiVersion: chalkandduster/v1\n", "1:1: manifest: expected a mapping of names to values"),
    ],
)
def test_what_is_no_manifest_is_told_with_its_line(tmp_path: Path, text: str, problem: str) -> None:
    _, problems = read(tmp_path, text)
    assert problems[0].startswith(problem)


def test_a_resource_declared_twice_is_told(tmp_path: Path) -> None:
    document = f"{HEAD}kind: Tenant\nmetadata: {{name: a}}\n"
    _, problems = read(tmp_path, f"{document}---\n{document}")
    assert problems == [f"5:1: tenant/a is declared twice; the first is at {tmp_path}/m.yaml:1:1"]


def test_deep_nesting_is_a_problem_not_a_crash(tmp_path: Path) -> None:
    _, problems = read(tmp_path, f"{HEAD}kind: {'[' * 5000}")
    assert problems == ["1: this is not YAML: it is nested too deeply"]


def test_an_alias_bomb_is_read_in_no_time(tmp_path: Path) -> None:
    lines = ["  a0: &a0 [x]", *(f"  a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12))]
    problems = problems_of(tmp_path, "Tenant", "\n".join(lines) + "\n")
    assert len(problems) == 12
    assert problems[0].startswith("5:3: unknown field 'a0'")


@pytest.mark.parametrize("path", ["/etc/passwd", "../../../../../../etc/passwd", "", "missing.yml", "."])
def test_files_outside_of_the_folder_and_missing_ones_are_refused(tmp_path: Path, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    [problem] = problems_of(tmp_path, "Dataset", f"  connection: c\n  checks_file: '{path}'\n")
    assert problem.startswith("6:16: checks_file: ")
    assert "root:" not in problem


def test_a_link_to_a_file_outside_of_the_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path / "in")
    (tmp_path / "secret.yml").write_text("secret", encoding="utf-8")
    (tmp_path / "in" / "checks.yml").symlink_to(tmp_path / "secret.yml")
    [problem] = problems_of(tmp_path / "in", "Dataset", "  connection: c\n  checks_file: checks.yml\n")
    assert "expected a path relative to this file" in problem


def test_a_folder_is_searched_for_manifests_and_other_yaml_is_left_alone(tmp_path: Path) -> None:
    document = f"{HEAD}kind: Tenant\nmetadata: {{name: a}}\n"
    for name, text in {"b/t.yml": document, "checks.yml": "checks for x:\n", ".hidden/t.yaml": "apiVersion: no", "x.txt": document}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    problems: list[Problem] = []
    documents = files.load([tmp_path], problems)
    assert [document.file.name for document in documents] == ["t.yml"]
    assert problems == []


def test_a_path_without_a_manifest_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("# nothing\n---\n", encoding="utf-8")
    for path in (tmp_path, tmp_path / "empty.yaml"):
        with pytest.raises(CliError, match="holds no manifest"):
            files.load([path], [])


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CliError, match="not a text in UTF-8"):
        files.load([tmp_path / "m.yaml"], [])
