from __future__ import annotations

import base64
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from services.common.auth.jwks import JwksError, JwksFile
from services.common.auth.principal import Principal, PrincipalKind
from services.common.auth.tokens import SERVICE_AUDIENCE, SERVICE_ISSUER, ServiceTokenSigner, TokenVerifier, public_jwk, thumbprint
from services.common.errors import Unauthenticated

ISSUER = "https://login.example.org"
AUDIENCE = "chalkandduster"
TENANT = "0193f1c2-7e64-7000-8000-000000000001"
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
SERVICE_KEY = ed25519.Ed25519PrivateKey.generate()


def jwks(**keys: Any) -> str:
    return json.dumps({"keys": [{**public_jwk(key), "kid": kid} for kid, key in keys.items()]})


def pem(key: Any) -> bytes:
    encoded: bytes = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return encoded


@dataclass
class World:
    users: Path
    services: Path
    service_key: Path

    def verifier(self) -> TokenVerifier:
        return TokenVerifier(self.users, ISSUER, AUDIENCE, self.services)


@pytest.fixture
def world(tmp_path: Path) -> World:
    found = World(tmp_path / "users.json", tmp_path / "services.json", tmp_path / "service.pem")
    found.users.write_text(jwks(u1=RSA_KEY))
    found.services.write_text(jwks(**{thumbprint(public_jwk(SERVICE_KEY)): SERVICE_KEY}))
    found.service_key.write_bytes(pem(SERVICE_KEY))
    return found


def claims(**changes: Any) -> dict[str, Any]:
    good = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "tenant": TENANT, "roles": ["editor"], "exp": int(time.time()) + 60}
    return {name: value for name, value in {**good, **changes}.items() if value is not ...}


def token(key: Any = RSA_KEY, algorithm: str = "RS256", kid: str | None = "u1", **changes: Any) -> str:
    # Not jwt.encode: that one refuses to sign some of the nonsense below.
    payload = json.dumps(claims(**changes)).encode()
    return jwt.api_jws.encode(payload, key, algorithm=algorithm, headers={"kid": kid} if kid else None)


def part(content: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


def refused(world: World, text: str) -> Unauthenticated:
    with pytest.raises(Unauthenticated) as caught:
        world.verifier().verify(text)
    return caught.value


def test_a_good_token_names_the_caller(world: World) -> None:
    assert world.verifier().verify(token()) == Principal("ann", PrincipalKind.USER, frozenset({"editor"}), TENANT)


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [(RSA_KEY, "RS256"), (ec.generate_private_key(ec.SECP256R1()), "ES256"), (ed25519.Ed25519PrivateKey.generate(), "EdDSA")],
)
def test_the_three_algorithms_are_taken(world: World, key: Any, algorithm: str) -> None:
    world.users.write_text(jwks(u1=key))
    assert world.verifier().verify(token(key, algorithm)).subject == "ann"


def test_an_expired_token_is_refused_and_says_so(world: World) -> None:
    assert refused(world, token(exp=int(time.time()) - 1)).message == "The token has expired."


