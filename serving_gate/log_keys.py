"""The gate's log key: which of the files in the key folder the trust file has as current."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from govern.errors import InvalidRequestError
from govern.transparency.note import NoteSigner
from govern.transparency.signer import algorithm_of, ed25519_public, open_key
from govern.transparency.trust import TrustRoot


def key_files(folder: Path, name: str) -> list[Path]:
    """Return where the key of the gate ``name`` may lie, its newest successor first."""
    first = folder / f"gate-{name}.key"
    later = [
        path for path in folder.glob(f"gate-{name}.*.key") if path.name.split(".")[-2].isdigit()
    ]
    return [*sorted(later, key=lambda path: -int(path.name.split(".")[-2])), first]


def log_signer(paths: Sequence[Path], trust: TrustRoot) -> NoteSigner:
    """Return the gate's log key under the origin that the trust file gives it.

    Args:
        paths: key files, the newest first; the first that the trust file has as current
            is used.
        trust: says which key that is.

    Raises:
        InvalidRequestError: no log in the trust file has any of these keys now.
        StorageError: a key cannot be opened.
    """
    secret = os.environ.get("GOVERN_PASSPHRASE_FILE")
    passphrase = read_file(Path(secret), "the passphrase file").rstrip(b"\r\n") if secret else None
    for path in paths:
        key = open_key(read_file(path, "the gate's log key"), passphrase, path.name)
        if algorithm_of(key.public_key()) != "Ed25519":
            raise InvalidRequestError(f"{path.name} is not an Ed25519 key")
        public = ed25519_public(key)
        for log in trust.logs:
            if log.kind == "gate" and log.verifier.public_key == public and log.valid.end is None:
                return NoteSigner(log.origin, key)
    raise InvalidRequestError("the trust file names no gate log with this key, or it has ended")


def read_file(path: Path, what: str) -> bytes:
    """Return a file's bytes.

    Raises:
        InvalidRequestError: it cannot be read; ``what`` names it.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidRequestError(f"{what} cannot be read: {path}: {error.strerror}") from None
