"""The talk about an approval request, and what it changes: who reviews, and whether it goes on.

Questions and answers change nothing. A call for changes closes the request. A recusal takes
its reviewer out; a delegation takes one out and asks another. Pure, over messages.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from govern.services.ports import RequestMessage
from govern.transparency.encoding import format_time, parse_time

QUESTION, ANSWER, CHANGES, RECUSAL, DELEGATION = (
    "question",
    "answer",
    "changes",
    "recusal",
    "delegation",
)
MESSAGE_KINDS = (QUESTION, ANSWER, CHANGES, RECUSAL, DELEGATION)
REVIEWERS_ALONE = (CHANGES, RECUSAL, DELEGATION)
REQUEST_DAYS = 30
QUICK_SECONDS = 60


def stepped_back(messages: Iterable[RequestMessage]) -> dict[str, str]:
    """Return who no longer reviews, with the reason."""
    reasons: dict[str, str] = {}
    for item in messages:
        if item.kind == RECUSAL:
            reasons.setdefault(item.author, "recused herself or himself")
        elif item.kind == DELEGATION:
            reasons.setdefault(item.author, f"handed the review to {item.addressee}")
    return reasons


def handed_to(messages: Iterable[RequestMessage]) -> dict[str, str]:
    """Return who was asked in somebody's place, and by whom."""
    return {
        item.addressee: item.author
        for item in messages
        if item.kind == DELEGATION and item.addressee
    }


def delegation_refusals(
    by: str, to: str, *, reviewers: Iterable[str], barred: Mapping[str, str], messages: Any
) -> list[str]:
    """Return every reason why a review cannot be handed to a person; empty when it can."""
    reasons = []
    if to == by:
        reasons.append("a review is handed to somebody else")
    if to not in reviewers:
        reasons.append(f"{to or 'nobody'} is not a reviewer in the trust file")
    if to in barred:
        reasons.append(f"separation of duties: {to} {barred[to]}")
    if to in stepped_back(messages):
        reasons.append(f"{to} {stepped_back(messages)[to]}")
    return reasons


def review_facts(
    opened: Mapping[str, str], shown: Sequence[str], decision: str, now: datetime
) -> dict[str, Any] | None:
    """Return how a review went, to be kept with its vote; None where nobody looked in the portal.

    Args:
        opened: statement digest to when this reviewer first opened it.
        shown: digests of the evidence that the page offers.
        decision: the decision under review; opening its page begins the review.
        now: the present.
    """
    if decision not in opened:
        return None
    began = opened[decision]
    seconds = max(0, int((now - parse_time(began)).total_seconds()))
    return {
        "began_at": format_time(parse_time(began)),
        "seconds": seconds,
        "opened": sum(digest in opened for digest in set(shown)),
        "offered": len(set(shown)),
    }


def looked_quick(review: Mapping[str, Any] | None) -> bool:
    """Say whether a vote came in under a minute, or with no evidence opened: a rubber stamp."""
    return review is not None and (review["seconds"] < QUICK_SECONDS or review["opened"] == 0)
