"""The trust root: the one file a regulator needs.

``trust.json`` holds a stock Sigstore client trust config (``sigstore``: certificate
authority, certificate log keys, timestamp authority, log keys, each with its validity
window) and what stock tools have no field for: every log with its note key, the key
that signs snapshots, who holds which role, and the thresholds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_der_public_key

from govern.errors import MalformedError, UntrustedSignerError
from govern.transparency.canonical import canonical_json, parse_json
from govern.transparency.encoding import format_time, parse_time, unb64
from govern.transparency.note import COSIGNATURE, NoteVerifier

MEDIA_TYPE = "application/vnd.govern.trust.v1+json"


@dataclass(frozen=True, slots=True)
class Window:
    """From when to when something is valid; ``end`` None means until further notice."""

    start: datetime
    end: datetime | None = None

    def covers(self, moment: datetime) -> bool:
        """Say whether ``moment`` lies in the window, both ends included."""
        return self.start <= moment and (self.end is None or moment <= self.end)

    def to_json(self) -> dict[str, str]:
        """Return the ``validFor`` object."""
        end = {"end": format_time(self.end)} if self.end else {}
        return {"start": format_time(self.start), **end}

    @classmethod
    def from_json(cls, value: Any) -> Window:
        """Read a ``validFor`` object."""
        if not isinstance(value, dict) or not set(value) <= {"start", "end"}:
            raise MalformedError("validFor has start and, if it ended, end")
        end = parse_time(value["end"]) if "end" in value else None
        return cls(parse_time(value.get("start")), end)


@dataclass(frozen=True, slots=True)
class TrustedLog:
    """A log whose checkpoints are believed: ``kind`` is ``lineage`` or ``gate``."""

    verifier: NoteVerifier
    kind: str
    valid: Window

    @property
    def origin(self) -> str:
        """The log's name."""
        return self.verifier.name


