"""The trust files and keys of a home, and the root's key where it lies: for key changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from govern.adapters.files import locked, write_durably
from govern.adapters.key_store import ROOT, KeyStore
from govern.adapters.keys_files import TITLES, KeyFiles, certify, new_key
from govern.errors import ConflictError, StorageError
from govern.transparency.identity import make_revocation_list, make_root
from govern.transparency.signer import Signer
from govern.transparency.succession import check_succession
from govern.transparency.trust import TrustRoot
from govern.transparency.trust_file import NewKey
from govern.transparency.trust_parts import vouches


class KeyHome:
    """Makes keys and puts trust files in force.

    Args:
        home: the home folder.
        keys: its keys.
        root_folders: where the root's keys lie; none: with the others.
        new_root_folders: where the root's next keys go, one into each; none: one beside the
            present one.
        passphrase_file: opens it, if it is encrypted.
        uri: a PKCS#11 URI under which the next key is made; None: in a file.
    """

    def __init__(
        self,
        home: Path,
        keys: KeyFiles,
        root_folders: Sequence[Path] = (),
        passphrase_file: Path | None = None,
        uri: str | None = None,
        new_root_folders: Sequence[Path] = (),
    ) -> None:
        self._home, self._keys, self._uri = home, keys, uri
        folders = root_folders or (keys.folder,)
        self._roots = [KeyStore(folder, passphrase_file) for folder in folders]
        self._new_roots = [
            KeyStore(folder, passphrase_file) for folder in new_root_folders or folders[:1]
        ]

    def roots(self) -> list[Signer]:
        """Return the root's keys that are here: as many as must sign, or more.

        Raises:
            StorageError: too few are here.
        """
        wanted, threshold = self._keys.root_keys()
        found = {
            item.id: store.signer(item)
            for store in self._roots
            for item in store.records()
            if item.role == ROOT and item.id in wanted
        }
        if not found:
            raise StorageError("the root's key is not here; name its folder with --root-keys")
        if len(found) < threshold:
            raise StorageError(
                f"{threshold} of the root's {len(wanted)} keys must sign, {len(found)} is here; name "
                "each one's folder with --root-keys"
            )
        return list(found.values())

    def make_roots(self, now: datetime) -> list[Signer]:
        """Make the root's next keys; no trust file names them yet.

        Raises:
            StorageError: the file system or the token refused.
        """
        made = []
        for store in self._new_roots:
            store.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            signer, place = store.make(ROOT, self._uri)
            certificate = make_root(self._keys.root_certificate().subject, signer, now=now)
            self._keys.keep_root(certificate)
            store.keep(ROOT, signer, place, certificate, now)
            made.append(signer)
        return made

    def make(self, role: str, now: datetime) -> NewKey:
        """Make, certify and list a key."""
        (root, *_), store = self.roots(), self._keys.store
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
        self._list_revocations(new)
        return new

    def _list_revocations(self, trust: TrustRoot) -> None:
        """Issue the revocation list of each root whose key and certificate are here."""
        keys = self._keys
        mine = [item for item in keys.store.records() if item.role in TITLES]
        held = {item.id: keys.store.certificate(item) for item in mine}
        for store in {one.folder: one for one in (*self._roots, *self._new_roots)}.values():
            for root in [item for item in store.records() if item.role == ROOT]:
                with suppress(StorageError):  # a root whose certificate is gone vouches for none
                    above = keys.certificate_of_root(root.id)
                    signer = store.signer(root)
                    self._list_below(above, signer, held, trust)

    def _list_below(
        self,
        above: x509.Certificate,
        signer: Signer,
        held: Mapping[str, x509.Certificate],
        trust: TrustRoot,
    ) -> None:
        gone = {
            held[id_].serial_number: told.since
            for id_, told in trust.revoked.items()
            if id_ in held and vouches(above, held[id_])
        }
        issued = make_revocation_list(
            above, signer, gone, number=trust.version, now=trust.issued_at
        )
        self._keys.keep_revocations(above, issued.public_bytes(Encoding.DER))

    def _file(self, version: int) -> Path:
        return self._home / "trust" / f"{version}.json"
