"""What a trust file is made of: authorities, logs, witnesses, keys, the root, revocations.

Each has its window: from when to when what it signed counts. Reading only; which of them
vouches for what is ``govern.transparency.trust``'s part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

from govern.errors import MalformedError, SignatureError, UntrustedSignerError
from govern.transparency.certificates import load_certificate
from govern.transparency.digest import check_digest, digest_of
from govern.transparency.encoding import format_time, parse_time, unb64
from govern.transparency.note import COSIGNATURE, NoteVerifier
from govern.transparency.passkey import Passkey
from govern.transparency.signer import certificate_key_id, raw_key_id

ROOT_KEYS_MAX = 16
REVOKED_MAX = 10_000
REASON_CHARS_MAX = 2_000


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


class Windowed(Protocol):
    """A key with a window."""

    @property
    def id(self) -> str:
        """The key's id."""

    @property
    def valid(self) -> Window:
        """When what it signs counts."""


@dataclass(frozen=True, slots=True)
class TrustedAuthority:
    """An authority's certificates, its own first and the root last, and its window."""

    chain: tuple[x509.Certificate, ...]
    valid: Window

    @property
    def id(self) -> str:
        """The key's id."""
        return certificate_key_id(self.chain[0])

    def vouches_for(self, cert: x509.Certificate) -> bool:
        """Say whether ``cert`` is this authority's own, or issued by it."""
        return cert == self.chain[0] or vouches(self.chain[0], cert)

    @classmethod
    def from_json(cls, value: Any) -> TrustedAuthority:
        """Read an item of ``certificateAuthorities`` and its like."""
        chain = tuple(
            load_certificate(unb64(item["rawBytes"], "certificate"))
            for item in value["certChain"]["certificates"]
        )
        if not chain:
            raise MalformedError("an authority has at least its own certificate")
        for certificate in chain:
            _require_key(certificate.public_key)
        return cls(chain, Window.from_json(value["validFor"]))


@dataclass(frozen=True, slots=True)
class CertificateLog:
    """A key that countersigns identity certificates (RFC 6962), DER SubjectPublicKeyInfo."""

    public_key: bytes
    valid: Window

    @property
    def id(self) -> str:
        """The key's id."""
        return digest_of(self.public_key)

    @classmethod
    def from_json(cls, value: Any) -> CertificateLog:
        """Read an item of ``ctlogs``."""
        held = value["publicKey"]
        return cls(_spki(held["rawBytes"]), Window.from_json(held["validFor"]))


