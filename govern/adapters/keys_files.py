"""Signing keys in files, and the trust root they make.

``create_keys`` runs once, on purpose (``govern init``). Each role has its own key:
certificate authority, certificate log, timestamp authority, lineage log, one log per
gate, snapshots, report and releases, in-toto layouts. Files are readable by their owner alone.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from govern.adapters.files import write_durably
from govern.domain import in_toto
from govern.errors import StorageError
from govern.transparency.canonical import canonical_json
from govern.transparency.encoding import b64
from govern.transparency.envelope import open_parts, sign_envelope
from govern.transparency.identity import (
    Identity,
    issue_identity,
    make_ca,
    make_service_cert,
    name,
)
from govern.transparency.note import NoteSigner, full_key_id
from govern.transparency.oms import public_pem, write_key_bundle
from govern.transparency.timestamp import make_timestamp
from govern.transparency.trust import MEDIA_TYPE, Window

_EC_ROLES = ("ca", "ct", "tsa", "report", "layout")
_NOTE_ROLES = ("lineage-log", "snapshot")


@dataclass(frozen=True, slots=True)
class Organisation:
    """What ``govern init`` is told: names, people and thresholds."""

    name: str
    domain: str
    issuer: str
    roles: Mapping[str, Sequence[str]]
    gates: Sequence[str]
    approvals: int = 2


class KeyFiles:
    """The keys of one installation."""

    def __init__(self, folder: Path, issuer: str) -> None:
        self.folder = folder
        self._issuer = issuer
        self._ec: dict[str, ec.EllipticCurvePrivateKey] = {}
        self._certs: dict[str, x509.Certificate] = {}

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
        timestamp = self._timestamp(envelope, now)
        return envelope, certificate, timestamp

    def sign_release(self, payload: bytes, now: datetime) -> bytes:
        """Sign a folder's statement with the long-lived release key; return the key bundle."""
        key = self.ec_key("report")
        envelope = sign_envelope(payload, key)
        timestamp = self._timestamp(envelope, now)
        return write_key_bundle(envelope, key.public_key(), timestamp)

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
        return in_toto.signed(layout, key, in_toto.public_key(key.public_key())["keyid"])

    def layout_pem(self) -> bytes:
        """Return the public half of the layout key, for ``in-toto-verify``."""
        return public_pem(self.ec_key("layout").public_key())

    def ec_key(self, role: str) -> ec.EllipticCurvePrivateKey:
        """Return the P-256 key of a role."""
        if role not in self._ec:
            key = load_pem_private_key(self._read(f"{role}.key"), None)
            assert isinstance(key, ec.EllipticCurvePrivateKey)
            self._ec[role] = key
        return self._ec[role]

    def spki(self, role: str) -> bytes:
        """Return the public half of a P-256 key as DER SubjectPublicKeyInfo."""
        return (
            self.ec_key(role)
            .public_key()
            .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        )

    def certificate(self, role: str) -> x509.Certificate:
        """Return the certificate of a role."""
        if role not in self._certs:
            self._certs[role] = x509.load_pem_x509_certificate(self._read(f"{role}.pem"))
        return self._certs[role]

    def ed25519_key(self, role: str) -> Ed25519PrivateKey:
        """Return the Ed25519 key of a role."""
        key = load_pem_private_key(self._read(f"{role}.key"), None)
        assert isinstance(key, Ed25519PrivateKey)
        return key

    def pem(self, file: str) -> bytes:
        """Return a key or certificate file as it is."""
        return self._read(file)

    def note_signer(self, role: str, origin: str) -> NoteSigner:
        """Return the signer of a log."""
        return NoteSigner(origin, self.ed25519_key(role))

    def _read(self, file: str) -> bytes:
        try:
            return (self.folder / file).read_bytes()
        except FileNotFoundError:
            raise StorageError(f"key file {file} is missing; was `govern init` run?") from None


def lineage_origin(domain: str) -> str:
    """Return the lineage log's origin."""
    return f"{domain}/govern/lineage"


def gate_origin(domain: str, gate: str) -> str:
    """Return a gate log's origin."""
    return f"{domain}/govern/gate/{gate}"


def create_keys(folder: Path, organisation: Organisation, now: datetime) -> bytes:
    """Create every key and return the bytes of ``trust.json``.

    Raises:
        StorageError: keys are there already.
    """
    if (folder / "ca.key").exists():
        raise StorageError("keys exist already; `govern key rotate` replaces them")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    keys = KeyFiles(folder, organisation.issuer)
    for role in _EC_ROLES:
        _write_key(folder / f"{role}.key", ec.generate_private_key(ec.SECP256R1()))
    for role in (*_NOTE_ROLES, *(f"gate-{gate}" for gate in organisation.gates)):
        _write_key(folder / f"{role}.key", Ed25519PrivateKey.generate())
    _write_certificates(keys, organisation, now)
    return trust_file(keys, organisation, now)


