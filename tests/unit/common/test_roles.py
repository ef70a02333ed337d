from __future__ import annotations

from itertools import pairwise

import pytest
from google.protobuf import descriptor_pool

from chalkandduster.common.v1 import access_pb2
from services.common.auth.principal import Principal, PrincipalKind
from services.common.auth.roles import EDITOR, PLATFORM_ADMIN, ROLE_PERMISSIONS, SERVICE, SERVICE_ONLY, TENANT_ADMIN, VIEWER, at_most
from services.common.reflection import api_services


def granted(role: str, permission: str) -> bool:
    return Principal("someone", PrincipalKind.USER, frozenset({role}), None).grants(permission)


@pytest.mark.parametrize(
    ("permission", "roles"),
    [
        ("tenants.write", {PLATFORM_ADMIN}),
        ("tenants.read", {PLATFORM_ADMIN, TENANT_ADMIN, EDITOR, VIEWER}),
        ("connections.write", {PLATFORM_ADMIN, TENANT_ADMIN}),
        ("connections.read", {PLATFORM_ADMIN, TENANT_ADMIN, EDITOR, VIEWER, SERVICE}),
        ("connections.test", {PLATFORM_ADMIN, TENANT_ADMIN, EDITOR}),
        ("datasets.write", {PLATFORM_ADMIN, TENANT_ADMIN, EDITOR}),
        ("datasets.read", {PLATFORM_ADMIN, TENANT_ADMIN, EDITOR, VIEWER, SERVICE}),
        ("runs.trigger", {PLATFORM_ADMIN, TENANT_ADMIN, EDITOR}),
        ("runs.cancel", {PLATFORM_ADMIN, TENANT_ADMIN, EDITOR}),
        ("runs.read", {PLATFORM_ADMIN, TENANT_ADMIN, EDITOR, VIEWER, SERVICE}),
        ("samples.read", {PLATFORM_ADMIN, TENANT_ADMIN, EDITOR}),
        ("schedules.read", {PLATFORM_ADMIN, TENANT_ADMIN, EDITOR, VIEWER}),
        ("schedules.write", {PLATFORM_ADMIN, TENANT_ADMIN, EDITOR}),
        ("checks.validate", {PLATFORM_ADMIN, TENANT_ADMIN, EDITOR, VIEWER, SERVICE}),
        ("checks.preview", {PLATFORM_ADMIN, TENANT_ADMIN, EDITOR}),
        ("api_keys.read", {PLATFORM_ADMIN, TENANT_ADMIN}),
        ("api_keys.write", {PLATFORM_ADMIN, TENANT_ADMIN}),
        ("audit.read", {PLATFORM_ADMIN, TENANT_ADMIN}),
        ("credentials.open", {SERVICE}),
        ("api_keys.authenticate", {SERVICE}),
        ("audit.record", {SERVICE}),
        ("datasets.inspect_usage", {SERVICE}),
    ],
)
def test_the_table_grants_a_permission_to_these_roles_and_no_others(permission: str, roles: set[str]) -> None:
    assert {role for role in ROLE_PERMISSIONS if granted(role, permission)} == roles


def test_every_permission_that_an_rpc_asks_for_is_granted_to_some_role() -> None:
    asked = set()
    for name in api_services():
        for method in descriptor_pool.Default().FindServiceByName(name).methods:
            rule = method.GetOptions().Extensions[access_pb2.access]
            if rule.scope != access_pb2.Access.PUBLIC:
                asked.add(rule.permission)
    assert asked - set().union(*ROLE_PERMISSIONS.values()) == set()


def test_no_person_has_what_only_services_may_do() -> None:
    people = set().union(*(permissions for role, permissions in ROLE_PERMISSIONS.items() if role != SERVICE))
    assert people & SERVICE_ONLY == set()


def test_each_role_has_all_that_the_weaker_one_has() -> None:
    ladder = [ROLE_PERMISSIONS[role] for role in (VIEWER, EDITOR, TENANT_ADMIN, PLATFORM_ADMIN)]
    assert all(weaker < stronger for weaker, stronger in pairwise(ladder))


def test_an_unknown_role_grants_nothing() -> None:
    assert not granted("root", "datasets.read")


def test_nobody_hands_out_a_role_above_their_own() -> None:
    assert at_most(VIEWER, frozenset({EDITOR}))
    assert at_most(TENANT_ADMIN, frozenset({PLATFORM_ADMIN}))
    assert at_most(EDITOR, frozenset({EDITOR}))
    assert not at_most(TENANT_ADMIN, frozenset({EDITOR, VIEWER}))
    assert not at_most(SERVICE, frozenset({PLATFORM_ADMIN}))
    assert not at_most(VIEWER, frozenset({SERVICE}))
