"""The trust files and keys of a home, and the root's key where it lies: for key changes."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from govern.adapters.files import locked, write_durably
from govern.adapters.key_store import ROOT, KeyStore
from govern.adapters.keys_files import KeyFiles, certify, new_key
from govern.errors import ConflictError, StorageError
from govern.transparency.identity import make_root
from govern.transparency.signer import Signer, certificate_key_id
from govern.transparency.succession import check_succession
from govern.transparency.trust import TrustRoot
from govern.transparency.trust_file import NewKey


class KeyHome:
    """Makes keys and puts trust files in force.

    Args:
        home: the home folder.
        keys: its keys.
        root_folder: where the root's key lies.
        new_root_folder: where the root's next key goes; None: beside the present one.
        passphrase_file: opens it, if it is encrypted.
        uri: a PKCS#11 URI under which the next key is made; None: in a file.
    """

    def __init__(
        self,
        home: Path,
        keys: KeyFiles,
        root_folder: Path | None = None,
        passphrase_file: Path | None = None,
        uri: str | None = None,
        new_root_folder: Path | None = None,
    ) -> None:
        self._home, self._keys, self._uri = home, keys, uri
        self._roots = KeyStore(root_folder or keys.folder, passphrase_file)
        self._new_roots = KeyStore(new_root_folder or self._roots.folder, passphrase_file)

    def root(self) -> Signer:
        """Return the root's key.

        Raises:
            StorageError: it is not there.
        """
        wanted = certificate_key_id(self._keys.root_certificate())
        held = [item for item in self._roots.records() if item.id == wanted]
        if not held:
            raise StorageError("the root's key is not here; name its folder with --root-keys")
        return self._roots.signer(held[-1])

    def make_root(self, now: datetime) -> Signer:
        """Make the root's next key; no trust file names it yet.

        Raises:
            StorageError: the file system or the token refused.
        """
        self._new_roots.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        signer, place = self._new_roots.make(ROOT, self._uri)
        certificate = make_root(self._keys.root_certificate().subject, signer, now=now)
        self._keys.keep_root(certificate)
        self._new_roots.keep(ROOT, signer, place, certificate, now)
        return signer

    def make(self, role: str, now: datetime) -> NewKey:
        """Make, certify and list a key."""
        root, store = self.root(), self._keys.store
        signer, place = store.make(role, self._uri)
        certificate = certify(self._keys, root, role, signer, now)
        return new_key(self._keys, store.keep(role, signer, place, certificate, now))

    def versions(self) -> list[TrustRoot]:
        """Return every trust file that has been in force, oldest first."""
        current = TrustRoot.from_json((self._home / "trust.json").read_bytes())
        files = [self._file(number) for number in range(1, current.version + 1)]
        return [TrustRoot.from_json(file.read_bytes()) for file in files if file.exists()]

    def put_in_force(self, data: bytes) -> TrustRoot:
        """Keep a trust file under its number, then make it ``trust.json``.

        The lineage log is locked meanwhile: what is being recorded is published before,
        or signed again with the new keys.

        Raises:
            ConflictError: another change came in between.
        """
        new = TrustRoot.from_json(data)
        with locked(self._home / "log" / "lineage" / ".lock"):
            current = TrustRoot.from_json((self._home / "trust.json").read_bytes())
            if new.version != current.version + 1:
                raise ConflictError("somebody else changed the keys meanwhile; run this again")
            check_succession(current, new)
            write_durably(self._file(new.version), data)
            write_durably(self._home / "trust.json", data)
        return new

    def _file(self, version: int) -> Path:
        return self._home / "trust" / f"{version}.json"
