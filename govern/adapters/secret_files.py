"""Passphrases and PINs: named by file, never by value."""

from __future__ import annotations

from pathlib import Path

from govern.errors import StorageError

SECRET_BYTES_MAX = 1024


def read_secret(path: Path, what: str) -> bytes:
    """Return a passphrase or PIN from its file, without the final line break.

    Raises:
        StorageError: it cannot be read, is empty, or is over 1024 bytes.
    """
    try:
        with path.open("rb") as file:
            data = file.read(SECRET_BYTES_MAX + 2)
    except OSError as error:
        raise StorageError(f"the {what} file {path.name}: {error.strerror}") from None
    secret = data.removesuffix(b"\n").removesuffix(b"\r")
    if not 0 < len(secret) <= SECRET_BYTES_MAX:
        raise StorageError(
            f"the {what} file {path.name} holds {len(secret)} bytes; 1 to {SECRET_BYTES_MAX} "
            "are expected"
        )
    return secret
