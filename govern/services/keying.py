"""Change keys: rotate, revoke, add a gate, enrol a reviewer's own; and record each change in the lineage log.

The order of a change, and what a stop leaves behind at each step:

1. the new key is made and listed: a key that no trust file names, so that it is not used;
2. the next trust file is written under its number: still not in force;
3. it replaces ``trust.json`` by rename: in force, the event not recorded yet;
4. the event is recorded; the next key command records one that is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Protocol

from govern.domain import predicates
from govern.domain.ballot import reviewer_role
from govern.domain.key_event import key_event
from govern.errors import InvalidRequestError, NotFoundError
from govern.services.recording import Recorder
from govern.transparency.canonical import parse_json
from govern.transparency.encoding import b64, format_time
from govern.transparency.passkey import Passkey
from govern.transparency.signer import PublicKey, Signer, key_id, spki
from govern.transparency.trust import TrustRoot
from govern.transparency.trust_file import (
    KeyEntry,
    NewKey,
    Value,
    current_key,
    end_key,
    key_entries,
    log_entry,
    next_version,
    revoked_entry,
    root_entry,
    sign_trust,
    succeed,
)
from govern.transparency.trust_parts import Window
from govern.transparency.verify import VerifiedStatement

OVERLAP = timedelta(seconds=60)
OVERLAP_MAX = timedelta(days=366)


class KeyMaker(Protocol):
    """Makes keys of a home, with the root's keys at hand."""

    def roots(self) -> Sequence[Signer]:
        """Return as many of the root's keys as must sign, or more."""

    def make_roots(self, now: datetime) -> Sequence[Signer]:
        """Make the root's next keys."""

    def make(self, role: str, now: datetime) -> NewKey:
        """Make and list a key of a role; the root certifies it where the role asks for it."""


@dataclass(frozen=True, slots=True)
class KeyState:
    """One key as ``govern key list`` shows it."""

    role: str
    id: str
    algorithm: str
    place: str
    valid_from: datetime
    valid_until: datetime | None
    status: str


def rotate(
    data: bytes,
    role: str,
    maker: KeyMaker,
    *,
    now: datetime,
    reason: str,
    overlap: timedelta = OVERLAP,
) -> bytes:
    """Return the next trust file, in which a new key follows the current one of ``role``.

    Args:
        data: the trust file in force.
        role: whose key.
        maker: makes the successor and signs.
        now: the present; the successor's window begins.
        reason: why; it stands in the trust file.
        overlap: how long the present key stays valid, so that services that run can take
            up the new file first.

    Raises:
        NotFoundError: the role has no current key.
        InvalidRequestError: the overlap is negative or over a year.
    """
    if not timedelta(0) <= overlap <= OVERLAP_MAX:
        raise InvalidRequestError(f"an overlap is from 0 s to {OVERLAP_MAX.days} days")
    at = now.replace(microsecond=0)
    _require_ours(role)
    value = next_version(data, now=now, reason=reason)
    old = current_key(value, role)
    _replace(value, old, maker, end=at + overlap, now=at)
    return sign_trust(value, maker.roots())


def rotate_root(
    data: bytes, maker: KeyMaker, *, now: datetime, reason: str, threshold: int = 1
) -> bytes:
    """Return the next trust file, which the present root and its successors sign.

    What the present root certified stays as it is; new keys are certified by a successor.

    Args:
        data: the trust file in force.
        maker: has the present keys and makes their successors.
        now: the present.
        reason: why; it stands in the trust file.
        threshold: how many of the successors must sign from then on.
    """
    value = next_version(data, now=now, reason=reason)
    old, new = maker.roots(), maker.make_roots(now.replace(microsecond=0))
    value["root"] = root_entry([one.public_key() for one in new], threshold)
    return sign_trust(value, [*old, *new])


def revoke(
    data: bytes, text: str, maker: KeyMaker, *, since: datetime, now: datetime, reason: str
) -> bytes:
    """Return the next trust file, in which a key ended at ``since``.

    Where it was the current key of a role, a new one follows it from now on; what was
    signed between ``since`` and now is void (``govern.domain.voiding``). A key that ended
    earlier stays ended.

    Args:
        data: the trust file in force.
        text: a role, or a key id or its beginning.
        maker: makes the successor and signs.
        since: from when on the key may have been in other hands.
        now: the present.
        reason: why; it stands in the trust file.

    Raises:
        NotFoundError: no such key.
        InvalidRequestError: several, or ``since`` lies in the future.
    """
    at = now.replace(microsecond=0)
    if since > now:
        raise InvalidRequestError("a key is revoked as of now or a time before")
    value = next_version(data, now=now, reason=reason)
    found = find_key(value, text)
    since = min(since, found.valid.end or since)
    value.setdefault("revoked", []).append(
        revoked_entry(found.id, since=since, at=at, reason=reason)
    )
    if found.valid.end is None and not found.role.startswith(reviewer_role("")):
        _replace(value, found, maker, end=since, now=at)
    else:
        end_key(value, found.id, since)
    return sign_trust(value, maker.roots())