FORGED = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PUBLIC_PEM = RSA_KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def hmac_with_public_key() -> str:
    # By hand: PyJWT itself declines to sign with a PEM.
    import hashlib
    import hmac

    signed = f"{part({'alg': 'HS256', 'typ': 'JWT', 'kid': 'u1'})}.{part(claims())}"
    mac = hmac.new(PUBLIC_PEM, signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(token(FORGED), id="signed with another key"),
        pytest.param(token(aud="another-api"), id="meant for another audience"),
        pytest.param(token(aud=...), id="without audience"),
        pytest.param(token(aud=["another-api"]), id="list of other audiences"),
        pytest.param(token(iss="https://evil.example.org"), id="foreign issuer"),
        pytest.param(token(iss=...), id="without issuer"),
        pytest.param(token(iss=["https://login.example.org"]), id="issuer is a list"),
        pytest.param(token(exp=...), id="without expiry"),
        pytest.param(token(exp="never"), id="expiry is a word"),
        pytest.param(token(exp=float("inf")), id="expiry is infinite"),
        pytest.param(token(nbf=int(time.time()) + 600), id="not valid yet"),
        pytest.param(token(sub=...), id="without subject"),
        pytest.param(token(sub=""), id="empty subject"),
        pytest.param(token(sub="x" * 10_000), id="very long subject"),
        pytest.param(token(sub="a\nb"), id="line break in the subject"),
        pytest.param(token(kid="u2"), id="unknown key"),
        pytest.param(token(kid=None), id="without key name"),
        pytest.param(token(algorithm="RS512"), id="another algorithm of the same key"),
        pytest.param(token(algorithm="PS256"), id="another padding of the same key"),
        pytest.param(hmac_with_public_key(), id="HMAC with the public key"),
        pytest.param(f"{part({'alg': 'none', 'kid': 'u1'})}.{part(claims())}.", id="no algorithm"),
        pytest.param(f"{part({'alg': 'None', 'kid': 'u1'})}.{part(claims())}.", id="no algorithm, spelled otherwise"),
        pytest.param(token().rsplit(".", 1)[0] + ".", id="signature cut off"),
        pytest.param(token(roles="platform_admin"), id="roles are a word"),
        pytest.param(token(roles=[["editor"]]), id="roles are lists"),
        pytest.param(token(roles={"editor": True}), id="roles are an object"),
        pytest.param(token(roles=["service"]), id="a user who wants to be a service"),
        pytest.param(token(roles=["editor", "service"]), id="a user who also wants to be a service"),
        pytest.param(token(sub="service:quality"), id="a user called like a service"),
        pytest.param(token(sub="api_key:1"), id="a user called like an API key"),
        pytest.param(token(sub="anonymous"), id="a user called like nobody"),
        pytest.param(token(tenant="' OR 1=1"), id="tenant is SQL"),
        pytest.param(token(tenant=[TENANT]), id="tenant is a list"),
        pytest.param(token(tenant=f"{{{TENANT}}}"), id="tenant in braces"),
        pytest.param("", id="nothing"),
        pytest.param("a.b.c", id="not a token"),
        pytest.param("ü.ü.ü", id="not ASCII"),
        pytest.param("." * 8000, id="dots"),
        pytest.param("x" * 100_000, id="too long"),
        pytest.param(part([[]]).replace("=", "") + "." + part([]) + ".", id="lists for header and claims"),
        pytest.param(base64.urlsafe_b64encode(b"[" * 5000).decode() + ".e30.", id="deeply nested header"),
    ],
)
def test_a_bad_token_is_refused(world: World, text: str) -> None:
    assert refused(world, text).metadata == {}


def test_a_refusal_says_nothing_about_the_reason_but_for_expiry_and_tenant(world: World) -> None:
    texts = [token(FORGED), token(aud="x"), token(kid="u2"), "x", token(roles=["service"])]
    assert {refused(world, text).message for text in texts} == {Unauthenticated.default_message}


def test_a_token_without_tenant_is_for_platform_admins(world: World) -> None:
    assert world.verifier().verify(token(tenant=..., roles=["platform_admin"])).tenant_id is None
    assert refused(world, token(tenant=...)).message == "The token names no tenant."
    assert refused(world, token(tenant=..., roles=[])).message == "The token names no tenant."


def test_roles_of_other_systems_are_passed_over(world: World) -> None:
    assert world.verifier().verify(token(roles=["viewer", "billing"])).roles == {"viewer"}


def test_a_tenant_is_compared_in_its_canonical_form(world: World) -> None:
    assert world.verifier().verify(token(tenant=TENANT.upper())).tenant_id == TENANT


def test_a_service_token_names_the_service_and_the_tenant(world: World) -> None:
    signer = ServiceTokenSigner(world.service_key, "quality")
    assert world.verifier().verify(signer.token(TENANT)) == Principal(
        "service:quality", PrincipalKind.SERVICE, frozenset({"service"}), TENANT
    )
    assert world.verifier().verify(signer.token()).tenant_id is None


def test_a_service_token_lives_a_minute_and_is_used_again_for_half_of_it(world: World) -> None:
    now = [time.time()]
    signer = ServiceTokenSigner(world.service_key, "quality", clock=lambda: now[0])
    first = signer.token(TENANT)
    content = jwt.decode(first, options={"verify_signature": False})
    assert content["exp"] - content["iat"] == 60
    now[0] += 29
    assert signer.token(TENANT) == first
    now[0] += 2
    assert signer.token(TENANT) != first


