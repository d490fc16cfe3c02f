"""Verify one bundle against the trust root, in numbered steps.

What is proved: who signed (1, 3), when at the latest (2), what (4, 7), and that it is in
the log (5, 6). What is not: that the statement is true, that it is the newest of its
kind, or that it fits other statements; that is ``govern.domain.evidence``'s part.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from govern.errors import CheckpointError, MalformedError, SignatureError, UntrustedSignerError
from govern.transparency.bundle import Bundle, entry_body, parse_bundle
from govern.transparency.checkpoint import Checkpoint, open_checkpoint
from govern.transparency.envelope import verify_envelope
from govern.transparency.identity import verify_identity
from govern.transparency.merkle import leaf_hash, verify_inclusion
from govern.transparency.statement import Statement, parse_statement
from govern.transparency.timestamp import verify_timestamp
from govern.transparency.trust import TrustRoot


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

    @property
    def digest(self) -> str:
        """The statement digest."""
        return self.statement.digest

    @property
    def kind(self) -> str:
        """The predicate type."""
        return self.statement.predicate_type


def verify_bundle(data: bytes, trust: TrustRoot) -> VerifiedStatement:
    """Verify a bundle.

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
    proven_at = verify_timestamp(bundle.timestamp, bundle.signature, tsa_chain=trust.tsa_chain)  # 2
    if not trust.tsa_valid.covers(proven_at) or not trust.ca_valid.covers(proven_at):
        raise UntrustedSignerError("the signing time lies outside the authority's validity window")
    ct_keys = [key for key, valid in trust.ct_keys if valid.covers(proven_at)]
    identity = verify_identity(  # (3)
        bundle.certificate, ca_chain=trust.ca_chain, ct_keys=ct_keys, at=proven_at
    )
    if identity.issuer not in trust.issuers:
        raise UntrustedSignerError(f"identity issuer {identity.issuer!r} is not trusted")
    payload = verify_envelope(bundle.envelope, _public_key(bundle))  # (4)
    checkpoint = _verify_log(bundle, trust, proven_at)  # (5) (6)
    return VerifiedStatement(
        statement=parse_statement(payload),  # (7)
        signer=identity.email,
        issuer=identity.issuer,
        proven_at=proven_at,
        log_index=bundle.proof.index,
        checkpoint=checkpoint,
        bundle=data,
    )


def _public_key(bundle: Bundle) -> ec.EllipticCurvePublicKey | Ed25519PublicKey:
    try:
        key = bundle.certificate.public_key()
    except ValueError:
        raise MalformedError("the certificate's key cannot be read") from None
    if not isinstance(key, ec.EllipticCurvePublicKey | Ed25519PublicKey):
        raise SignatureError("the certificate's key is neither ECDSA nor Ed25519")
    return key


def _verify_log(bundle: Bundle, trust: TrustRoot, at: datetime) -> Checkpoint:
    proof = bundle.proof
    log = trust.log_by_id(proof.key_id)
    if log.kind != "lineage":
        raise UntrustedSignerError(f"statements live in a lineage log, not in {log.origin}")
    if not log.valid.covers(at):
        raise UntrustedSignerError(f"the key of log {log.origin} was not valid at {at}")
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
    return checkpoint
