"""The trust root: the one file a regulator needs.

``trust.json`` holds a stock Sigstore client trust config (``sigstore``: certificate
authorities, certificate log keys, timestamp authorities, log keys, each with its validity
window) and what stock tools have no field for: every log with its note keys, the keys
that sign snapshots, the certificates that sign reports, who holds which role, and the
thresholds. The root's keys sign the whole of it, and its version only grows;
``govern.transparency.succession`` says when a newer file may replace an older one.

A key may have successors: each stands here with its own window, and what it signed counts
if the proven time lies inside that window. Nothing is ever taken out, only ended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

from govern.errors import MalformedError, SignatureError, UntrustedSignerError
from govern.transparency.canonical import canonical_json, parse_json
from govern.transparency.checkpoint import Checkpoint, open_checkpoint
from govern.transparency.digest import digest_of
from govern.transparency.encoding import format_time, parse_time, unb64
from govern.transparency.envelope import pae
from govern.transparency.note import COSIGNATURE, NoteVerifier, full_key_id
from govern.transparency.signer import raw_key_id

MEDIA_TYPE = "application/vnd.govern.trust.v1+json"
ROOT_KEYS_MAX = 16
VERSION_MAX = 10**9
_Found = TypeVar("_Found")


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
class TrustedAuthority:
    """An authority's certificates, its own first and the root last, and its window."""

    chain: tuple[x509.Certificate, ...]
    valid: Window


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


@dataclass(frozen=True, slots=True)
class TrustRoot:
    """Everything that is believed without further proof."""

    cas: tuple[TrustedAuthority, ...]
    ct_keys: tuple[tuple[bytes, Window], ...]
    tsas: tuple[TrustedAuthority, ...]
    logs: tuple[TrustedLog, ...]
    keys: tuple[TrustedKey, ...]
    report_signers: tuple[TrustedAuthority, ...]
    issuers: tuple[str, ...]
    roles: Mapping[str, tuple[str, ...]]
    thresholds: Mapping[str, int]
    version: int
    issued_at: datetime
    root: RootKeys
    signatures: Mapping[str, bytes]
    raw: bytes = field(repr=False)
    witnesses: tuple[TrustedWitness, ...] = ()

    @classmethod
    def from_json(cls, data: bytes) -> TrustRoot:
        """Read ``trust.json`` and check that its own root signed it.

        That proves only that it is whole; whom it comes from must be known otherwise, or
        by ``govern.transparency.succession`` from the file one has.

        Raises:
            MalformedError: it is not a trust file, in whole or in part.
            SignatureError, UntrustedSignerError: its root did not sign it.
        """
        value = parse_json(data)
        try:
            found = _read(value, data)
        except (KeyError, TypeError, IndexError, AttributeError) as error:
            raise MalformedError(f"not a trust file: {error!r:.100}") from None
        except ValueError as error:
            raise MalformedError(f"trust file: {str(error)[:100]}") from None
        found.root.require_signed(found.signed_bytes, found.signatures)
        return found

    @property
    def digest(self) -> str:
        """The digest of the file's bytes."""
        return digest_of(self.raw)

    @property
    def signed_bytes(self) -> bytes:
        """What the root's keys sign."""
        return signed_body(parse_json(self.raw))

    def authority(
        self, cert: x509.Certificate, known: Sequence[TrustedAuthority], at: datetime, what: str
    ) -> TrustedAuthority:
        """Return which of ``known`` issued ``cert`` (or is it), valid at ``at``.

        Raises:
            UntrustedSignerError: none did, or it was not valid then.
        """
        found = [one for one in known if cert == one.chain[0] or _issued(cert, one.chain[0])]
        return _valid_one(found, lambda one: one.valid, at, what)

    def log_keys(self, origin: str) -> list[TrustedLog]:
        """Return every key that the log with this origin has had, oldest first.

        Raises:
            UntrustedSignerError: no such log is trusted.
        """
        found = [log for log in self.logs if log.origin == origin]
        if not found:
            raise UntrustedSignerError(
                f"the log {origin!r} is not in the trust file (version {self.version})"
            )
        return found

    def log(self, origin: str, at: datetime | None = None) -> TrustedLog:
        """Return the log with this origin: its newest key, or the one valid at ``at``.

        Raises:
            UntrustedSignerError: none is trusted, or its key was not valid at ``at``.
        """
        found = self.log_keys(origin)
        if at is None:
            return max(found, key=lambda log: (log.valid.end is None, log.valid.start))
        return _valid_one(found, lambda log: log.valid, at, f"key of log {origin!r}")

    def log_by_id(self, key_id: bytes, at: datetime | None = None) -> TrustedLog:
        """Return the log key whose full key id is ``key_id``, valid at ``at`` if that is given.

        Raises:
            UntrustedSignerError: no log has it, or it was not valid then.
        """
        found = [
            log for log in self.logs if full_key_id(log.origin, log.verifier.public_key) == key_id
        ]
        if at is not None or not found:
            what = f"entry's log {found[0].origin!r}" if found else "entry's log"
            return _valid_one(found, lambda log: log.valid, at or self.issued_at, what)
        return found[0]

    def open_checkpoint(
        self, note: str, origin: str, at: datetime | None = None
    ) -> tuple[Checkpoint, TrustedLog]:
        """Verify a checkpoint under whichever of the log's keys signed it.

        Args:
            note: the signed note.
            origin: the log it should be of.
            at: when it was signed, as far as that is proven; None: any time in the
                key's window.

        Raises:
            UntrustedSignerError: no such log, or the key was not valid at ``at``.
            MalformedError, SignatureError, CheckpointError: see ``open_checkpoint``.
        """
        failure: SignatureError | None = None
        signed: list[tuple[Checkpoint, TrustedLog]] = []
        for log in self.log_keys(origin):
            try:
                signed.append((open_checkpoint(note, log.verifier), log))
            except SignatureError as error:
                failure = failure or error
        if failure and not signed:
            raise failure
        if at is None:
            return signed[-1]
        return _valid_one(signed, lambda pair: pair[1].valid, at, f"key of log {origin!r}")

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


