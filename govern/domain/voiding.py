"""What a revoked key signed too late counts against a model, never for it. Pure.

Nothing ever leaves the log, so a statement that became void by a revocation stays where
it is, and is named. It speaks for nothing any more. But if its loss would help (it
suspends, revokes, rejects, or found a fault), it stands until it is answered by one that
counts: losing evidence never helps.
"""

from __future__ import annotations

from collections.abc import Iterable

from govern.domain import predicates
from govern.errors import RevokedKeyError
from govern.transparency.verify import VerifiedStatement

_ENDING = (predicates.SUSPENSION, predicates.REVOCATION, predicates.WAIVER_REVOCATION)


def counts(item: VerifiedStatement) -> bool:
    """Say whether a statement counts: it is not void, or it counts against a model."""
    return not item.void or counts_against(item)


def counts_against(item: VerifiedStatement) -> bool:
    """Say whether losing a statement could let a model serve that does not serve with it."""
    predicate = item.statement.predicate
    if item.kind == predicates.TEST_RESULT:
        result = predicate.get("govern")
        return not isinstance(result, dict) or result.get("verdict") != "pass"
    if item.kind == predicates.APPROVAL:
        return predicate.get("vote") == "reject"
    return item.kind in _ENDING


def require_not_void(items: Iterable[VerifiedStatement | None], what: str) -> None:
    """Refuse what rests on a void statement.

    Raises:
        RevokedKeyError: one of ``items`` is void.
    """
    for item in items:
        if item is not None and item.void:
            raise resting_on(item, what)


def resting_on(item: VerifiedStatement, what: str) -> RevokedKeyError:
    """Return the error that says that ``what`` rests on a void statement."""
    return RevokedKeyError(f"{what} rests on {named(item)}: {item.void}")


def named(item: VerifiedStatement) -> str:
    """Return how a sentence names a statement."""
    kind = predicates.name_of(item.kind)
    return f"the {kind} at log entry {item.log_index} by {item.signer}"
