"""One encryption key per subject, so that a subject can be forgotten at once.

The keyring is a file of lines, readable by its owner alone. A new key is durable before
the first payload that uses it; forgetting a subject rewrites the file without its keys.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from govern.domain.gate_archive import KEY_ID_BYTES, PayloadKey, keyring_line, parse_keyring
from govern.errors import NotFoundError, StorageError

FILE = "keyring"


class Keyring:
    """The payload keys of one gate."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._ciphers: dict[str, tuple[bytes, AESGCM]] = {}
        self._pending: list[PayloadKey] = []
        for item in read_keyring(folder).values():
            self._ciphers[item.subject] = (item.key_id, AESGCM(item.key))

    def cipher(self, subject: str) -> tuple[bytes, AESGCM]:
        """Return key id and cipher of a subject; a new one must be saved before use counts."""
        found = self._ciphers.get(subject)
        if found is None:
            item = PayloadKey(
                secrets.token_bytes(KEY_ID_BYTES), subject, AESGCM.generate_key(bit_length=256)
            )
            self._pending.append(item)
            found = self._ciphers[subject] = (item.key_id, AESGCM(item.key))
        return found

    def take_pending(self) -> bytes:
        """Return the lines of keys that are not saved yet."""
        lines = b"".join(keyring_line(item) for item in self._pending)
        self._pending.clear()
        return lines

    def save(self, lines: bytes) -> None:
        """Append lines durably (called off the event loop).

        Raises:
            OSError: they may not be durable.
        """
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            end = _whole_lines_end(descriptor)
            os.ftruncate(descriptor, end)
            os.lseek(descriptor, end, os.SEEK_SET)
            if os.write(descriptor, lines) != len(lines):
                raise OSError(28, "keyring was written in part")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def forget_unsaved(self, lines: bytes) -> None:
        """Drop keys whose saving failed, so that they are made and saved again."""
        for item in parse_keyring(lines).values():
            self._ciphers.pop(item.subject, None)


def _whole_lines_end(descriptor: int) -> int:
    size = os.fstat(descriptor).st_size
    data = os.pread(descriptor, size, 0)
    return data.rfind(b"\n") + 1


def read_keyring(folder: Path) -> dict[bytes, PayloadKey]:
    """Return all keys by their id."""
    try:
        return dict(parse_keyring((folder / FILE).read_bytes()))
    except FileNotFoundError:
        return {}


def forget_subject(folder: Path, subject: str) -> int:
    """Destroy a subject's keys; return how many there were.

    Raises:
        NotFoundError: the subject has none.
        StorageError: the file system refused.
    """
    keys = read_keyring(folder).values()
    kept = [item for item in keys if item.subject != subject]
    if len(kept) == len(keys):
        raise NotFoundError("this subject has no key in this gate")
    path = folder / FILE
    temporary = path.with_name(f".{FILE}.part")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(b"".join(keyring_line(item) for item in kept))
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise StorageError(f"the keyring cannot be rewritten: {error.strerror}") from error
    return len(keys) - len(kept)