def signed_body(value: Mapping[str, Any]) -> bytes:
    """Return what the root's keys sign: DSSE's encoding of all but ``signatures``."""
    body = {key: held for key, held in value.items() if key != "signatures"}
    return pae(canonical_json(body), MEDIA_TYPE)


def _valid_one(
    found: Iterable[_Found], window: Callable[[_Found], Window], at: datetime, what: str
) -> _Found:
    every = list(found)
    if not every:
        raise UntrustedSignerError(f"the {what} is not in the trust file")
    for one in every:
        if window(one).covers(at):
            return one
    raise UntrustedSignerError(f"the {what} was not valid at {format_time(at)}")


def _issued(cert: x509.Certificate, authority: x509.Certificate) -> bool:
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


def _read(value: Any, data: bytes) -> TrustRoot:
    if value.get("mediaType") != MEDIA_TYPE or data != canonical_json(value):
        raise MalformedError(f"expected a trust file in canonical JSON with mediaType {MEDIA_TYPE}")
    root = value["sigstore"]["trustedRoot"]
    return TrustRoot(
        cas=_authorities(root["certificateAuthorities"], 1),
        ct_keys=tuple(
            (
                unb64(log["publicKey"]["rawBytes"]),
                Window.from_json(log["publicKey"]["validFor"]),
            )
            for log in root["ctlogs"]
        ),
        tsas=_authorities(root["timestampAuthorities"], 1),
        logs=tuple(
            TrustedLog(
                NoteVerifier.from_vkey(log["vkey"]), log["kind"], Window.from_json(log["validFor"])
            )
            for log in value["logs"]
        ),
        keys=tuple(
            TrustedKey(
                key["role"], unb64(key["publicKey"], "key"), Window.from_json(key["validFor"])
            )
            for key in value["keys"]
        ),
        report_signers=_authorities(value["reportSigners"], 0),
        issuers=tuple(value["issuers"]),
        roles={role: tuple(people) for role, people in value["roles"].items()},
        thresholds={name: int(count) for name, count in value["thresholds"].items()},
        version=_version(value["version"]),
        issued_at=parse_time(value["issuedAt"]),
        root=_root_keys(value["root"]),
        signatures=_signatures(value["signatures"]),
        raw=data,
        witnesses=tuple(TrustedWitness.from_json(item) for item in value.get("witnesses", [])),
    )


def _version(value: Any) -> int:
    if type(value) is not int or not 1 <= value <= VERSION_MAX:
        raise MalformedError(f"a trust file's version is a number from 1 to {VERSION_MAX}")
    return value


def _root_keys(value: Any) -> RootKeys:
    listed = [unb64(key["publicKey"], "root key") for key in value["keys"]]
    keys = {digest_of(data): data for data in listed}
    threshold = value["threshold"]
    if [key["id"] for key in value["keys"]] != list(keys) or len(listed) > ROOT_KEYS_MAX:
        raise MalformedError(f"the root has up to {ROOT_KEYS_MAX} keys, each once, under its id")
    if type(threshold) is not int or not 1 <= threshold <= len(keys):
        raise MalformedError("the root's threshold is from 1 to the number of its keys")
    return RootKeys(keys, threshold)


def _signatures(value: Any) -> dict[str, bytes]:
    found = {item["keyid"]: unb64(item["sig"], "root signature") for item in value}
    if len(found) != len(value) or len(value) > 2 * ROOT_KEYS_MAX:
        raise MalformedError(f"a trust file has up to {2 * ROOT_KEYS_MAX} signatures, one a key")
    return found


def _authorities(listed: Any, least: int) -> tuple[TrustedAuthority, ...]:
    if len(listed) < least:
        raise MalformedError("a trust file names at least one authority of each kind")
    return tuple(
        TrustedAuthority(_chain(item), Window.from_json(item["validFor"])) for item in listed
    )


def _chain(authority: Any) -> tuple[x509.Certificate, ...]:
    return tuple(
        x509.load_der_x509_certificate(unb64(item["rawBytes"], "certificate"))
        for item in authority["certChain"]["certificates"]
    )
