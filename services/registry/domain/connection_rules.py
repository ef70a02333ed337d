"""What a connection must be like to be saved."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import replace

from services.common.errors import FieldViolation, InvalidRequest
from services.registry.domain.connection import ConnectionDraft, PostgresSettings, Settings, SnowflakeSettings
from services.registry.domain.secret import KEY_RULE, SecretKind, StoredSecret, is_usable_private_key
from services.registry.domain.text import check_identifier, check_label, has_control_character, is_name, name_rule

NAME_MAX_LENGTH = 100


def normalised(draft: ConnectionDraft) -> ConnectionDraft:
    """The draft with the documented defaults filled in."""
    settings = draft.settings
    if isinstance(settings, SnowflakeSettings):
        return replace(draft, settings=replace(settings, protocol=settings.protocol or "https"))
    filled = replace(settings, schema=settings.schema or "public", port=settings.port or 5432, sslmode=settings.sslmode or "require")
    return replace(draft, settings=filled)


def check_draft(draft: ConnectionDraft, present: StoredSecret | None) -> None:
    """Raise InvalidRequest naming every field of `draft` that breaks its rule; `present` is the secret already kept."""
    violations = [*_common_violations(draft), *_settings_violations(draft.settings), *_secret_violations(draft, present)]
    if violations:
        raise InvalidRequest(violations)


def check_change(before: Settings, draft: ConnectionDraft) -> None:
    """Raise InvalidRequest when the change could hand the stored secret to somebody else.

    Who may edit a connection need not know its secret: a new host, account, user or port, or a weaker protocol, would
    get it sent to a place of the editor's choice. So such a change takes the secret along.
    """
    prefix = f"connection.{before.kind}"
    if before.kind != draft.settings.kind:
        raise InvalidRequest(
            [FieldViolation(f"connection.{draft.settings.kind}", f"the kind cannot be changed: this is a {before.kind} connection")]
        )
    if draft.secret is None and _may_leak(before, draft.settings):
        kinds = "password or private_key_pem" if before.kind == "snowflake" else "password"
        what = "host, port, protocol, account or user" if before.kind == "snowflake" else "host, port, user or sslmode"
        raise InvalidRequest([FieldViolation(f"{prefix}.password", f"give {kinds} again: a change of {what} would send it somewhere else")])


def _may_leak(before: Settings, after: Settings) -> bool:
    if isinstance(before, PostgresSettings) and isinstance(after, PostgresSettings) and after.is_weaker_than(before):
        return True
    return before.login_target != after.login_target


def _common_violations(draft: ConnectionDraft) -> Iterator[FieldViolation]:
    if not is_name(draft.name, NAME_MAX_LENGTH):
        yield FieldViolation("connection.name", name_rule(NAME_MAX_LENGTH))


def _settings_violations(settings: Settings) -> Iterator[FieldViolation]:
    prefix = f"connection.{settings.kind}"
    required = {"user": settings.user, "database": settings.database, "schema": settings.schema}
    identifiers = {"database": settings.database, "schema": settings.schema}
    if isinstance(settings, SnowflakeSettings):
        required["account"] = settings.account
        identifiers |= {"warehouse": settings.warehouse, "role": settings.role}
    else:
        required["host"] = settings.host
    for name, value in required.items():
        if not value:
            yield FieldViolation(f"{prefix}.{name}", "must not be empty")
    for name, value in identifiers.items():
        yield from check_identifier(f"{prefix}.{name}", value)
    yield from check_label(f"{prefix}.user", settings.user)
    yield from _host_violations(f"{prefix}.host", settings.host)
    for index, granted in enumerate(settings.granted_schemas):
        yield from _granted_violations(f"{prefix}.granted_schemas[{index}]", granted, settings)


def _host_violations(field: str, host: str) -> Iterator[FieldViolation]:
    if ":" in host and not _is_ipv6(host):
        yield FieldViolation(field, "must be a host name or an address; give the port in `port` and the scheme in `protocol`")


def _is_ipv6(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).version == 6
    except ValueError:
        return False


def _granted_violations(field: str, granted: str, settings: Settings) -> Iterator[FieldViolation]:
    most_parts = 2 if isinstance(settings, SnowflakeSettings) else 1
    parts = granted.split(".")
    if len(parts) > most_parts or not all(parts):
        yield FieldViolation(field, "must be SCHEMA or DATABASE.SCHEMA" if most_parts == 2 else "must name a schema of this database")
    for part in parts:
        yield from check_identifier(field, part)


def _secret_violations(draft: ConnectionDraft, present: StoredSecret | None) -> Iterator[FieldViolation]:
    prefix = f"connection.{draft.settings.kind}"
    secret = draft.secret
    if secret is None:
        if isinstance(draft.settings, SnowflakeSettings) and present is None:
            yield FieldViolation(f"{prefix}.password", "give a password or a private_key_pem")
        return
    if secret.kind is SecretKind.PRIVATE_KEY and not is_usable_private_key(secret.value):
        yield FieldViolation(f"{prefix}.private_key_pem", KEY_RULE)
    if secret.kind is SecretKind.PASSWORD and has_control_character(secret.value):
        yield FieldViolation(f"{prefix}.password", "must not hold control characters, such as a line break at its end")
