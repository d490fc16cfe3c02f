"""The keys with which a person signs votes herself, as the trust file names them."""

from __future__ import annotations

from datetime import datetime

from govern.domain import predicates
from govern.domain.ballot import OWN_SIGNATURE, reviewer_role, signs_alone
from govern.errors import MalformedError, SignatureError
from govern.services.ports import OwnKeys
from govern.services.recording import Recorder
from govern.transparency.digest import digest_of
from govern.transparency.signer import spki
from govern.transparency.sshsig import SshSignature, parse_sshsig
from govern.transparency.trust import TrustRoot


def own_keys(trust: TrustRoot, person: str, now: datetime) -> OwnKeys:
    """Return a person's keys in the trust file that are valid now."""
    keys = trust.keys_of(reviewer_role(person), now)
    passkeys = {digest_of(key.public_key): key.passkey for key in keys if key.passkey}
    ssh = tuple(digest_of(key.public_key) for key in keys if not key.passkey)
    return OwnKeys(signs_alone(trust, person), passkeys, ssh)


def require_counting_on(recorder: Recorder, person: str, signature: SshSignature) -> None:
    """Refuse a passkey whose counter did not grow since its last vote: a copy may exist.

    A passkey that never counts stays at 0 (W3C Web Authentication Level 3, section 6.1.1).

    Raises:
        SignatureError: the counter stands where it stood, or went back.
    """
    if signature.assertion is None:
        return
    last = max(_counters(recorder, person, signature), default=0)
    now = signature.assertion.counter
    if (last or now) and now <= last:
        raise SignatureError(
            f"the passkey's counter stands at {now} and stood at {last} before; it may have been "
            "copied, so end it with `govern key revoke`"
        )


def _counters(recorder: Recorder, person: str, signature: SshSignature) -> list[int]:
    found = []
    for vote in recorder.every(predicates.APPROVAL):
        text = vote.statement.predicate.get(OWN_SIGNATURE)
        if vote.signer != person or not isinstance(text, str):
            continue
        try:
            earlier = parse_sshsig(text)
        except MalformedError:
            continue
        if earlier.assertion is not None and spki(earlier.key) == spki(signature.key):
            found.append(earlier.assertion.counter)
    return found
