"""A waiver: one rule, one candidate, one set of terms, granted by two people, until a day.

Each grant is a statement of its own, signed by the person who grants. Grants make one
waiver only if their terms are the same to the letter; a person who agrees to other terms
has agreed to another waiver. So taking a grant away never makes a waiver longer, wider or
easier. Signatures count as grants; names written into a statement do not. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from govern.domain import predicates
from govern.errors import MalformedError
from govern.transparency.canonical import canonical_json
from govern.transparency.digest import digest_of
from govern.transparency.encoding import parse_time
from govern.transparency.verify import VerifiedStatement

GRANTS_MIN = 2
TERMS = ("pack", "pack_version", "rule", "reason", "compensating_control", "expires_at")


def terms_of(candidate: str, predicate: Mapping[str, Any]) -> str | None:
    """Return the digest of a grant's terms, or None where one is missing or not text.

    Args:
        candidate: the digest the grant is about.
        predicate: the grant.
    """
    terms = {key: predicate.get(key) for key in TERMS}
    if not all(isinstance(value, str) and value.strip() for value in terms.values()):
        return None
    return digest_of(canonical_json({**terms, "candidate": candidate}))


def last_day_over(expires_at: object) -> date | None:
    """Return the first day on which a waiver no longer counts; None where it is no time.

    A waiver ends at the start (UTC) of the day ``expires_at`` falls on, so that a decision,
    which knows only its date, and a gate, which knows the second, end it together.
    """
    try:
        return parse_time(expires_at).astimezone(UTC).date()
    except MalformedError:
        return None


def ends_at(expires_at: object) -> datetime | None:
    """Return the moment from which a waiver no longer counts; None where it is no time."""
    over = last_day_over(expires_at)
    return None if over is None else datetime(over.year, over.month, over.day, tzinfo=UTC)


def waiver_rows(
    candidate: str,
    grants: Iterable[VerifiedStatement],
    revocations: Iterable[VerifiedStatement],
    barred: Iterable[str],
) -> list[dict[str, Any]]:
    """Combine grants into one row per set of terms, without those revoked.

    Args:
        candidate: the candidate digest.
        grants: waiver statements about it.
        revocations: waiver revocations about it.
        barred: who may not grant; their signatures do not count.

    Returns:
        rows with the terms, their digest, who signed and which statements, sorted.
    """
    gone = {item.statement.predicate.get("terms") for item in revocations}
    outside = set(barred)
    rows: dict[str, dict[str, Any]] = {}
    for item in grants:
        predicate = item.statement.predicate
        terms = terms_of(candidate, predicate)
        if terms is None or terms in gone or item.signer in outside:
            continue
        row = rows.setdefault(
            terms,
            {**{key: predicate[key] for key in TERMS}, "terms": terms, "by": {}},
        )
        row["by"].setdefault(item.signer, item.digest)
    return [_row(rows[terms]) for terms in sorted(rows)]


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    by = row["by"]
    plain = {key: value for key, value in row.items() if key != "by"}
    return {**plain, "granted_by": sorted(by), "statements": sorted(by.values())}


def counts(row: Mapping[str, Any], *, pack: str, version: str, rule: str, day: date) -> bool:
    """Say whether a row waives this rule of this pack on this day."""
    if (row.get("pack"), row.get("pack_version"), row.get("rule")) != (pack, version, rule):
        return False
    granted = row.get("granted_by")
    over = last_day_over(row.get("expires_at"))
    texts = [row.get(key) for key in ("reason", "compensating_control", "terms")]
    if over is None or not all(isinstance(text, str) and text.strip() for text in texts):
        return False
    return isinstance(granted, list) and len(set(map(str, granted))) >= GRANTS_MIN and day < over


def relied_on(decision: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return the waivers a decision's value says it relied on.

    Raises:
        MalformedError: the list is not one of mappings.
    """
    rows = decision.get("waivers", [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise MalformedError("the decision's waivers are no list")
    return rows


def end_of(decision: Mapping[str, Any]) -> datetime | None:
    """Return when the first waiver that a decision relied on ends; None without waivers.

    Raises:
        MalformedError: a waiver without an end.
    """
    ends = [ends_at(row.get("expires_at")) for row in relied_on(decision)]
    if any(end is None for end in ends):
        raise MalformedError("the decision relies on a waiver without an end")
    return min((end for end in ends if end is not None), default=None)


def is_revoked(
    decision: Mapping[str, Any], revocations: Iterable[VerifiedStatement], at: datetime
) -> bool:
    """Say whether a waiver that a decision relied on had been revoked at a time."""
    terms = {row.get("terms") for row in relied_on(decision)}
    return any(
        item.statement.predicate.get("terms") in terms and item.proven_at <= at
        for item in revocations
        if item.kind == predicates.WAIVER_REVOCATION
    )
