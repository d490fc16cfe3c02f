"""Write trust files: which entries a key has in one, ending a key, adding its successor.

All of it is pure: a trust file is a JSON object, an edit returns nothing and changes that
object in place, and ``sign_trust`` turns it into the bytes that are given away. One key
may stand in several entries (a log key stands in the stock part and in ours); an edit
touches all of them, found by the key's id.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, load_der_public_key

from govern.errors import NotFoundError
from govern.transparency.canonical import canonical_json, parse_json
from govern.transparency.certificates import load_certificate
from govern.transparency.digest import digest_of, hex_of
from govern.transparency.encoding import b64, format_time, unb64
from govern.transparency.note import NoteVerifier, full_key_id
from govern.transparency.signer import (
    PublicKey,
    Signer,
    algorithm_of,
    certificate_key_id,
    key_id,
    raw_key_id,
    spki,
)
from govern.transparency.trust import signed_body
from govern.transparency.trust_parts import Window

GATE = "gate-"
Value = dict[str, Any]


@dataclass(frozen=True, slots=True)
class NewKey:
    """The public half of a new key, with its certificate and the issuers up to the root."""

    public: PublicKey
    chain: tuple[x509.Certificate, ...] = ()

    @property
    def id(self) -> str:
        """The key's id."""
        return key_id(self.public)


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """A key in a trust file: whose, which, from when to when."""

    role: str
    id: str
    algorithm: str
    valid: Window


def sign_trust(value: Mapping[str, Any], roots: Sequence[Signer]) -> bytes:
    """Return the bytes of ``trust.json``, signed by the root's keys."""
    body = signed_body(value)
    signatures = [
        {"keyid": key_id(root.public_key()), "sig": b64(root.sign(body))} for root in roots
    ]
    return canonical_json({**value, "signatures": signatures})


def root_entry(keys: Sequence[PublicKey], threshold: int = 1) -> Value:
    """Return the ``root`` member: who signs trust files, and how many must."""
    listed = [{"id": key_id(key), "publicKey": b64(spki(key))} for key in keys]
    return {"keys": listed, "threshold": threshold}


def next_version(data: bytes, *, now: datetime, reason: str) -> Value:
    """Return a copy of a trust file to edit, one version on and not signed."""
    value: Value = copy.deepcopy(parse_json(data))
    del value["signatures"]
    issued = format_time(now.replace(microsecond=0))
    return {**value, "version": value["version"] + 1, "issuedAt": issued, "reason": reason}


def key_entries(value: Mapping[str, Any]) -> list[KeyEntry]:
    """Return every key of a trust file once per role, in the order of its windows."""
    found: dict[tuple[str, str, str], KeyEntry] = {}
    for role, entry, held in _places(value):
        valid = Window.from_json(held["validFor"])
        public = _public_of(entry)
        kind = f"passkey, {algorithm_of(public)}" if "passkey" in entry else algorithm_of(public)
        item = KeyEntry(role, _id_of(entry), kind, valid)
        found[role, item.id, format_time(valid.start)] = item
    return sorted(found.values(), key=lambda item: (item.role, item.valid.start))


def trusted_ids(data: bytes) -> set[str]:
    """Return the ids of the keys whose window is open in a trust file's bytes."""
    return {item.id for item in key_entries(parse_json(data)) if item.valid.end is None}


def current_key(value: Mapping[str, Any], role: str) -> KeyEntry:
    """Return the key of a role whose window is open.

    Raises:
        NotFoundError: the role has none.
    """
    found = [item for item in key_entries(value) if item.role == role and item.valid.end is None]
    if not found:
        raise NotFoundError(f"no current key of role {role!r}; see `govern key list`")
    return found[-1]


def end_key(value: Value, identifier: str, at: datetime) -> None:
    """End every window of a key at ``at``; one that ended earlier stays so."""
    for _, entry, held in _places(value):
        if _id_of(entry) == identifier:
            valid = Window.from_json(held["validFor"])
            if valid.end is None or at < valid.end:
                held["validFor"] = Window(valid.start, at).to_json()


def succeed(value: Value, identifier: str, new: NewKey, at: datetime) -> None:
    """Add ``new`` beside every entry of a key, valid from ``at`` on."""
    for holder in _lists(value):
        for entry in [one for one in holder if _id_of(one) == identifier]:
            added = _with_key(copy.deepcopy(entry), new)
            _window_holder(added)["validFor"] = Window(at).to_json()
            if added not in holder:
                holder.append(added)


def revoked_entry(identifier: str, *, since: datetime, at: datetime, reason: str) -> Value:
    """Return an item of ``revoked``: a key that ended because it was stolen or lost."""
    return {
        "id": identifier,
        "since": format_time(since),
        "revokedAt": format_time(at),
        "reason": reason,
    }


def gate_role(origin: str) -> str:
    """Return the role of the key of a gate's log."""
    return GATE + origin.rsplit("/", 1)[-1]


