"""The keys of an installation: which signs what, and the trust root they make.

``create_keys`` runs once, on purpose (``govern init``). Each role has its own key: root
(certifies the authorities and signs the trust file; may be kept apart), certificate
authority, certificate log, timestamp authority, lineage log, one log per gate, snapshots,
report and releases, in-toto layouts. Where the private halves lie is ``key_store``'s part.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from govern.adapters.files import write_durably
from govern.adapters.key_store import ROOT, KeyRecord, KeyStore
from govern.domain import in_toto
from govern.errors import InvalidRequestError, StorageError
from govern.transparency.encoding import b64, format_time
from govern.transparency.envelope import open_parts, sign_envelope
from govern.transparency.identity import (
    Identity,
    issue_identity,
    make_ca,
    make_root,
    make_service_cert,
    name,
)
from govern.transparency.note import NoteSigner
from govern.transparency.oms import public_pem, write_key_bundle
from govern.transparency.signer import Signer, ed25519_public, p256_public, spki
from govern.transparency.timestamp import make_timestamp
from govern.transparency.trust import MEDIA_TYPE, TrustRoot
from govern.transparency.trust_file import (
    GATE,
    NewKey,
    Value,
    authority_entry,
    log_entry,
    root_entry,
    sign_trust,
    transparency_log,
    trusted_ids,
)
from govern.transparency.trust_parts import Window

TITLES = {"ca": "identity authority", "tsa": "timestamp authority", "report": "report signer"}
ROOT_CERTIFICATE = "root.pem"
_GATE_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_ROLES = ("ca", "ct", "tsa", "report", "layout", "lineage-log", "snapshot")


@dataclass(frozen=True, slots=True)
class Organisation:
    """What ``govern init`` is told: names, people, thresholds, and keys that live in tokens."""

    name: str
    domain: str
    issuer: str
    roles: Mapping[str, Sequence[str]]
    gates: Sequence[str]
    approvals: int = 2
    tokens: Mapping[str, str] = field(default_factory=dict)
    """Role to PKCS#11 URI; the other roles' keys lie in files."""


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
        self._records: dict[str, KeyRecord] = {}
        self._certs: dict[str, x509.Certificate] = {}

    def take_up(self, trust: TrustRoot) -> None:
        """Use the keys that a newer trust file has as current."""
        self._trusted = trusted_ids(trust.raw)
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

    def root_certificate(self) -> x509.Certificate:
        """Return the root's certificate, which is here even where its key is not."""
        return x509.load_pem_x509_certificate(self.store.read(ROOT_CERTIFICATE))

    def chain_pem(self, role: str) -> bytes:
        """Return a role's certificate and the root's."""
        chain = (self.certificate(role), self.root_certificate())
        return b"".join(cert.public_bytes(Encoding.PEM) for cert in chain)

    def note_signer(self, role: str, origin: str) -> NoteSigner:
        """Return the signer of a log."""
        return NoteSigner(origin, self.ed25519_key(role))


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


def create_keys(
    folder: Path,
    organisation: Organisation,
    now: datetime,
    *,
    root_folder: Path | None = None,
    passphrase_file: Path | None = None,
) -> bytes:
    """Create every key and return the bytes of ``trust.json``.

    Args:
        folder: where the keys go.
        organisation: names, people, gates, tokens.
        now: from when on the keys are valid.
        root_folder: where the root's key goes instead, to be taken away.
        passphrase_file: encrypts every key file.

    Raises:
        StorageError: keys are there already, or cannot be made.
    """
    apart = root_folder or folder
    for gate in organisation.gates:
        check_gate_name(gate)
    if (folder / "keys.json").exists() or (apart / "root.key").exists():
        raise StorageError("keys exist already; `govern key rotate` replaces them")
    for holder in (folder, apart):
        holder.mkdir(parents=True, exist_ok=True, mode=0o700)
    keys = KeyFiles(folder, organisation.issuer, passphrase_file=passphrase_file)
    root = _create_root(keys, KeyStore(apart, passphrase_file), organisation, now)
    for role in (*_ROLES, *(f"{GATE}{gate}" for gate in organisation.gates)):
        signer, place = keys.store.make(role, organisation.tokens.get(role))
        keys.store.keep(role, signer, place, certify(keys, root, role, signer, now), now)
    return sign_trust(_trust_value(keys, root, organisation, now), [root])


