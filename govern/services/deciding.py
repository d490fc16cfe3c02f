"""Record check results, and decide: evidence and packs in, a signed decision out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from govern.domain import predicates
from govern.domain.assembling import as_of_date
from govern.domain.decision import PolicyDecision
from govern.errors import ConflictError
from govern.policy.deciding import decide_as_of
from govern.policy.document import Pack
from govern.services.recording import Recorder
from govern.services.tracing import evidence_for
from govern.transparency.digest import hex_of
from govern.transparency.encoding import format_time
from govern.transparency.verify import VerifiedStatement

VERIFIER_ID = "urn:govern:decider"
_RESULTS = {"pass": "PASSED", "uncertain": "WARNED", "fail": "FAILED", "error": "FAILED"}


def record_check(
    recorder: Recorder,
    candidate: str,
    result: Mapping[str, Any],
    *,
    evaluator: str,
    permit: Callable[[], None] = lambda: None,
) -> VerifiedStatement:
    """Record one check result as an in-toto test result that quotes candidate and lineage.

    Args:
        permit: asked under the log's lock; see ``Recorder.record``.

    Raises:
        ConflictError: the result is about another candidate.
    """
    if result.get("candidate") != candidate:
        raise ConflictError(f"the check result is about {result.get('candidate')}")
    evidence = evidence_for(recorder, candidate)
    assert evidence.candidate is not None
    quoted = [("candidate", evidence.candidate.digest)]
    quoted += [(f"lineage.{at}", item.digest) for at, item in enumerate(evidence.lineage)]
    quoted += [(str(item["name"]), str(item["digest"])) for item in result.get("materials", [])]
    predicate = {
        "result": _RESULTS[str(result["verdict"])],
        "configuration": [
            {"name": name, "digest": {"sha256": hex_of(digest)}} for name, digest in quoted
        ],
        **_sorted_tests(result),
        "govern": dict(result),
    }
    subject = [evidence.candidate.statement.subjects[0]]
    return recorder.record(
        predicates.TEST_RESULT, subject, predicate, signer=evaluator, permit=permit
    )


def _sorted_tests(result: Mapping[str, Any]) -> dict[str, list[str]]:
    tests: dict[str, list[str]] = {"passedTests": [], "warnedTests": [], "failedTests": []}
    names = {"pass": "passedTests", "uncertain": "warnedTests"}
    for finding in result.get("findings", []):
        name = finding["id"] + (f" ({finding['subject']})" if finding.get("subject") else "")
        tests[names.get(finding["verdict"], "failedTests")].append(name)
    return tests


def decide(
    recorder: Recorder, candidate: str, packs: Sequence[Pack], *, decider: str, requested_by: str
) -> tuple[PolicyDecision, VerifiedStatement]:
    """Evaluate the packs over the evidence and record the decision as a signed SVR."""
    now = recorder.clock()
    evidence = evidence_for(recorder, candidate)
    decision, _ = decide_as_of(packs, evidence, as_of_date(now))
    value = decision.to_json()
    predicate = {
        "verifier": {"id": VERIFIER_ID},
        "timeCreated": format_time(now),
        "properties": [f"GOVERN_{decision.outcome.upper()}"],
        "policy": {"packs": [dict(pack) for pack in value["packs"]]},
        "requested_by": requested_by,
        "decision_digest": decision.digest,
        "govern": value,
    }
    assert evidence.candidate is not None
    subject = [evidence.candidate.statement.subjects[0]]
    return decision, recorder.record(predicates.SVR, subject, predicate, signer=decider)
