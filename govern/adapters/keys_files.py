"""The keys of an installation: which signs what, and the trust root they make.

Which roles there are is ``first_keys``'s part; where the private halves lie, ``key_store``'s.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from govern.adapters.files import write_durably
from govern.adapters.key_store import KeyRecord, KeyStore
from govern.domain import in_toto
from govern.errors import InvalidRequestError, StorageError
from govern.transparency.envelope import open_parts, sign_envelope
from govern.transparency.identity import (
    Identity,
    issue_identity,
    make_ca,
    make_service_cert,
    name,
)
from govern.transparency.note import NoteSigner
from govern.transparency.oms import public_pem, write_key_bundle
from govern.transparency.signer import (
    Signer,
    certificate_key_id,
    key_id,
    p256_public,
)
from govern.transparency.timestamp import make_timestamp, make_token
from govern.transparency.trust import TrustRoot
from govern.transparency.trust_file import (
    NewKey,
    trusted_ids,
)
from govern.transparency.trust_parts import vouches

TITLES = {"ca": "identity authority", "tsa": "timestamp authority", "report": "report signer"}
ROOT_CERTIFICATE = "root.pem"
_GATE_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class KeyFiles:
    """The keys of one installation.

    Args:
        folder: where ``keys.json`` lies.
        issuer: who vouches for identities.
        trust: says which of a role's keys is in use; None: the newest.
        passphrase_file: opens encrypted key files.
    """

    def __init__(
        self,
        folder: Path,
        issuer: str,
        trust: TrustRoot | None = None,
        passphrase_file: Path | None = None,
    ) -> None:
        self.folder = folder
        self.store = KeyStore(folder, passphrase_file)
        self._issuer = issuer
        self._trusted = None if trust is None else trusted_ids(trust.raw)
        self._root = None if trust is None else trust.root
        self._records: dict[str, KeyRecord] = {}
        self._certs: dict[str, x509.Certificate] = {}

    def take_up(self, trust: TrustRoot) -> None:
        """Use the keys that a newer trust file has as current."""
        self._trusted, self._root = trusted_ids(trust.raw), trust.root
        self._records, self._certs = {}, {}

    def sign(
        self, payload: bytes, identity: str, now: datetime
    ) -> tuple[dict[str, Any], x509.Certificate, bytes]:
        """Sign a payload in the name of an established identity.

        The signing key is made for this one signature and thrown away; the certificate
        lives ten minutes; the timestamp proves the signature fell inside them.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = issue_identity(
            Identity(identity, self._issuer),
            key.public_key(),
            ca_key=self.ec_key("ca"),
            ca_cert=self.certificate("ca"),
            ct_key=self.ec_key("ct"),
            now=now,
        )
        envelope = sign_envelope(payload, key)
        return envelope, certificate, self._timestamp(envelope, now)

    def sign_release(self, payload: bytes, now: datetime) -> bytes:
        """Sign a folder's statement with the long-lived release key; return the key bundle."""
        key = self.ec_key("report")
        envelope = sign_envelope(payload, key)
        return write_key_bundle(envelope, p256_public(key), self._timestamp(envelope, now))

    def _timestamp(self, envelope: Mapping[str, Any], now: datetime) -> bytes:
        return make_timestamp(
            open_parts(envelope)[1],
            now=now,
            tsa_key=self.ec_key("tsa"),
            tsa_cert=self.certificate("tsa"),
            serial=secrets.randbits(63),
        )

    def sign_layout(self, layout: Mapping[str, Any]) -> bytes:
        """Sign an in-toto layout as its owner; return the envelope."""
        key = self.ec_key("layout")
        return in_toto.signed(layout, key, in_toto.public_key(p256_public(key))["keyid"])

    def layout_pem(self) -> bytes:
        """Return the public half of the layout key, for ``in-toto-verify``."""
        return public_pem(p256_public(self.ec_key("layout")))

    def record(self, role: str) -> KeyRecord:
        """Return the key of a role that is in use.

        Raises:
            StorageError: there is none.
        """
        if role not in self._records:
            known = [item for item in self.store.records() if item.role == role]
            usable = [item for item in known if self._trusted is None or item.id in self._trusted]
            if not usable:
                raise StorageError(
                    f"no {role} key of this home is valid in its trust file; "
                    "`govern key list` shows them"
                )
            self._records[role] = usable[-1]
        return self._records[role]

    def ec_key(self, role: str) -> Signer:
        """Return the P-256 key of a role."""
        return self.store.signer(self.record(role))

    def ed25519_key(self, role: str) -> Signer:
        """Return the Ed25519 key of a role."""
        return self.store.signer(self.record(role))

    def certificate(self, role: str) -> x509.Certificate:
        """Return the certificate of a role."""
        if role not in self._certs:
            self._certs[role] = self.store.certificate(self.record(role))
        return self._certs[role]

    def places(self) -> dict[str, str]:
        """Return where each key of this home lives: file, encrypted file, or token."""
        return {item.id: self.store.describe(item) for item in self.store.records()}

    def root_certificate(self, below: x509.Certificate | None = None) -> x509.Certificate:
        """Return a root's certificate, which is here even where its key is not.

        Args:
            below: a certificate that it issued; None: the certificate of the root in force.

        Raises:
            StorageError: it is not here.
        """
        for held in reversed(self._root_certificates()):
            in_force = self._root is None or certificate_key_id(held) in self._root.keys
            if in_force if below is None else vouches(held, below):
                return held
        raise StorageError(f"the root's certificate {ROOT_CERTIFICATE} is missing")

    def certificate_of_root(self, key: str) -> x509.Certificate:
        """Return the certificate of the root's key with this id.

        Raises:
            StorageError: it is not here.
        """
        for held in self._root_certificates():
            if certificate_key_id(held) == key:
                return held
        raise StorageError(f"the certificate of the root's key {key[:19]}… is missing")

    def root_keys(self) -> tuple[set[str], int]:
        """Return the ids of the root's keys in force, and how many must sign."""
        if self._root is None:
            return {certificate_key_id(self.root_certificate())}, 1
        return set(self._root.keys), self._root.threshold

    def keep_root(self, certificate: x509.Certificate) -> None:
        """Keep the certificate of a new root beside those before it."""
        file = _root_file(len(self._root_certificates()))
        write_durably(self.folder / file, certificate.public_bytes(Encoding.PEM))

    def _root_certificates(self) -> list[x509.Certificate]:
        """Return every root's certificate, oldest first."""
        found: list[x509.Certificate] = []
        while (self.folder / _root_file(len(found))).exists():
            data = self.store.read(_root_file(len(found)))
            found.append(x509.load_pem_x509_certificate(data))
        return found

    def chain_pem(self, role: str) -> bytes:
        """Return a role's certificate and that of the root which issued it."""
        own = self.certificate(role)
        chain = (own, self.root_certificate(own))
        return b"".join(cert.public_bytes(Encoding.PEM) for cert in chain)

    def keep_revocations(self, root: x509.Certificate, revocations: bytes) -> None:
        """Keep a root's revocation list, DER, beside its certificate."""
        file = self.folder / _root_file(self._root_certificates().index(root))
        write_durably(file.with_suffix(".crl"), revocations)

    def revocations(self, role: str) -> bytes | None:
        """Return the revocation list that covers a role's certificate; None: there is none."""
        place = self._root_certificates().index(self.root_certificate(self.certificate(role)))
        file = (self.folder / _root_file(place)).with_suffix(".crl")
        return file.read_bytes() if file.exists() else None

    def timestamp_token(self, digest: bytes, now: datetime) -> bytes:
        """Return the timestamp authority's token over a SHA-256 digest."""
        return make_token(
            digest,
            now=now,
            tsa_key=self.ec_key("tsa"),
            tsa_cert=self.certificate("tsa"),
            serial=secrets.randbits(63),
        )

    def note_signer(self, role: str, origin: str) -> NoteSigner:
        """Return the signer of a log."""
        return NoteSigner(origin, self.ed25519_key(role))