def _create_root(
    keys: KeyFiles, apart: KeyStore, organisation: Organisation, now: datetime
) -> Signer:
    root, place = apart.make(ROOT, organisation.tokens.get(ROOT))
    certificate = make_root(name(organisation.name, f"{organisation.name} root"), root, now=now)
    apart.keep(ROOT, root, place, certificate, now)
    write_durably(keys.folder / ROOT_CERTIFICATE, certificate.public_bytes(Encoding.PEM))
    return root


def certify(
    keys: KeyFiles, root: Signer, role: str, signer: Signer, now: datetime
) -> x509.Certificate | None:
    """Return the root's certificate for a new key of a role; None where roles have none."""
    if role not in TITLES:
        return None
    above = keys.root_certificate()
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
        chain = (keys.store.certificate(record), keys.root_certificate())
    return NewKey(public, chain)


def _trust_value(keys: KeyFiles, root: Signer, organisation: Organisation, now: datetime) -> Value:
    """Return ``trust.json`` for these keys, valid from ``now`` on and not yet signed."""
    at = now.replace(microsecond=0)
    gates = [
        (gate_origin(organisation.domain, gate), f"{GATE}{gate}") for gate in organisation.gates
    ]
    logs = [(lineage_origin(organisation.domain), "lineage-log", "lineage")]
    logs += [(origin, role, "gate") for origin, role in gates]
    others = {
        "snapshot": ed25519_public(keys.ed25519_key("snapshot")),
        "release": spki(keys.ec_key("report").public_key()),
        "layout": spki(keys.ec_key("layout").public_key()),
    }
    report = new_key(keys, keys.record("report"))
    return {
        "mediaType": MEDIA_TYPE,
        "version": 1,
        "issuedAt": format_time(at),
        "reason": "initialised",
        "root": root_entry([root.public_key()]),
        "sigstore": _sigstore_config(keys, organisation, at),
        "logs": [
            log_entry(origin, kind, keys.ed25519_key(role).public_key(), at)
            for origin, role, kind in logs
        ],
        "keys": [
            {"role": role, "publicKey": b64(data), "validFor": Window(at).to_json()}
            for role, data in others.items()
        ],
        "reportSigners": [
            authority_entry(
                organisation.name, f"https://{organisation.domain}/govern/report", report, at
            )
        ],
        "issuers": [organisation.issuer],
        "roles": {role: list(people) for role, people in organisation.roles.items()},
        "thresholds": {"approval": organisation.approvals},
    }


def _sigstore_config(keys: KeyFiles, organisation: Organisation, at: datetime) -> Value:
    """Return a stock client trust config v0.1 that sigstore tools read as it is."""
    origin, base = lineage_origin(organisation.domain), f"https://{organisation.domain}/govern"
    known = {role: new_key(keys, keys.record(role)) for role in _ROLES}
    root = {
        "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
        "tlogs": [transparency_log(f"https://{origin}", known["lineage-log"].public, origin, at)],
        "certificateAuthorities": [
            authority_entry(organisation.name, f"{base}/ca", known["ca"], at)
        ],
        "ctlogs": [transparency_log(f"{base}/ct", known["ct"].public, None, at)],
        "timestampAuthorities": [
            authority_entry(organisation.name, f"{base}/tsa", known["tsa"], at)
        ],
    }
    return {
        "mediaType": "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json",
        "trustedRoot": root,
        "signingConfig": {"mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json"},
    }