@dataclass(frozen=True, slots=True)
class TrustedWitness:
    """A witness whose cosignatures count; several keys of one name count once."""

    verifier: NoteVerifier
    valid: Window

    @classmethod
    def from_json(cls, value: Any) -> TrustedWitness:
        """Read ``{name, vkey, validFor}``."""
        verifier = NoteVerifier.from_vkey(value["vkey"], COSIGNATURE)
        if verifier.name != value["name"]:
            raise MalformedError(f"the key of witness {value['name']!r:.80} has another name")
        return cls(verifier, Window.from_json(value["validFor"]))


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A key for one role.

    Raw Ed25519 for ``snapshot``; DER SubjectPublicKeyInfo (P-256) for ``release``, which
    signs model and data folders, and ``layout``, which signs in-toto layouts.
    """

    role: str
    public_key: bytes
    valid: Window


@dataclass(frozen=True, slots=True)
class TrustRoot:
    """Everything that is believed without further proof."""

    ca_chain: tuple[x509.Certificate, ...]
    ca_valid: Window
    ct_keys: tuple[tuple[bytes, Window], ...]
    tsa_chain: tuple[x509.Certificate, ...]
    tsa_valid: Window
    logs: tuple[TrustedLog, ...]
    keys: tuple[TrustedKey, ...]
    issuers: tuple[str, ...]
    roles: Mapping[str, tuple[str, ...]]
    thresholds: Mapping[str, int]
    raw: bytes = field(repr=False)
    witnesses: tuple[TrustedWitness, ...] = ()

    @classmethod
    def from_json(cls, data: bytes) -> TrustRoot:
        """Read ``trust.json``.

        Raises:
            MalformedError: it is not a trust file, in whole or in part.
        """
        value = parse_json(data)
        try:
            return _read(value, data)
        except (KeyError, TypeError, IndexError, AttributeError) as error:
            raise MalformedError(f"not a trust file: {error!r:.100}") from None
        except ValueError as error:
            raise MalformedError(f"trust file: {str(error)[:100]}") from None

    def log(self, origin: str, at: datetime | None = None) -> TrustedLog:
        """Return the log with this origin.

        Raises:
            UntrustedSignerError: none is trusted, or its key was not valid at ``at``.
        """
        found = [log for log in self.logs if log.origin == origin]
        if not found:
            raise UntrustedSignerError(f"the log {origin!r} is not in the trust file")
        valid = [log for log in found if at is None or log.valid.covers(at)]
        if not valid:
            raise UntrustedSignerError(f"the key of log {origin!r} was not valid at {at}")
        return valid[0]

    def log_by_id(self, key_id: bytes) -> TrustedLog:
        """Return the log whose full key id is ``key_id``."""
        from govern.transparency.note import full_key_id

        for log in self.logs:
            if full_key_id(log.origin, log.verifier.public_key) == key_id:
                return log
        raise UntrustedSignerError("the entry's log is not in the trust file")

    @property
    def witness_threshold(self) -> int:
        """How many witnesses must have cosigned a checkpoint; 0 asks for none."""
        return self.thresholds.get("witness", 0)

    def role_keys(self, role: str, at: datetime) -> list[bytes]:
        """Return the keys for ``role`` that are valid at ``at``, encoded as the role has them."""
        return [key.public_key for key in self.keys if key.role == role and key.valid.covers(at)]

    def has_role(self, person: str, role: str) -> bool:
        """Say whether ``person`` (an e-mail address) holds ``role``."""
        return person in self.roles.get(role, ())

    def require_role(self, person: str, role: str, what: str) -> None:
        """Refuse a signer without the role.

        Raises:
            UntrustedSignerError: ``person`` does not hold ``role``.
        """
        if not self.has_role(person, role):
            raise UntrustedSignerError(f"{what} was signed by {person}, who is not a {role}")


def _read(value: Any, data: bytes) -> TrustRoot:
    if value.get("mediaType") != MEDIA_TYPE or data != canonical_json(value):
        raise MalformedError(f"expected a trust file in canonical JSON with mediaType {MEDIA_TYPE}")
    root = value["sigstore"]["trustedRoot"]
    ca, tsa = root["certificateAuthorities"][0], root["timestampAuthorities"][0]
    return TrustRoot(
        ca_chain=_chain(ca),
        ca_valid=Window.from_json(ca["validFor"]),
        ct_keys=tuple(
            (
                _spki(log["publicKey"]["rawBytes"]),
                Window.from_json(log["publicKey"]["validFor"]),
            )
            for log in root["ctlogs"]
        ),
        tsa_chain=_chain(tsa),
        tsa_valid=Window.from_json(tsa["validFor"]),
        logs=tuple(
            TrustedLog(
                NoteVerifier.from_vkey(log["vkey"]), log["kind"], Window.from_json(log["validFor"])
            )
            for log in value["logs"]
        ),
        keys=tuple(
            TrustedKey(key["role"], _role_key(key), Window.from_json(key["validFor"]))
            for key in value["keys"]
        ),
        issuers=tuple(value["issuers"]),
        roles={role: tuple(people) for role, people in value["roles"].items()},
        thresholds={name: int(count) for name, count in value["thresholds"].items()},
        raw=data,
        witnesses=tuple(TrustedWitness.from_json(item) for item in value.get("witnesses", [])),
    )


def _chain(authority: Any) -> tuple[x509.Certificate, ...]:
    chain = tuple(
        x509.load_der_x509_certificate(unb64(item["rawBytes"], "certificate"))
        for item in authority["certChain"]["certificates"]
    )
    for certificate in chain:
        _require_key(certificate.public_key)
    return chain


def _role_key(key: Any) -> bytes:
    """Return a role's key; only ``snapshot`` is a raw Ed25519 key of 32 bytes."""
    return unb64(key["publicKey"], "key") if key["role"] == "snapshot" else _spki(key["publicKey"])


def _spki(text: Any) -> bytes:
    """Return a DER SubjectPublicKeyInfo that holds a key which can be read."""
    der = unb64(text, "public key")
    _require_key(lambda: load_der_public_key(der))
    return der


def _require_key(read: Callable[[], object]) -> None:
    try:
        read()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise MalformedError(f"trust file: a public key cannot be read: {error!s:.80}") from None
