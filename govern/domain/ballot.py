"""A reviewer's own signature on a vote, with a key that the service does not have.

The trust file may name keys for a person (role ``reviewer:ADDRESS``). From the first one's
beginning on, a vote of that person counts only with an SSHSIG signature by one of them over
the *ballot*: the canonical JSON of the vote's predicate without the signature. So whoever
holds the service's keys still cannot vote in that person's name, and anybody can check a
ballot with ``ssh-keygen -Y verify``. A key may be a passkey: then the page it signed on, the
verification of its user and, in the top tier, its device count as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from govern.errors import EvidenceError, SignatureError, UntrustedSignerError
from govern.transparency.canonical import canonical_json
from govern.transparency.encoding import format_time
from govern.transparency.signer import spki
from govern.transparency.sshsig import SshSignature, parse_sshsig, verify_sshsig
from govern.transparency.trust import TrustRoot
from govern.transparency.trust_parts import TrustedKey
from govern.transparency.verify import VerifiedStatement

NAMESPACE = "approval@govern"
OWN_SIGNATURE = "own_signature"
TOP_TIER = "high"


def reviewer_role(person: str) -> str:
    """Return the role under which the trust file names a person's own keys."""
    return f"reviewer:{person}"


def ballot(predicate: Mapping[str, Any]) -> bytes:
    """Return what a reviewer signs: the vote without the signature, as canonical JSON."""
    return canonical_json({key: predicate[key] for key in predicate if key != OWN_SIGNATURE})


def signs_alone(trust: TrustRoot, person: str) -> bool:
    """Say whether the trust file names, or named, a key of this person's own."""
    return any(key.role == reviewer_role(person) for key in trust.keys)


def require_own_signature(vote: VerifiedStatement, trust: TrustRoot, tier: str) -> None:
    """Refuse a vote that its reviewer did not sign herself, where she has a key to do so.

    Args:
        vote: the approval statement.
        trust: names the reviewer's own keys.
        tier: the risk tier that the decision gives.

    Raises:
        EvidenceError: the signature is missing.
        UntrustedSignerError: it is by a key that was not hers at the proven time.
        MalformedError, SignatureError: it is no signature, over other words, by a passkey
            on another page or without its user, or by a synced one in the top tier.
    """
    predicate, person = vote.statement.predicate, vote.signer
    role, at = reviewer_role(person), vote.proven_at
    due = any(key.role == role and key.valid.start <= at for key in trust.keys)
    text = predicate.get(OWN_SIGNATURE)
    if text is None:
        if due:
            raise EvidenceError(f"{person} signs votes with a key of her or his own; this has none")
        return
    if not isinstance(text, str):
        raise SignatureError("a reviewer's own signature is text")
    signature = parse_sshsig(text)
    key = own_key(signature, trust, person, at)
    require_fit(signature, key, tier)
    verify_sshsig(signature, ballot(predicate), NAMESPACE)


def own_key(signature: SshSignature, trust: TrustRoot, person: str, at: datetime) -> TrustedKey:
    """Return the trust file's entry of the key that a signature names.

    Raises:
        UntrustedSignerError: it was not this person's own at ``at``.
    """
    for key in trust.keys_of(reviewer_role(person), at):
        if key.public_key == spki(signature.key):
            return key
    raise UntrustedSignerError(
        f"the vote is signed by a key that was not {person}'s own at {format_time(at)}"
    )


def require_fit(signature: SshSignature, key: TrustedKey, tier: str) -> None:
    """Refuse a signature that its key does not make, or not for a candidate of this tier.

    Raises:
        SignatureError: a passkey where the trust file names none or the other way round, a
            passkey used on another page, or a synced one in the top tier.
    """
    if (signature.assertion is None) != (key.passkey is None):
        raise SignatureError("the vote is signed in another way than this key signs")
    if signature.assertion is None or key.passkey is None:
        return
    signature.assertion.require_of(key.passkey)
    if tier == TOP_TIER and signature.assertion.synced:
        raise SignatureError(
            f"a passkey that can be copied to other devices does not sign in the {TOP_TIER} tier"
        )