def log_entry(origin: str, kind: str, public: PublicKey, at: datetime) -> Value:
    """Return an item of ``logs``."""
    vkey = NoteVerifier(origin, _raw(public)).vkey
    return {"origin": origin, "vkey": vkey, "kind": kind, "validFor": Window(at).to_json()}


def transparency_log(url: str, public: PublicKey, origin: str | None, at: datetime) -> Value:
    """Return an item of ``tlogs`` (with an origin) or ``ctlogs`` in Sigstore's trusted root."""
    entry = {
        "baseUrl": url,
        "hashAlgorithm": "SHA2_256",
        "publicKey": {"validFor": Window(at).to_json()},
        "logId": {"keyId": ""},
    }
    return _with_log_key(entry, public, origin)


def authority_entry(organisation: str, uri: str, new: NewKey, at: datetime) -> Value:
    """Return an item of ``certificateAuthorities`` and its like."""
    return {
        "subject": {"organization": organisation, "commonName": organisation},
        "uri": uri,
        "certChain": _chain_json(new.chain),
        "validFor": Window(at).to_json(),
    }


def _chain_json(chain: Sequence[x509.Certificate]) -> Value:
    return {"certificates": [{"rawBytes": b64(cert.public_bytes(Encoding.DER))} for cert in chain]}


def _named_lists(value: Mapping[str, Any]) -> Iterator[tuple[str, list[Any]]]:
    root = value["sigstore"]["trustedRoot"]
    yield "ca", root["certificateAuthorities"]
    yield "tsa", root["timestampAuthorities"]
    yield "ct", root["ctlogs"]
    yield "lineage-log", root["tlogs"]
    yield "report", value["reportSigners"]
    yield "", value["logs"]
    yield "", value["keys"]


def _lists(value: Mapping[str, Any]) -> Iterator[list[Any]]:
    return (holder for _, holder in _named_lists(value))


def _places(value: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Yield role, entry, and the object that holds the entry's window."""
    for named, holder in _named_lists(value):
        for entry in holder:
            yield named or _role_of(entry), entry, _window_holder(entry)


def _role_of(entry: Mapping[str, Any]) -> str:
    if "vkey" in entry:
        return "lineage-log" if entry["kind"] == "lineage" else gate_role(entry["origin"])
    return str(entry["role"])


def _window_holder(entry: Any) -> Any:
    return entry["publicKey"] if isinstance(entry.get("publicKey"), dict) else entry


def _certificate(entry: Mapping[str, Any]) -> x509.Certificate:
    first = entry["certChain"]["certificates"][0]["rawBytes"]
    return load_certificate(unb64(first, "certificate"))


def _key_bytes(entry: Mapping[str, Any]) -> bytes:
    """Return raw Ed25519 bytes or a DER SubjectPublicKeyInfo, as the entry has it."""
    if "vkey" in entry:
        return NoteVerifier.from_vkey(entry["vkey"]).public_key
    held = entry["publicKey"]
    return unb64(held["rawBytes"] if isinstance(held, dict) else held, "key")


def _id_of(entry: Mapping[str, Any]) -> str:
    if "certChain" in entry:
        return certificate_key_id(_certificate(entry))
    data = _key_bytes(entry)
    return raw_key_id(data) if len(data) == 32 else digest_of(data)


def _public_of(entry: Mapping[str, Any]) -> Any:
    if "certChain" in entry:
        return _certificate(entry).public_key()
    data = _key_bytes(entry)
    return (
        Ed25519PublicKey.from_public_bytes(data) if len(data) == 32 else load_der_public_key(data)
    )


def _with_key(entry: Value, new: NewKey) -> Value:
    if "certChain" in entry:
        return {**entry, "certChain": _chain_json(new.chain)}
    if "logId" in entry:
        origin = entry["baseUrl"].removeprefix("https://")
        log = entry["publicKey"]["keyDetails"] == "PKIX_ED25519"
        return _with_log_key(entry, new.public, origin if log else None)
    if "vkey" in entry:
        return {**entry, "vkey": NoteVerifier(entry["origin"], _raw(new.public)).vkey}
    return {
        **entry,
        "publicKey": b64(_raw(new.public) if _is_raw(new.public) else spki(new.public)),
    }


def _with_log_key(entry: Value, public: PublicKey, origin: str | None) -> Value:
    data = spki(public)
    held = {**entry["publicKey"], "rawBytes": b64(data)}
    if origin is None:
        held["keyDetails"] = "PKIX_ECDSA_P256_SHA_256"
        identifier = bytes.fromhex(hex_of(digest_of(data)))
    else:
        held["keyDetails"] = "PKIX_ED25519"
        identifier = full_key_id(origin, _raw(public))
    return {**entry, "publicKey": held, "logId": {"keyId": b64(identifier)}}


def _is_raw(public: PublicKey) -> bool:
    return isinstance(public, Ed25519PublicKey)


def _raw(public: PublicKey) -> bytes:
    if not isinstance(public, Ed25519PublicKey):
        raise TypeError("this key must be Ed25519")
    return public.public_bytes_raw()