def add_gate(data: bytes, origin: str, role: str, maker: KeyMaker, *, now: datetime) -> bytes:
    """Return the next trust file, in which a new gate's log has a key.

    Raises:
        InvalidRequestError: the log has one already.
    """
    at = now.replace(microsecond=0)
    value = next_version(data, now=now, reason=f"added {role}")
    if any(log["origin"] == origin for log in value["logs"]):
        raise InvalidRequestError(f"{origin} has a key already; `govern key rotate {role}`")
    value["logs"].append(log_entry(origin, "gate", maker.make(role, at).public, at))
    return sign_trust(value, maker.roots())


def enrol(
    data: bytes,
    person: str,
    public: PublicKey,
    maker: KeyMaker,
    *,
    now: datetime,
    passkey: Passkey | None = None,
) -> bytes:
    """Return the next trust file, which names a key of a reviewer's own.

    From now on that person's votes count only if such a key signed them too.

    Args:
        data: the trust file in force.
        person: the reviewer's address.
        public: the key's public half.
        maker: signs.
        now: the present; the key's window begins.
        passkey: where it is used, if it is a passkey.

    Raises:
        InvalidRequestError: no reviewer, or the key stands in the file already.
    """
    at = now.replace(microsecond=0)
    value = next_version(data, now=now, reason=f"enrolled a key of {person}")
    if person not in value["roles"].get("reviewer", ()):
        raise InvalidRequestError(f"{person:.100} is not a reviewer in the trust file")
    if key_id(public) in {item.id for item in key_entries(value)}:
        raise InvalidRequestError("the trust file names this key already; see `govern key list`")
    entry = {
        "role": reviewer_role(person),
        "publicKey": b64(spki(public)),
        "validFor": Window(at).to_json(),
        **({"passkey": passkey.to_json()} if passkey else {}),
    }
    value["keys"].append(entry)
    return sign_trust(value, maker.roots())


def _require_ours(role: str) -> None:
    if role.startswith(reviewer_role("")):
        raise InvalidRequestError(
            "a reviewer's key is not made here: `govern key enrol` the new one, then "
            "`govern key revoke` the old one by its id"
        )


def _replace(value: Value, old: KeyEntry, maker: KeyMaker, *, end: datetime, now: datetime) -> None:
    made = maker.make(old.role, now)
    succeed(value, old.id, made, now)
    end_key(value, old.id, end)


def find_key(value: Value, text: str) -> KeyEntry:
    """Return the key that a role (its current one), or an id or its beginning, means.

    Raises:
        NotFoundError: none.
        InvalidRequestError: several.
    """
    entries = key_entries(value)
    if any(item.role == text for item in entries):
        return current_key(value, text)
    prefix = text if text.startswith("sha256:") else f"sha256:{text}"
    found = {item.id: item for item in reversed(entries) if item.id.startswith(prefix)}
    if not found:
        raise NotFoundError(f"no key {text}; see `govern key list`")
    if len(found) > 1:
        raise InvalidRequestError(f"{text} means {len(found)} keys; give more of the id")
    return next(iter(found.values()))


def list_keys(trust: TrustRoot, places: dict[str, str]) -> list[KeyState]:
    """Return every key of a trust file.

    Args:
        trust: the trust file.
        places: key id to where it lives, for those that are of this home.
    """
    value = parse_json(trust.raw)
    revoked = {item["id"] for item in value.get("revoked", [])}
    roots = [
        KeyState(
            "root", name, "ECDSA P-256", places.get(name, "apart"), trust.issued_at, None, "current"
        )
        for name in trust.root.keys
    ]
    return roots + [_state(item, places, revoked) for item in key_entries(value)]


def _state(item: KeyEntry, places: dict[str, str], revoked: set[str]) -> KeyState:
    status = "current" if item.valid.end is None else "retired"
    return KeyState(
        item.role,
        item.id,
        item.algorithm,
        places.get(item.id, "elsewhere"),
        item.valid.start,
        item.valid.end,
        "revoked" if item.id in revoked else status,
    )


def record_events(
    recorder: Recorder, versions: Sequence[TrustRoot], *, signer: str
) -> list[VerifiedStatement]:
    """Record the event of each version after the first that has none yet.

    Args:
        recorder: of the home whose newest trust file is the last of ``versions``.
        versions: every trust file of the home, oldest first.
        signer: the service's address.
    """
    known = {item.statement.subject for item in recorder.all(predicates.KEY_EVENT)}
    return [
        recorder.record(
            predicates.KEY_EVENT,
            [("trust.json", new.digest)],
            {**key_event(old, new), "recorded_at": format_time(recorder.clock())},
            signer=signer,
        )
        for old, new in pairwise(versions)
        if new.digest not in known
    ]
