"""What a dataset must be like to be saved, apart from its checks, which the quality service parses."""

from __future__ import annotations

from collections.abc import Iterator

from services.common.errors import FieldViolation, InvalidRequest
from services.common.ids import parse_uuid
from services.registry.domain.connection import Settings, SnowflakeSettings
from services.registry.domain.dataset import DatasetDraft
from services.registry.domain.drift_settings import check_drift_yaml
from services.registry.domain.text import check_identifier, check_label, check_size, is_name, name_rule

NAME_MAX_LENGTH = 200
CHECKS_MAX_BYTES = 256 * 1024


def check_draft(draft: DatasetDraft) -> None:
    """Raise InvalidRequest naming every field of `draft` that breaks its rule."""
    violations = list(_violations(draft))
    if violations:
        raise InvalidRequest(violations)


def check_place(draft: DatasetDraft, settings: Settings) -> None:
    """Raise InvalidRequest when the table is in a schema that the connection does not grant."""
    place = _fold(settings, (draft.database or settings.database, draft.schema or settings.schema))
    granted = {_fold(settings, pair) for pair in _granted_places(settings)}
    if place in granted:
        return
    field = "dataset.database" if draft.database and place[0] not in {database for database, _ in granted} else "dataset.schema"
    names = ", ".join(".".join(pair) for pair in list(_granted_places(settings))[:10])
    message = f"must be a schema that the connection grants: {names}; add it to the connection's granted_schemas"
    raise InvalidRequest([FieldViolation(field, message)])


def _granted_places(settings: Settings) -> Iterator[tuple[str, str]]:
    yield (settings.database, settings.schema)
    for granted in settings.granted_schemas:
        database, _, schema = granted.rpartition(".")
        yield (database or settings.database, schema)


def _fold(settings: Settings, place: tuple[str, str]) -> tuple[str, str]:
    # Snowflake reads unquoted names as upper case; in Postgres a name is given here as the catalogue has it.
    return (place[0].upper(), place[1].upper()) if isinstance(settings, SnowflakeSettings) else place


def _violations(draft: DatasetDraft) -> Iterator[FieldViolation]:
    if not is_name(draft.name, NAME_MAX_LENGTH):
        yield FieldViolation("dataset.name", name_rule(NAME_MAX_LENGTH))
    if parse_uuid(draft.connection_id) is None:
        yield FieldViolation("dataset.connection_id", "must be the UUID of a connection")
    if not draft.table:
        yield FieldViolation("dataset.table", "must not be empty")
    for name, value in (("table", draft.table), ("schema", draft.schema), ("database", draft.database)):
        yield from check_identifier(f"dataset.{name}", value)
    yield from check_label("dataset.owner", draft.owner)
    for index, tag in enumerate(draft.tags):
        yield from check_label(f"dataset.tags[{index}]", tag)
    yield from check_size("dataset.checks_yaml", draft.checks_yaml, CHECKS_MAX_BYTES)
    yield from check_drift_yaml("dataset.drift_yaml", draft.drift_yaml)
