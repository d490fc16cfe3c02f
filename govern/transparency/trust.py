"""The trust root: the one file a regulator needs.

``trust.json`` holds a stock Sigstore client trust config (``sigstore``: certificate
authorities, certificate log keys, timestamp authorities, log keys, each with its validity
window) and what stock tools have no field for: every log with its note keys, the keys
that sign snapshots, the certificates that sign reports, who holds which role, the
thresholds, and which keys were revoked. The root's keys sign the whole of it, and its
version only grows; ``govern.transparency.succession`` says when a newer file may replace
an older one.

A key may have successors: each stands here with its own window, and what it signed counts
if the proven time lies inside that window. Nothing is ever taken out, only ended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from cryptography import x509

from govern.errors import MalformedError, SignatureError, UntrustedSignerError
from govern.transparency.canonical import canonical_json, parse_json
from govern.transparency.checkpoint import Checkpoint, open_checkpoint
from govern.transparency.digest import digest_of
from govern.transparency.encoding import format_time, parse_time
from govern.transparency.envelope import pae
from govern.transparency.note import full_key_id
from govern.transparency.trust_parts import (
    CertificateLog,
    Revocation,
    RootKeys,
    TrustedAuthority,
    TrustedKey,
    TrustedLog,
    TrustedWitness,
    Windowed,
    read_revocations,
    read_signatures,
)

MEDIA_TYPE = "application/vnd.govern.trust.v1+json"
VERSION_MAX = 10**9


_Found = TypeVar("_Found", bound=Windowed)
_Any = TypeVar("_Any")


@dataclass(frozen=True, slots=True)
class TrustRoot:
    """Everything that is believed without further proof.

    Where a method takes ``revoked_too``, it also returns a revoked key after its end, so
    that what rests on it can be named; the caller must not let that count.
    """

    cas: tuple[TrustedAuthority, ...]
    ct_logs: tuple[CertificateLog, ...]
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
    revoked: Mapping[str, Revocation] = field(default_factory=dict)

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
        self,
        cert: x509.Certificate,
        known: Sequence[TrustedAuthority],
        at: datetime,
        what: str,
        *,
        revoked_too: bool = False,
    ) -> TrustedAuthority:
        """Return which of ``known`` issued ``cert`` (or is it), valid at ``at``.

        Raises:
            UntrustedSignerError: none did, or it was not valid then.
        """
        found = [one for one in known if one.vouches_for(cert)]
        return self._valid_one(found, at, what, revoked_too)

    def certificate_logs(
        self, at: datetime, *, revoked_too: bool = False
    ) -> Sequence[CertificateLog]:
        """Return the certificate logs that are valid at ``at``."""
        return [
            one
            for one in self.ct_logs
            if one.valid.covers(at) or (revoked_too and self._revoked_after_start(one, at))
        ]

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
        return self._valid_one(found, at, f"key of log {origin!r}")

    def log_by_id(
        self, key_id: bytes, at: datetime | None = None, *, revoked_too: bool = False
    ) -> TrustedLog:
        """Return the log key whose full key id is ``key_id``, valid at ``at`` if that is given.

        Raises:
            UntrustedSignerError: no log has it, or it was not valid then.
        """
        found = [
            log for log in self.logs if full_key_id(log.origin, log.verifier.public_key) == key_id
        ]
        if at is not None or not found:
            what = f"entry's log {found[0].origin!r}" if found else "entry's log"
            return self._valid_one(found, at or self.issued_at, what, revoked_too)
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
        chosen = self._valid_one([log for _, log in signed], at, f"key of log {origin!r}")
        return next(pair for pair in signed if pair[1] is chosen)

    @property
    def witness_threshold(self) -> int:
        """How many witnesses must have cosigned a checkpoint; 0 asks for none."""
        return self.thresholds.get("witness", 0)

    def role_keys(self, role: str, at: datetime) -> list[bytes]:
        """Return the keys for ``role`` that are valid at ``at``, encoded as the role has them."""
        return [key.public_key for key in self.keys_of(role, at)]

    def keys_of(self, role: str, at: datetime) -> list[TrustedKey]:
        """Return the keys for ``role`` that are valid at ``at``."""
        return [key for key in self.keys if key.role == role and key.valid.covers(at)]

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

    def _revoked_after_start(self, one: Windowed, at: datetime) -> bool:
        return one.id in self.revoked and one.valid.start <= at

    def _valid_one(
        self, found: Sequence[_Found], at: datetime, what: str, revoked_too: bool = False
    ) -> _Found:
        if not found:
            raise UntrustedSignerError(f"the {what} is not in the trust file")
        for one in found:
            if one.valid.covers(at):
                return one
        for one in found:
            if revoked_too and self._revoked_after_start(one, at):
                return one
        raise UntrustedSignerError(f"the {what} was not valid at {format_time(at)}")


def signed_body(value: Mapping[str, Any]) -> bytes:
    """Return what the root's keys sign: DSSE's encoding of all but ``signatures``."""
    body = {key: held for key, held in value.items() if key != "signatures"}
    return pae(canonical_json(body), MEDIA_TYPE)


def _read(value: Any, data: bytes) -> TrustRoot:
    if value.get("mediaType") != MEDIA_TYPE or data != canonical_json(value):
        raise MalformedError(f"expected a trust file in canonical JSON with mediaType {MEDIA_TYPE}")
    root = value["sigstore"]["trustedRoot"]
    return TrustRoot(
        cas=_each(TrustedAuthority.from_json, root["certificateAuthorities"], 1),
        ct_logs=_each(CertificateLog.from_json, root["ctlogs"]),
        tsas=_each(TrustedAuthority.from_json, root["timestampAuthorities"], 1),
        logs=_each(TrustedLog.from_json, value["logs"]),
        keys=_each(TrustedKey.from_json, value["keys"]),
        report_signers=_each(TrustedAuthority.from_json, value["reportSigners"]),
        issuers=tuple(value["issuers"]),
        roles={role: tuple(people) for role, people in value["roles"].items()},
        thresholds={name: int(count) for name, count in value["thresholds"].items()},
        version=_version(value["version"]),
        issued_at=parse_time(value["issuedAt"]),
        root=RootKeys.from_json(value["root"]),
        signatures=read_signatures(value["signatures"]),
        raw=data,
        witnesses=_each(TrustedWitness.from_json, value.get("witnesses", [])),
        revoked=read_revocations(value.get("revoked", [])),
    )


def _version(value: Any) -> int:
    if type(value) is not int or not 1 <= value <= VERSION_MAX:
        raise MalformedError(f"a trust file's version is a number from 1 to {VERSION_MAX}")
    return value


def _each(read: Callable[[Any], _Any], listed: Iterable[Any], least: int = 0) -> tuple[_Any, ...]:
    found = tuple(map(read, listed))
    if len(found) < least:
        raise MalformedError("a trust file names at least one authority of each kind")
    return found
