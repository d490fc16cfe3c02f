"""Digests as text, ``sha256:<64 lower-case hex>`` (OCI image spec, descriptor digests)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

from govern.errors import MalformedError

_PATTERN = re.compile(r"sha256:[0-9a-f]{64}")


def digest_of(data: bytes) -> str:
    """Return the digest of ``data`` as ``sha256:<hex>``."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def check_digest(text: object) -> str:
    """Return ``text`` if it is a well-formed digest.

    Raises:
        MalformedError: it is not ``sha256:`` and 64 lower-case hexadecimal digits.
    """
    if not isinstance(text, str) or not _PATTERN.fullmatch(text):
        raise MalformedError(f"expected a digest sha256:<64 hex>, got {str(text)[:80]!r}")
    return text


def hex_of(digest: str) -> str:
    """Return the hexadecimal part of a digest."""
    return check_digest(digest)[7:]


def from_hex(text: object) -> str:
    """Return the digest for 64 hexadecimal digits."""
    return check_digest(f"sha256:{text}")


def folder_digest(file_digests: Iterable[tuple[str, str]]) -> str:
    """Return the root digest of a folder.

    The OpenSSF Model Signing v1.0 root: SHA-256 over the concatenated raw file digests,
    files ordered by name.

    Args:
        file_digests: pairs of file name (POSIX, relative) and ``sha256:…`` digest.
    """
    raw = (bytes.fromhex(hex_of(digest)) for _, digest in sorted(file_digests))
    return digest_of(b"".join(raw))
