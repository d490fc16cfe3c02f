"""One encryption key per subject, so that a subject can be forgotten at once.

The keyring is a file of lines, readable by its owner alone. A new key is durable before
the first payload that uses it. ``govern log erase`` replaces the file by one without a
subject's keys, under the same lock; the gate notices and forgets them too.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from govern.domain.gate_archive import KEY_ID_BYTES, PayloadKey, keyring_line, parse_keyring

FILE = "keyring"
LOCK = ".keyring.lock"


class Keyring:
    """The payload keys of one gate."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._ciphers: dict[str, tuple[bytes, AESGCM]] = {}
        self._pending: list[PayloadKey] = []
        self._held = -1
        self.renew()

    def renew(self) -> None:
        """Take over a keyring that another process has replaced; unsaved keys stay."""
        if _same_file(self._path, self._held):
            return
        if self._held >= 0:
            os.close(self._held)
        self._held = _hold(self._path)
        unsaved = {item.subject for item in self._pending}
        self._ciphers = {name: self._ciphers[name] for name in unsaved}
        for item in read_keyring(self._path.parent).values():
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
        lock = os.open(self._path.with_name(LOCK), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._append(lines)
        finally:
            os.close(lock)

    def _append(self, lines: bytes) -> None:
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


def _same_file(path: Path, held: int) -> bool:
    try:
        return held >= 0 and os.path.samestat(os.stat(path), os.fstat(held))
    except FileNotFoundError:
        return False


def _hold(path: Path) -> int:
    """Open a file, so that no other one gets its inode number; -1 where there is none."""
    try:
        return os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return -1


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
