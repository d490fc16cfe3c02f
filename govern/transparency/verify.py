"""Verify one bundle against the trust root, in numbered steps.

What is proved: who signed (1, 3), when at the latest (2), what (4, 7), and that it is in
the log (5, 6). What is not: that the statement is true, that it is the newest of its
kind, or that it fits other statements; that is ``govern.domain.evidence``'s part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from govern.errors import (
    CheckpointError,
    MalformedError,
    RevokedKeyError,
    SignatureError,
    UntrustedSignerError,
)
from govern.transparency.bundle import Bundle, entry_body, parse_bundle
from govern.transparency.checkpoint import Checkpoint, open_checkpoint
from govern.transparency.encoding import format_time
from govern.transparency.envelope import verify_envelope
from govern.transparency.identity import certificate_log_of, verify_identity
from govern.transparency.merkle import leaf_hash, verify_inclusion
from govern.transparency.statement import Statement, parse_statement
from govern.transparency.timestamp import names_authority, verify_timestamp
from govern.transparency.trust import TrustRoot
from govern.transparency.trust_parts import TrustedAuthority, TrustedLog, Windowed


@dataclass(frozen=True, slots=True)
class VerifiedStatement:
    """A statement whose bundle verified."""

    statement: Statement
    signer: str
    issuer: str
    proven_at: datetime
    log_index: int
    checkpoint: Checkpoint
    bundle: bytes
    keys: Mapping[str, str] = field(default_factory=dict)
    """Role to key id of every key this statement rests on: ca, ct, tsa, lineage-log."""
    void: str = ""
    """Why it does not count, where a key it rests on was revoked as of an earlier time."""

    @property
    def digest(self) -> str:
        """The statement digest."""
        return self.statement.digest

    @property
    def kind(self) -> str:
        """The predicate type."""
        return self.statement.predicate_type


def verify_bundle(data: bytes, trust: TrustRoot) -> VerifiedStatement:
    """Verify a bundle, and refuse what a revoked key signed too late.

    Raises:
        RevokedKeyError: it rests on a key that was revoked as of a time before it was signed.
        MalformedError, SignatureError, UntrustedSignerError, LogError: see ``examine_bundle``.
    """
    found = examine_bundle(data, trust)
    if found.void:
        raise RevokedKeyError(found.void)
    return found


def examine_bundle(data: bytes, trust: TrustRoot) -> VerifiedStatement:
    """Verify a bundle; what a revoked key signed too late is returned, and says so in ``void``.

    (1) the bundle is well formed and canonical;
    (2) the timestamp authority saw the signature: that time is ``proven_at``;
    (3) the certificate chains to the authority and was valid then, its issuer is trusted;
    (4) the certificate's key signed the envelope;
    (5) the log's key, valid then, signed the checkpoint;
    (6) the entry, recomputed from the envelope, is in the log under that checkpoint;
    (7) the payload is an in-toto statement.

    Raises:
        MalformedError, SignatureError, UntrustedSignerError, LogError: by the step failed.
    """
    bundle = parse_bundle(data)  # (1)
    clock, proven_at = proven_time(  # (2)
        bundle.timestamp, bundle.signature, trust, revoked_too=True
    )
    authority = trust.authority(  # (3)
        bundle.certificate, trust.cas, proven_at, "identity authority", revoked_too=True
    )
    ct_logs = trust.certificate_logs(proven_at, revoked_too=True)
    identity = verify_identity(
        bundle.certificate,
        ca_chain=authority.chain,
        ct_keys=[one.public_key for one in ct_logs],
        at=proven_at,
    )
    if identity.issuer not in trust.issuers:
        raise UntrustedSignerError(f"identity issuer {identity.issuer!r} is not trusted")
    payload = verify_envelope(bundle.envelope, _public_key(bundle))  # (4)
    checkpoint, log = _verify_log(bundle, trust, proven_at)  # (5) (6)
    seen_by = "sha256:" + certificate_log_of(bundle.certificate).hex()
    keys = {"ca": authority.id, "ct": seen_by, "tsa": clock.id, "lineage-log": log.id}
    return VerifiedStatement(
        statement=parse_statement(payload),  # (7)
        signer=identity.email,
        issuer=identity.issuer,
        proven_at=proven_at,
        log_index=bundle.proof.index,
        checkpoint=checkpoint,
        bundle=data,
        keys=keys,
        void=_why_void(keys, [authority, *ct_logs, clock, log], trust, proven_at),
    )


def _why_void(
    keys: Mapping[str, str], known: Sequence[Windowed], trust: TrustRoot, at: datetime
) -> str:
    """Say which revoked key makes a statement void; empty where none does."""
    for role, key in keys.items():
        if not any(one.id == key and one.valid.covers(at) for one in known):
            revoked = trust.revoked[key]
            return (
                f"the {role} key {key[:19]}… was revoked as of {format_time(revoked.since)}, and "
                f"this was signed at {format_time(at)}"
            )
    return ""


def proven_time(
    timestamp: bytes, signature: bytes, trust: TrustRoot, *, revoked_too: bool = False
) -> tuple[TrustedAuthority, datetime]:
    """Return which trusted authority saw a signature and when.

    Raises:
        MalformedError, SignatureError: see ``verify_timestamp``.
        UntrustedSignerError: no authority of the trust file, or not valid then.
    """
    named = [one for one in trust.tsas if names_authority(timestamp, one.chain[0])]
    first = (named or trust.tsas)[0]
    at = verify_timestamp(timestamp, signature, tsa_chain=first.chain)
    what = "timestamp authority"
    return trust.authority(first.chain[0], trust.tsas, at, what, revoked_too=revoked_too), at


def _public_key(bundle: Bundle) -> ec.EllipticCurvePublicKey | Ed25519PublicKey:
    try:
        key = bundle.certificate.public_key()
    except ValueError:
        raise MalformedError("the certificate's key cannot be read") from None
    if not isinstance(key, ec.EllipticCurvePublicKey | Ed25519PublicKey):
        raise SignatureError("the certificate's key is neither ECDSA nor Ed25519")
    return key


def _verify_log(bundle: Bundle, trust: TrustRoot, at: datetime) -> tuple[Checkpoint, TrustedLog]:
    """The checkpoint in a bundle was published with its own entry: ``at`` is its time too."""
    proof = bundle.proof
    log = trust.log_by_id(proof.key_id, at, revoked_too=True)
    if log.kind != "lineage":
        raise UntrustedSignerError(f"statements live in a lineage log, not in {log.origin}")
    checkpoint = open_checkpoint(proof.checkpoint, log.verifier)
    if (checkpoint.size, checkpoint.root) != (proof.size, proof.root):
        raise CheckpointError("the proof's size and root differ from the signed checkpoint")
    verify_inclusion(
        index=proof.index,
        size=proof.size,
        leaf=leaf_hash(entry_body(bundle.envelope, bundle.certificate)),
        proof=proof.hashes,
        root=proof.root,
    )
    return checkpoint, log
