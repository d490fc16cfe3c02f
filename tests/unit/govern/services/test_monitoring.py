"""Live answers of an admitted model: proven drift suspends it, in the service's name, on record."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from govern.adapters.pack_files import load_packs
from govern.checks.monitoring import Answers
from govern.checks.replaying import Exchange
from govern.domain import predicates
from govern.domain.gate_archive import ArchivedRecord
from govern.errors import InvalidRequestError, RefusedError, UntrustedSignerError
from govern.services import monitoring
from govern.services.approving import admission_status, change_admission
from govern.services.monitoring import Fact, Seen
from govern.settings import shipped_policies
from tests.conformance.dossier_workshop import ADA, PRIYA, SERVICE, Candidate, Workshop, prepare
from tests.support.gate_records import record

PACKS = load_packs(shipped_policies() / "monitors")
ORIGIN = "bank.example/govern/gate/demo"
COLUMNS = ["income", "debt"]


class Plain:
    """Reads bodies that are lists: rows, and scores."""

    def read(self, path: str, request: bytes, response: bytes) -> Exchange:
        try:
            rows, scores = np.array(json.loads(request), float), np.array(json.loads(response), float)
        except ValueError:
            raise InvalidRequestError("no rows") from None
        return Exchange(rows, {}, (scores > 0.5).astype(np.int64), scores)


def drawn(seed: int, n: int, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    rows = np.random.default_rng(seed).normal(shift, 1, (n, 2))
    return rows, 1 / (1 + np.exp(-rows.sum(axis=1)))


def archived(seq: int, admission: str, seed: int, shift: float, **more: Any) -> ArchivedRecord:
    rows, scores = drawn(seed, 10, shift)
    one = replace(record(seq, admission, "inference"), **more)
    return ArchivedRecord(
        b"", one.to_bytes(), b"", json.dumps(rows.tolist()).encode(), json.dumps(scores.tolist()).encode()
    )


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path / "shop")


def figures(item: Candidate, shift: float, facts: dict[Any, Fact] | None = None) -> dict[str, Any]:
    assert item.admission is not None
    records = [archived(at, item.admission.digest, 100 + at, shift) for at in range(150)]
    seen = Seen()
    monitoring.see(seen, ORIGIN, records, item.admission.digest, Plain())
    rows, scores = drawn(1, 2000)
    approved = Answers(rows, (scores > 0.5).astype(np.int64), scores)
    return monitoring.figures(seen, approved, COLUMNS, facts or {})


def run(shop: Workshop, item: Candidate, found: dict[str, Any], *, rehearsal: bool = False) -> monitoring.Judged:
    assert item.admission is not None
    decision = monitoring.judge(shop.recorder, PACKS, item.digest, found)
    return monitoring.act(
        shop.recorder, item.admission, decision, found, origins=[ORIGIN], outcomes=None,
        rehearsal=rehearsal, signer=SERVICE,
    )


def test_traffic_like_the_evaluation_changes_nothing(shop: Workshop) -> None:
    item = prepare(shop)
    found = figures(item, 0.0)
    assert found["answers"] == 150 and found["rows"] == 1500
    judged = run(shop, item, found)
    assert judged.suspension is None
    assert shop.store.items[-1].kind == predicates.MONITOR
    assert shop.store.items[-1].statement.predicate["action"] == "none"


def test_proven_drift_suspends_in_the_services_name_and_says_why(shop: Workshop) -> None:
    item = prepare(shop)
    judged = run(shop, item, figures(item, 0.9))
    suspension = shop.store.items[-1]
    assert suspension.digest == judged.suspension and suspension.signer == SERVICE
    assert judged.statement in suspension.statement.predicate["reason"]
    assert item.admission is not None
    assert admission_status(shop.recorder, item.admission) == "suspended"
    evidence = shop.store.items[-2].statement.predicate
    failed = {rule["rule"] for rule in evidence["decision"]["rules"] if rule["status"] == "fail"}
    assert {"selection-rate", "score-distance"} <= failed
    again = run(shop, item, figures(item, 0.9))
    assert again.status == "suspended" and again.suspension is None


def test_a_rehearsal_says_what_would_happen_and_stops_nothing(shop: Workshop) -> None:
    item = prepare(shop)
    judged = run(shop, item, figures(item, 0.9), rehearsal=True)
    assert judged.suspension is None
    assert shop.store.items[-1].statement.predicate["action"] == "would suspend"
    assert item.admission is not None
    assert admission_status(shop.recorder, item.admission) == "active"


def test_the_service_may_suspend_and_nothing_else(shop: Workshop) -> None:
    item = prepare(shop)
    assert item.admission is not None
    admission = item.admission.digest
    with pytest.raises(RefusedError):
        change_admission(shop.recorder, admission, predicates.REVOCATION, by=SERVICE, reason="r")
    with pytest.raises(RefusedError):
        change_admission(shop.recorder, admission, predicates.SUSPENSION, by=ADA, reason="r")
    change_admission(shop.recorder, admission, predicates.SUSPENSION, by=SERVICE, reason="r")
    with pytest.raises(RefusedError):
        change_admission(shop.recorder, admission, predicates.REINSTATEMENT, by=SERVICE, reason="r")
    change_admission(shop.recorder, admission, predicates.REINSTATEMENT, by=PRIYA, reason="r")
    assert admission_status(shop.recorder, item.admission) == "active"


@pytest.mark.parametrize("kind", [predicates.REINSTATEMENT, predicates.REVOCATION])
def test_a_change_that_the_service_smuggled_in_is_refused(shop: Workshop, kind: str) -> None:
    item = prepare(shop)
    shop.end(item, predicates.SUSPENSION)
    shop.end(item, kind, by=SERVICE)
    assert item.admission is not None
    with pytest.raises(UntrustedSignerError):
        admission_status(shop.recorder, item.admission)


def test_other_admissions_refusals_and_what_is_no_rows_are_kept_apart(shop: Workshop) -> None:
    item = prepare(shop)
    assert item.admission is not None
    own = item.admission.digest
    unread = replace(archived(3, own, 3, 0.0), request_body=b"not rows")
    records = [
        archived(0, own, 0, 0.0),
        archived(1, "sha256:" + "b" * 64, 1, 0.0),
        archived(2, own, 2, 0.0, kind="refusal"),
        unread,
        archived(4, own, 4, 0.0, kind="timeout"),
        None,
    ]
    seen = Seen()
    monitoring.see(seen, ORIGIN, records, own, Plain())
    assert (seen.answers, seen.rows, seen.refusals, seen.failures, seen.unread) == (2, 10, 1, 1, 2)


def test_a_group_that_is_proven_to_be_selected_less_often_suspends(shop: Workshop) -> None:
    item = prepare(shop)
    assert item.admission is not None
    facts = {}
    for at in range(150):
        for row, score in enumerate(drawn(100 + at, 10)[1]):
            group = "a" if score > 0.5 or row % 3 else "b"
            facts[ORIGIN, at, row] = Fact(None, {"race": group})
    found = figures(item, 0.0, facts)
    (race,) = found["fairness"]
    assert race["ratio"]["high"] < 0.8
    judged = run(shop, item, found)
    assert judged.suspension is not None
    reasons = shop.store.items[-1].statement.predicate["reason"]
    assert "ratio of the lowest to the highest selection rate" in reasons


def test_losing_the_figures_never_passes(shop: Workshop) -> None:
    item = prepare(shop)
    found = figures(item, 0.0)
    for name in ("selection", "scores", "inputs", "performance", "fairness", "rows"):
        poorer = {key: value for key, value in found.items() if key != name}
        decision = monitoring.judge(shop.recorder, PACKS, item.digest, poorer)
        assert decision.outcome == "deny" or name == "rows", name