@dataclass(frozen=True, slots=True)
class TrustedLog:
    """One key of a log whose checkpoints are believed: ``kind`` is ``lineage`` or ``gate``."""

    verifier: NoteVerifier
    kind: str
    valid: Window

    @property
    def origin(self) -> str:
        """The log's name."""
        return self.verifier.name

    @property
    def id(self) -> str:
        """The key's id."""
        return raw_key_id(self.verifier.public_key)

    def require_not_ended(self, newest: datetime) -> None:
        """Refuse a checkpoint over an entry that was made after this key's end.

        A checkpoint is no older than its newest entry; a later key may well vouch for
        entries from before its own start, since the tree is one.

        Raises:
            UntrustedSignerError: ``newest`` lies after the end.
        """
        if self.valid.end is not None and newest > self.valid.end:
            raise UntrustedSignerError(
                f"the key of log {self.origin!r} ended at {format_time(self.valid.end)} and "
                f"signed an entry of {format_time(newest)}"
            )

    @classmethod
    def from_json(cls, value: Any) -> TrustedLog:
        """Read an item of ``logs``."""
        verifier = NoteVerifier.from_vkey(value["vkey"])
        return cls(verifier, value["kind"], Window.from_json(value["validFor"]))


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
    signs model and data folders, and ``layout``, which signs in-toto layouts, and (P-256 or
    Ed25519) for ``reviewer:ADDRESS``, a key of a reviewer's own that signs votes; ``passkey``
    says more of it where it is one.
    """

    role: str
    public_key: bytes
    valid: Window
    passkey: Passkey | None = None

    @classmethod
    def from_json(cls, value: Any) -> TrustedKey:
        """Read an item of ``keys``."""
        raw = value["role"] == "snapshot"
        key = unb64(value["publicKey"], "key") if raw else _spki(value["publicKey"])
        passkey = Passkey.from_json(value["passkey"]) if "passkey" in value else None
        return cls(value["role"], key, Window.from_json(value["validFor"]), passkey)


@dataclass(frozen=True, slots=True)
class Revocation:
    """A key that was stolen or lost: what it signed after ``since`` does not count.

    Its windows end at ``since`` too; being named here says that what came later may be
    genuine all the same, so that it is named as void instead of making a whole log fail.
    """

    id: str
    since: datetime
    revoked_at: datetime
    reason: str

    @classmethod
    def from_json(cls, value: Any) -> Revocation:
        """Read an item of ``revoked``."""
        since, at = parse_time(value["since"]), parse_time(value["revokedAt"])
        reason = value["reason"]
        if not isinstance(reason, str) or len(reason) > REASON_CHARS_MAX:
            raise MalformedError(
                f"a revocation's reason is text of up to {REASON_CHARS_MAX} characters"
            )
        if since > at:
            raise MalformedError("a key is revoked as of when it was revoked, or a time before")
        return cls(check_digest(value["id"]), since, at, reason)


@dataclass(frozen=True, slots=True)
class RootKeys:
    """The keys that sign trust files (DER SubjectPublicKeyInfo by key id), and how many must."""

    keys: Mapping[str, bytes]
    threshold: int

    def require_signed(self, body: bytes, signatures: Mapping[str, bytes]) -> None:
        """Check that enough of these keys signed ``body``.

        Raises:
            SignatureError: one of these keys is named and its signature does not verify.
            UntrustedSignerError: too few of these keys signed.
        """
        good = 0
        for name, data in self.keys.items():
            if name in signatures:
                _verify_root(data, signatures[name], body)
                good += 1
        if good < self.threshold:
            raise UntrustedSignerError(
                f"the trust file is signed by {good} of the root's keys, {self.threshold} needed"
            )

    @classmethod
    def from_json(cls, value: Any) -> RootKeys:
        """Read ``root``."""
        listed = [_spki(key["publicKey"]) for key in value["keys"]]
        keys = {digest_of(data): data for data in listed}
        threshold = value["threshold"]
        if [key["id"] for key in value["keys"]] != list(keys) or len(listed) > ROOT_KEYS_MAX:
            raise MalformedError(f"the root has up to {ROOT_KEYS_MAX} keys, each once, by its id")
        if type(threshold) is not int or not 1 <= threshold <= len(keys):
            raise MalformedError("the root's threshold is from 1 to the number of its keys")
        return cls(keys, threshold)


def read_signatures(value: Any) -> dict[str, bytes]:
    """Return key id to signature, as ``signatures`` lists them."""
    found = {item["keyid"]: unb64(item["sig"], "root signature") for item in value}
    if len(found) != len(value) or len(value) > 2 * ROOT_KEYS_MAX:
        raise MalformedError(f"a trust file has up to {2 * ROOT_KEYS_MAX} signatures, one a key")
    return found


def read_revocations(value: Sequence[Any]) -> dict[str, Revocation]:
    """Return key id to revocation; of several of one key the earliest ``since`` counts."""
    if len(value) > REVOKED_MAX:
        raise MalformedError(f"a trust file names up to {REVOKED_MAX} revocations")
    found: dict[str, Revocation] = {}
    for item in map(Revocation.from_json, value):
        known = found.setdefault(item.id, item)
        if item.since < known.since:
            found[item.id] = item
    return found


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


def vouches(authority: x509.Certificate, cert: x509.Certificate) -> bool:
    """Say whether ``cert`` was issued by ``authority``: its name and signature, no more."""
    try:
        cert.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _verify_root(spki: bytes, signature: bytes, body: bytes) -> None:
    key = load_der_public_key(spki)
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise MalformedError("a root key is not ECDSA")
    try:
        key.verify(signature, body, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        raise SignatureError("the root's signature on the trust file does not verify") from None
