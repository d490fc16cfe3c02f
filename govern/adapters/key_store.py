"""Where private keys lie: files in a folder, or a PKCS#11 token, listed in ``keys.json``.

``keys.json`` names every key ever made here, oldest first: role, id, algorithm, place
(a file, or an RFC 7512 URI) and certificate. Which of a role's keys is in use is not said
here: the newest whose window is open in the trust file is. So making a key changes
nothing yet, and replacing ``trust.json`` puts it in use in one rename.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from govern.adapters.files import write_durably
from govern.adapters.secret_files import read_secret
from govern.errors import InvalidRequestError, StorageError
from govern.transparency.encoding import format_time
from govern.transparency.signer import Signer, algorithm_of, as_signer, key_id, open_key
from govern.transparency.trust_file import GATE

BOOK = "keys.json"
ROOT = "root"
PKCS11 = "pkcs11:"
_ED25519_ROLES = ("lineage-log", "snapshot", GATE)


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """One line of ``keys.json``; ``place`` is a file's name or a PKCS#11 URI."""

    role: str
    id: str
    algorithm: str
    place: str
    certificate: str | None
    made_at: str


def is_ed25519(role: str) -> bool:
    """Say whether keys of this role are Ed25519; all others are P-256."""
    return role.startswith(_ED25519_ROLES)


class KeyStore:
    """The private keys of one folder."""

    def __init__(self, folder: Path, passphrase_file: Path | None = None) -> None:
        self.folder = folder
        self._passphrase_file = passphrase_file
        self._open: dict[str, Signer] = {}

    def records(self) -> list[KeyRecord]:
        """Return every key made here, oldest first.

        Raises:
            StorageError: the list is missing or cannot be read.
        """
        try:
            listed = json.loads((self.folder / BOOK).read_text("utf-8"))
            return [KeyRecord(**item) for item in listed]
        except FileNotFoundError:
            raise StorageError(f"key list {BOOK} is missing; was `govern init` run?") from None
        except (ValueError, TypeError):
            raise StorageError(
                f"key list {BOOK} cannot be read; restore it from a backup"
            ) from None

    def signer(self, record: KeyRecord) -> Signer:
        """Open a key.

        Raises:
            StorageError: it is missing, or its passphrase or PIN is missing or wrong.
        """
        if record.id not in self._open:
            signer = self._load(record.place)
            if key_id(signer.public_key()) != record.id:
                raise StorageError(f"{record.place} holds another key than {BOOK} says")
            self._open[record.id] = signer
        return self._open[record.id]

    def _load(self, place: str) -> Signer:
        if place.startswith(PKCS11):
            from govern.adapters.keys_pkcs11 import open_token_key

            return open_token_key(place)
        return open_key(self.read(place), self._passphrase(), place)

    def _passphrase(self) -> bytes | None:
        file = self._passphrase_file
        return None if file is None else read_secret(file, "passphrase")

    def certificate(self, record: KeyRecord) -> x509.Certificate:
        """Return a key's certificate.

        Raises:
            StorageError: it has none, or it is missing.
        """
        if record.certificate is None:
            raise StorageError(f"the {record.role} key has no certificate")
        return x509.load_pem_x509_certificate(self.read(record.certificate))

    def read(self, file: str) -> bytes:
        """Return the bytes of a file of this folder."""
        try:
            return (self.folder / file).read_bytes()
        except FileNotFoundError:
            raise StorageError(f"key file {file} is missing; was `govern init` run?") from None

    def describe(self, record: KeyRecord) -> str:
        """Return where a key lives, in words; a token's PIN file is not shown."""
        if record.place.startswith(PKCS11):
            return "token " + record.place.partition("?")[0].removeprefix(PKCS11)
        try:
            head = (self.folder / record.place).read_bytes()[:200]
        except OSError:
            return f"{record.place}, missing"
        return f"{'encrypted ' if b'ENCRYPTED' in head else ''}file {record.place}"

    def make(self, role: str, uri: str | None = None) -> tuple[Signer, str]:
        """Make a key of a role, in a file or under a PKCS#11 URI; return it and its place.

        Raises:
            InvalidRequestError: a gate's key in a token: gates read theirs from a file.
            StorageError: the file system or the token refused.
        """
        if uri is not None:
            if role.startswith(GATE):
                raise InvalidRequestError("a gate reads its key from a file, not from a token")
            from govern.adapters.keys_pkcs11 import make_token_key

            return make_token_key(uri, ed25519=is_ed25519(role)), uri
        key = Ed25519PrivateKey.generate() if is_ed25519(role) else _p256()
        place = f"{self._stem(role)}.key"
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, self._encryption())
        write_durably(self.folder / place, pem, mode=0o600)
        return as_signer(key), place

    def keep(
        self,
        role: str,
        signer: Signer,
        place: str,
        certificate: x509.Certificate | None,
        now: datetime,
    ) -> KeyRecord:
        """Write a key into the list, with its certificate."""
        public, file = signer.public_key(), None
        if certificate is not None:
            file = f"{self._stem(role)}.pem"
            write_durably(self.folder / file, certificate.public_bytes(Encoding.PEM))
        record = KeyRecord(
            role, key_id(public), algorithm_of(public), place, file, format_time(now)
        )
        known = self.records() if (self.folder / BOOK).exists() else []
        self._write_book([*known, record])
        self._open[record.id] = signer
        return record

    def _write_book(self, records: Sequence[KeyRecord]) -> None:
        rows: list[dict[str, Any]] = [asdict(record) for record in records]
        write_durably(self.folder / BOOK, json.dumps(rows, indent=1).encode(), mode=0o600)

    def _stem(self, role: str) -> str:
        """The first key of a role is ``ROLE.key``, the second ``ROLE.2.key``."""
        known = self.records() if (self.folder / BOOK).exists() else []
        made = sum(record.role == role for record in known)
        return role if made == 0 else f"{role}.{made + 1}"

    def _encryption(self) -> KeySerializationEncryption:
        secret = self._passphrase()
        return BestAvailableEncryption(secret) if secret else NoEncryption()


def _p256() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())