def _write_certificates(keys: KeyFiles, organisation: Organisation, now: datetime) -> None:
    ca = make_ca(name(organisation.name, f"{organisation.name} CA"), keys.ec_key("ca"), now=now)
    write_durably(keys.folder / "ca.pem", ca.public_bytes(Encoding.PEM))
    for role, purpose, title in (
        ("tsa", "timestamp", "timestamp authority"),
        ("report", "report", "report signer"),
    ):
        certificate = make_service_cert(
            name(organisation.name, f"{organisation.name} {title}"),
            keys.ec_key(role),
            ca_key=keys.ec_key("ca"),
            ca_cert=ca,
            purpose=purpose,
            now=now,
        )
        write_durably(keys.folder / f"{role}.pem", certificate.public_bytes(Encoding.PEM))


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey | Ed25519PrivateKey) -> None:
    data = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    write_durably(path, data, mode=0o600)


def trust_file(keys: KeyFiles, organisation: Organisation, now: datetime) -> bytes:
    """Return ``trust.json`` for these keys, valid from ``now`` on."""
    valid = Window(now.replace(microsecond=0)).to_json()
    gates = [
        (gate_origin(organisation.domain, gate), f"gate-{gate}") for gate in organisation.gates
    ]
    logs = [(lineage_origin(organisation.domain), "lineage-log", "lineage")]
    logs += [(origin, role, "gate") for origin, role in gates]
    snapshot = keys.ed25519_key("snapshot").public_key().public_bytes_raw()
    return canonical_json(
        {
            "mediaType": MEDIA_TYPE,
            "sigstore": _sigstore_config(keys, organisation, valid),
            "logs": [
                {"origin": origin, "vkey": keys.note_signer(role, origin).vkey}
                | {"kind": kind, "validFor": valid}
                for origin, role, kind in logs
            ],
            "keys": [
                {"role": "snapshot", "publicKey": b64(snapshot), "validFor": valid},
                {"role": "release", "publicKey": b64(keys.spki("report")), "validFor": valid},
                {"role": "layout", "publicKey": b64(keys.spki("layout")), "validFor": valid},
            ],
            "issuers": [organisation.issuer],
            "roles": {role: list(people) for role, people in organisation.roles.items()},
            "thresholds": {"approval": organisation.approvals},
        }
    )


def _sigstore_config(
    keys: KeyFiles, organisation: Organisation, valid: dict[str, str]
) -> dict[str, Any]:
    """Return a stock client trust config v0.1 that sigstore tools read as it is."""
    origin = lineage_origin(organisation.domain)
    log_key = keys.ed25519_key("lineage-log").public_key()
    ct_key = keys.ec_key("ct").public_key()
    ct_spki = ct_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    log_spki = log_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    root = {
        "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
        "tlogs": [
            _trusted_log(
                f"https://{origin}",
                log_spki,
                "PKIX_ED25519",
                full_key_id(origin, log_key.public_bytes_raw()),
                valid,
            )
        ],
        "certificateAuthorities": [_authority(keys, organisation, ["ca"], "ca", valid)],
        "ctlogs": [
            _trusted_log(
                f"https://{organisation.domain}/govern/ct",
                ct_spki,
                "PKIX_ECDSA_P256_SHA_256",
                _sha256(ct_spki),
                valid,
            )
        ],
        "timestampAuthorities": [_authority(keys, organisation, ["tsa", "ca"], "tsa", valid)],
    }
    return {
        "mediaType": "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json",
        "trustedRoot": root,
        "signingConfig": {"mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json"},
    }


def _sha256(data: bytes) -> bytes:
    import hashlib

    return hashlib.sha256(data).digest()


def _trusted_log(
    url: str, spki: bytes, details: str, key_id: bytes, valid: dict[str, str]
) -> dict[str, Any]:
    return {
        "baseUrl": url,
        "hashAlgorithm": "SHA2_256",
        "publicKey": {"rawBytes": b64(spki), "keyDetails": details, "validFor": valid},
        "logId": {"keyId": b64(key_id)},
    }


def _authority(
    keys: KeyFiles,
    organisation: Organisation,
    chain: Sequence[str],
    path: str,
    valid: dict[str, str],
) -> dict[str, Any]:
    ders = [keys.certificate(role).public_bytes(Encoding.DER) for role in chain]
    return {
        "subject": {"organization": organisation.name, "commonName": organisation.name},
        "uri": f"https://{organisation.domain}/govern/{path}",
        "certChain": {"certificates": [{"rawBytes": b64(der)} for der in ders]},
        "validFor": valid,
    }
