"""Make the first keys of an installation, and its first trust file.

``create_keys`` runs once, on purpose (``govern init``). Each role has its own key: root
(certifies the authorities and signs the trust file; may be kept apart), certificate
authority, certificate log, timestamp authority, lineage log, one log per gate, snapshots,
report and releases, in-toto layouts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding

from govern.adapters.key_store import ROOT, KeyStore
from govern.adapters.keys_files import (
    KeyFiles,
    certify,
    check_gate_name,
    gate_origin,
    lineage_origin,
    new_key,
)
from govern.errors import StorageError
from govern.transparency.encoding import b64, format_time
from govern.transparency.identity import make_revocation_list, make_root, name
from govern.transparency.signer import Signer, ed25519_public, spki
from govern.transparency.trust import MEDIA_TYPE
from govern.transparency.trust_file import (
    GATE,
    Value,
    authority_entry,
    log_entry,
    root_entry,
    sign_trust,
    transparency_log,
)
from govern.transparency.trust_parts import Window

ROLES = ("ca", "ct", "tsa", "report", "layout", "lineage-log", "snapshot")


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
    for role in (*ROLES, *(f"{GATE}{gate}" for gate in organisation.gates)):
        signer, place = keys.store.make(role, organisation.tokens.get(role))
        keys.store.keep(role, signer, place, certify(keys, root, role, signer, now), now)
    above = keys.root_certificate()
    nothing = make_revocation_list(above, root, {}, number=1, now=now)
    keys.keep_revocations(above, nothing.public_bytes(Encoding.DER))
    return sign_trust(_trust_value(keys, root, organisation, now), [root])


def _create_root(
    keys: KeyFiles, apart: KeyStore, organisation: Organisation, now: datetime
) -> Signer:
    root, place = apart.make(ROOT, organisation.tokens.get(ROOT))
    certificate = make_root(name(organisation.name, f"{organisation.name} root"), root, now=now)
    keys.keep_root(certificate)
    apart.keep(ROOT, root, place, certificate, now)
    return root


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
    known = {role: new_key(keys, keys.record(role)) for role in ROLES}
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
