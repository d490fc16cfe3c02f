"""SHA-256 over a few dozen bytes, as trees need it by the million. Pure.

CPython's own SHA-256 starts in half the time of OpenSSL's, which overtakes it within a
kilobyte; everything else uses OpenSSL through ``hashlib``. Where the interpreter has none
of its own, or OpenSSL runs in FIPS mode, this is ``hashlib`` as well: one function
(FIPS 180-4), so one digest.
"""

from __future__ import annotations

import hashlib
from importlib import import_module
from typing import Protocol

SHORT_BYTES_MAX = 512
_OWN = ("_sha2", "_sha256")  # from Python 3.12 on, and before


class Digest(Protocol):
    """A finished hash."""

    def digest(self) -> bytes:
        """Return the 32 bytes."""
        ...


class Hash(Protocol):
    """A hash function over one piece of bytes."""

    def __call__(self, data: bytes, /) -> Digest:
        """Hash ``data``."""
        ...


def _fips_mode() -> bool:
    try:
        return bool(import_module("_hashlib").get_fips_mode())
    except (ImportError, AttributeError):  # an interpreter without OpenSSL
        return False


def _choose(names: tuple[str, ...] = _OWN) -> Hash:
    for name in () if _fips_mode() else names:
        try:
            own: Hash = import_module(name).sha256
        except (ImportError, AttributeError):
            continue
        return own
    return hashlib.sha256


short_sha256: Hash = _choose()
