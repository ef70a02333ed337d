from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from services.common.sealing import KeyFileError, KeyRing, SealedSecret, Sealer, SealingError

A, B = "tenant-a", "tenant-b"
# Fixed, because they stand in the ids of tests, which must be the same in every process.
K1, K2 = bytes(range(32)), bytes(range(32, 64))
SEALER = Sealer(KeyRing("k1", {"k1": K1}))
SECRET = "pässword".encode()


def test_a_secret_comes_back_from_its_stored_form() -> None:
    stored = SEALER.seal(A, "connection-1", SECRET).to_bytes()
    assert SECRET not in stored
    assert SEALER.open(A, "connection-1", SealedSecret.from_bytes(stored)) == SECRET


def test_an_empty_secret_is_a_secret() -> None:
    assert SEALER.open(A, "c", SealedSecret.from_bytes(SEALER.seal(A, "c", b"").to_bytes())) == b""


@pytest.mark.parametrize(
    ("tenant", "name", "version"),
    [(B, "connection-1", 1), (A, "connection-2", 1), (A, "connection-1", 2)],
    ids=["tenant", "row", "version"],
)
def test_a_secret_moved_to_another_place_cannot_be_opened_or_rewrapped(tenant: str, name: str, version: int) -> None:
    sealed = SEALER.seal(A, "connection-1", SECRET, version=1)
    with pytest.raises(SealingError, match="another row"):
        SEALER.open(tenant, name, sealed, version=version)
    with pytest.raises(SealingError):
        SEALER.rewrap(tenant, name, sealed, version=version)


def test_parts_that_run_into_each_other_are_told_apart() -> None:
    with pytest.raises(SealingError):
        SEALER.open("a", "b|c", SEALER.seal("a|b", "c", SECRET))


def test_the_key_of_one_secret_does_not_open_another() -> None:
    one, other = SEALER.seal(A, "c", SECRET), SEALER.seal(A, "c", b"other")
    with pytest.raises(SealingError):
        SEALER.open(A, "c", SealedSecret(one.kek, one.wrapped_key, other.ciphertext))


def test_every_changed_byte_is_noticed() -> None:
    stored = SEALER.seal(A, "c", SECRET).to_bytes()
    for position in range(len(stored)):
        changed = bytearray(stored)
        changed[position] ^= 1
        with pytest.raises(SealingError):
            SEALER.open(A, "c", SealedSecret.from_bytes(bytes(changed)))


def test_every_cut_is_noticed() -> None:
    stored = SEALER.seal(A, "c", SECRET).to_bytes()
    for length in range(len(stored)):
        with pytest.raises(SealingError):
            SEALER.open(A, "c", SealedSecret.from_bytes(stored[:length]))


def test_the_same_secret_is_never_sealed_the_same_way() -> None:
    assert SEALER.seal(A, "c", SECRET).to_bytes() != SEALER.seal(A, "c", SECRET).to_bytes()


def test_rotation_changes_the_wrapping_and_not_the_ciphertext() -> None:
    old = SEALER.seal(A, "c", SECRET)
    both = Sealer(KeyRing("k2", {"k1": K1, "k2": K2}))
    assert both.open(A, "c", old) == SECRET
    new = both.rewrap(A, "c", old)
    assert (new.kek, new.ciphertext) == ("k2", old.ciphertext)
    assert Sealer(KeyRing("k2", {"k2": K2})).open(A, "c", new) == SECRET


def test_a_key_that_is_gone_is_named() -> None:
    sealed = SEALER.seal(A, "c", SECRET)
    with pytest.raises(SealingError, match="'k1' is not in the key file"):
        Sealer(KeyRing("k2", {"k2": K2})).open(A, "c", sealed)


def test_another_key_of_the_same_name_does_not_open_it() -> None:
    with pytest.raises(SealingError):
        Sealer(KeyRing("k1", {"k1": K2})).open(A, "c", SEALER.seal(A, "c", SECRET))


def test_keys_are_not_shown_when_the_ring_is_printed() -> None:
    ring = KeyRing("k1", {"k1": b"0123456789abcdef0123456789abcdef"})
    assert "0123456789" not in repr(ring)


def encoded(key: bytes) -> str:
    return base64.b64encode(key).decode()


def test_a_ring_is_read_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "kek.json"
    file.write_text(json.dumps({"active": "k2", "keys": {"k1": encoded(K1), "k2": encoded(K2)}}))
    assert KeyRing.from_file(file) == KeyRing("k2", {"k1": K1, "k2": K2})


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"active": "k1"}',
        '{"active": "k1", "keys": []}',
        '{"active": "k1", "keys": {}}',
        '{"active": "k1", "keys": {"k1": 5}}',
        '{"active": "k1", "keys": {"k1": "?"}}',
        '{"active": "k1", "keys": {"k1": "c2hvcnQ="}}',
        json.dumps({"active": "k2", "keys": {"k1": encoded(K1)}}),
        json.dumps({"active": "x" * 65, "keys": {"x" * 65: encoded(K1)}}),
    ],
)
def test_a_bad_key_file_stops_the_start_without_showing_what_is_in_it(tmp_path: Path, content: str) -> None:
    file = tmp_path / "kek.json"
    file.write_text(content)
    with pytest.raises(KeyFileError, match=r"kek\.json") as caught:
        KeyRing.from_file(file)
    assert encoded(K1) not in str(caught.value)


def test_a_missing_key_file_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match=r"none\.json"):
        KeyRing.from_file(tmp_path / "none.json")
