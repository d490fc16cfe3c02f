"""The hash of short pieces is SHA-256, whichever implementation was found."""

from __future__ import annotations

import hashlib
import random

import pytest

from govern.transparency import short_hash
from govern.transparency.merkle import leaf_hash, leaf_hashes
from govern.transparency.short_hash import SHORT_BYTES_MAX, short_sha256


def test_same_digest_as_hashlib() -> None:
    dice = random.Random(5)
    for size in [*range(140), SHORT_BYTES_MAX, 5000]:
        data = dice.randbytes(size)
        assert short_sha256(data).digest() == hashlib.sha256(data).digest()


@pytest.mark.parametrize("size", [0, 48, SHORT_BYTES_MAX - 1, SHORT_BYTES_MAX, 4096])
def test_leaf_hashes_are_those_of_rfc_6962(size: int) -> None:
    entries = [bytes([at]) * size for at in range(3)]
    expected = [hashlib.sha256(b"\0" + entry).digest() for entry in entries]
    assert leaf_hashes(entries) == [leaf_hash(entry) for entry in entries] == expected


def test_hashlib_where_the_interpreter_has_none_of_its_own() -> None:
    assert short_hash._choose(("_no_such_module",)) is hashlib.sha256


def test_hashlib_in_fips_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(short_hash, "_fips_mode", lambda: True)
    assert short_hash._choose() is hashlib.sha256