@pytest.mark.parametrize(
    ("key", "kid", "changes"),
    [
        pytest.param(
            RSA_KEY, "u1", {"iss": SERVICE_ISSUER, "aud": SERVICE_AUDIENCE, "sub": "service:x", "roles": ["service"]}, id="users' key"
        ),
        pytest.param(SERVICE_KEY, None, {"iss": ISSUER}, id="services' key for a user"),
        pytest.param(
            SERVICE_KEY, None, {"iss": SERVICE_ISSUER, "aud": AUDIENCE, "sub": "service:x", "roles": ["service"]}, id="users' audience"
        ),
        pytest.param(
            SERVICE_KEY,
            None,
            {"iss": SERVICE_ISSUER, "aud": SERVICE_AUDIENCE, "sub": "service:x", "roles": ["service", "platform_admin"]},
            id="more roles",
        ),
        pytest.param(
            SERVICE_KEY, None, {"iss": SERVICE_ISSUER, "aud": SERVICE_AUDIENCE, "sub": "ann", "roles": ["service"]}, id="a user's name"
        ),
    ],
)
def test_users_keys_and_services_keys_do_not_mix(world: World, key: Any, kid: str | None, changes: dict[str, Any]) -> None:
    algorithm = "RS256" if key is RSA_KEY else "EdDSA"
    assert refused(world, token(key, algorithm, kid or thumbprint(public_jwk(SERVICE_KEY)), **changes))


def test_the_users_issuer_cannot_be_the_services(world: World) -> None:
    with pytest.raises(ValueError, match="must not be"):
        TokenVerifier(world.users, SERVICE_ISSUER, AUDIENCE, world.services)


def test_a_private_jwk_signs_under_its_own_name(world: World, tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    private = jwt.get_algorithm_by_name("ES256").to_jwk(key, as_dict=True)
    file = tmp_path / "key.json"
    file.write_text(json.dumps({**private, "kid": "mine"}))
    world.services.write_text(jwks(mine=key))
    assert world.verifier().verify(ServiceTokenSigner(file, "drift").token()).subject == "service:drift"


@pytest.mark.parametrize("content", [b"", b"{}", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", PUBLIC_PEM])
def test_a_file_without_private_key_stops_the_start(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "key.pem"
    file.write_bytes(content)
    with pytest.raises(JwksError, match=r"key\.pem"):
        ServiceTokenSigner(file, "quality")


class Watch:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def replace(path: Path, text: str) -> None:
    path.write_text(text)
    os.utime(path, ns=(time.time_ns(), time.time_ns()))


def test_a_rotated_key_is_found_when_the_file_changed(world: World) -> None:
    watch = Watch()
    keys = JwksFile(world.users, monotonic=watch)
    replace(world.users, jwks(u2=FORGED))
    watch.now += 1
    assert keys.find("u2") is not None
    assert keys.find("u1") is None


def test_unknown_keys_do_not_make_the_file_be_read_each_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch()
    keys = JwksFile(world.users, monotonic=watch)
    reads: list[Path] = []
    original = Path.read_text

    def counted(self: Path) -> str:
        reads.append(self)
        return original(self)

    monkeypatch.setattr(Path, "read_text", counted)
    for number in range(100):
        assert keys.find(f"unknown-{number}") is None
    assert reads == []
    watch.now += 6
    for number in range(100):
        assert keys.find(f"unknown-{number}") is None
    assert len(reads) == 1


def test_a_file_that_breaks_leaves_the_former_keys_in_place(world: World) -> None:
    watch = Watch()
    keys = JwksFile(world.users, monotonic=watch)
    replace(world.users, "{half")
    watch.now += 10
    assert keys.find("u1") is not None
    world.users.unlink()
    watch.now += 10
    assert keys.find("u1") is not None


WEAK = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - what is to be refused


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"keys": []}',
        '{"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "u1"}]}',
        '{"keys": [{"kty": "RSA", "kid": "u1"}]}',
        jwks(u1=WEAK),
        json.dumps({"keys": [public_jwk(RSA_KEY)]}),
        json.dumps({"keys": [{**public_jwk(RSA_KEY), "kid": "u1", "use": "enc"}]}),
    ],
    ids=["empty", "list", "no keys", "symmetric", "half a key", "short RSA", "no kid", "for encryption"],
)
def test_a_file_without_usable_keys_stops_the_start(world: World, content: str) -> None:
    world.users.write_text(content)
    with pytest.raises(JwksError, match=r"users\.json|shorter"):
        world.verifier()