def _root_file(earlier: int) -> str:
    """The first root's certificate is ``root.pem``, the second ``root.2.pem``."""
    return f"root.{earlier + 1}.pem" if earlier else ROOT_CERTIFICATE


def lineage_origin(domain: str) -> str:
    """Return the lineage log's origin."""
    return f"{domain}/govern/lineage"


def gate_origin(domain: str, gate: str) -> str:
    """Return a gate log's origin."""
    return f"{domain}/govern/gate/{gate}"


def check_gate_name(name: str) -> str:
    """Return a gate's name if it can be one.

    Raises:
        InvalidRequestError: it cannot.
    """
    if not _GATE_NAME.fullmatch(name):
        raise InvalidRequestError(
            f"a gate's name has 1 to 63 of a-z, 0-9 and -, and begins with a letter or digit; "
            f"got {name[:70]!r}"
        )
    return name


def certify(
    keys: KeyFiles, root: Signer, role: str, signer: Signer, now: datetime
) -> x509.Certificate | None:
    """Return the root's certificate for a new key of a role; None where roles have none."""
    if role not in TITLES:
        return None
    above = keys.certificate_of_root(key_id(root.public_key()))
    organisation = _organisation(above)
    made = sum(record.role == role for record in _known(keys))
    subject = name(
        organisation, f"{organisation} {TITLES[role]}" + (f" {made + 1}" if made else "")
    )
    if role == "ca":
        return make_ca(subject, signer, root_key=root, root_cert=above, now=now)
    purpose = "timestamp" if role == "tsa" else "report"
    return make_service_cert(subject, signer, ca_key=root, ca_cert=above, purpose=purpose, now=now)


def _known(keys: KeyFiles) -> list[KeyRecord]:
    return keys.store.records() if (keys.folder / "keys.json").exists() else []


def _organisation(cert: x509.Certificate) -> str:
    (held,) = cert.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return str(held.value)


def new_key(keys: KeyFiles, record: KeyRecord) -> NewKey:
    """Return what a trust file says of a key of this home."""
    public = keys.store.signer(record).public_key()
    chain: tuple[x509.Certificate, ...] = ()
    if record.certificate is not None:
        own = keys.store.certificate(record)
        chain = (own, keys.root_certificate(own))
    return NewKey(public, chain)
