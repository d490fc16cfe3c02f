"""A reviewer's own signature on a vote, with a key that the service does not have.

The trust file may name keys for a person (role ``reviewer:ADDRESS``). From the first one's
beginning on, a vote of that person counts only with an SSHSIG signature by one of them over
the *ballot*: the canonical JSON of the vote's predicate without the signature. So whoever
holds the service's keys still cannot vote in that person's name, and anybody can check a
ballot with ``ssh-keygen -Y verify``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from govern.errors import EvidenceError, SignatureError, UntrustedSignerError
from govern.transparency.canonical import canonical_json
from govern.transparency.encoding import format_time
from govern.transparency.signer import spki
from govern.transparency.sshsig import parse_sshsig, verify_sshsig
from govern.transparency.trust import TrustRoot
from govern.transparency.verify import VerifiedStatement

NAMESPACE = "approval@govern"
OWN_SIGNATURE = "own_signature"


def reviewer_role(person: str) -> str:
    """Return the role under which the trust file names a person's own keys."""
    return f"reviewer:{person}"


def ballot(predicate: Mapping[str, Any]) -> bytes:
    """Return what a reviewer signs: the vote without the signature, as canonical JSON."""
    return canonical_json({key: predicate[key] for key in predicate if key != OWN_SIGNATURE})


def signs_alone(trust: TrustRoot, person: str) -> bool:
    """Say whether the trust file names, or named, a key of this person's own."""
    return any(key.role == reviewer_role(person) for key in trust.keys)


def require_own_signature(vote: VerifiedStatement, trust: TrustRoot) -> None:
    """Refuse a vote that its reviewer did not sign herself, where she has a key to do so.

    Raises:
        EvidenceError: the signature is missing.
        UntrustedSignerError: it is by a key that was not hers at the proven time.
        MalformedError, SignatureError: it is no signature, or over other words.
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
    if spki(signature.key) not in trust.role_keys(role, at):
        raise UntrustedSignerError(
            f"the vote is signed by a key that was not {person}'s own at {format_time(at)}"
        )
    verify_sshsig(signature, ballot(predicate), NAMESPACE)
