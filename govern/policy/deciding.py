"""Decide about loaded evidence as of a day: the one door to ``evaluate``. Pure.

Service, command line and CI step come through here, so that the same evidence, packs and
day give them the same decision digest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from govern.domain.assembling import evidence_document
from govern.domain.decision import PolicyDecision
from govern.domain.evidence import EvidenceSet
from govern.policy.document import Pack
from govern.policy.evaluate import evaluate


def decide_as_of(
    packs: Sequence[Pack], evidence: EvidenceSet, day: date
) -> tuple[PolicyDecision, Mapping[str, Any]]:
    """Return the decision and the evidence document that it read.

    Args:
        packs: every pack that might apply.
        evidence: loaded as far as its checks.
        day: the as-of date.

    Raises:
        PolicyError: two packs have one id.
    """
    document = evidence_document(evidence, day)
    return evaluate(packs, document, datetime(day.year, day.month, day.day, tzinfo=UTC)), document
