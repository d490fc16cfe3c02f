"""From verified evidence to the facts of an audit report (docs/specs/report_facts.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from govern.domain import predicates
from govern.domain.assembling import (
    StatementIndex,
    as_of_date,
    evidence_document,
    load_admission,
    load_decision,
)
from govern.domain.evidence import EvidenceSet, decision_digest, decision_value
from govern.domain.lineage_graph import build_graph
from govern.domain.lineage_reading import Recorded
from govern.domain.waiver import relied_on
from govern.errors import NotFoundError
from govern.policy.document import Pack
from govern.services.approving import newest_decision
from govern.services.recording import Recorder
from govern.services.report_form import ReportForm
from govern.services.serving import current_admissions, evidence_statements
from govern.services.tracing import statements_about
from govern.services.viewing_lineage import graph_view
from govern.transparency.encoding import format_time
from govern.transparency.verify import VerifiedStatement

DECLARED_IN_REPORT = {
    "users": "users",
    "persons_affected": "affected",
    "out_of_scope": "out_of_scope",
    "conditions_of_use": "conditions",
    "human_oversight": "oversight",
    "limitations": "limitations",
    "label_limits": "label",
    "gdpr_legal_basis": "legal_basis",
    "alternatives_considered": "alternatives",
    "residual_risk": "residual_risk",
}
"""What a card declares, and the key of the report's section that prints it."""


def report_facts(
    recorder: Recorder,
    candidate: str,
    packs: Sequence[Pack],
    *,
    issuer: str,
    form: ReportForm = ReportForm(),  # noqa: B008 - frozen
    serving: Mapping[str, Any] | None = None,
    refused_votes: Sequence[Mapping[str, str]] = (),
) -> dict[str, Any]:
    """Return everything a report about one candidate says, each with its statement.

    Args:
        packs: the packs in use, for their dates and jurisdictions.
        issuer: who publishes the report.
        form: which report it is for.
        serving: statistics of the gate's log, or None where it does not serve.
        refused_votes: votes that were not accepted.

    Raises:
        NotFoundError: there is no decision about the candidate.
    """
    index = statements_about(recorder, candidate)
    evidence = _load(recorder, index, candidate)
    assert evidence.candidate is not None
    assert evidence.decision is not None
    now = recorder.clock()
    document = evidence_document(evidence, as_of_date(now))
    statements = evidence_statements(evidence, index)
    return {
        "report": {
            "id": f"R-{candidate[7:15]}",
            "kind": form.kind,
            "language": form.language,
            "issuer": issuer,
        },
        "candidate": {**document["candidate"], "statement": evidence.candidate.digest},
        "decision": {
            "statement": evidence.decision.digest,
            "digest": decision_digest(evidence.decision),
            "value": decision_value(evidence.decision),
        },
        "packs": [_pack(pack, decision_value(evidence.decision)) for pack in packs],
        "regimes": _regimes(evidence, packs),
        "checks": {
            name: {"statement": item.digest, "result": item.statement.predicate["govern"]}
            for name, item in evidence.checks.items()
        },
        "lineage": _lineage(evidence, statements),
        "approvals": [_approval(item) for item in evidence.approvals],
        "approval_request": {"refused": [dict(item) for item in refused_votes]},
        "admission": _admission(evidence.admission),
        "waivers": _waivers(evidence),
        "serving": dict(serving) if serving else None,
        "compared": [_compared(recorder, item) for item in _others(recorder)],
        "human": _human(evidence.candidate),
        "declarations": _declarations(evidence.candidate),
        "evidence": _numbered(statements),
        "verify": {"report_file": f"{form.name}.pdf", "trust": "trust.json"},
    }


def _numbered(statements: Sequence[VerifiedStatement]) -> list[dict[str, str]]:
    return [
        {
            "id": f"E{place}",
            "title": _title(item),
            "digest": item.digest,
            "created": format_time(item.proven_at),
        }
        for place, item in enumerate(statements, 1)
    ]


def _load(recorder: Recorder, index: StatementIndex, candidate: str) -> EvidenceSet:
    for admission in current_admissions(recorder).values():
        if admission.statement.has_subject(candidate):
            return load_admission(index, admission.digest, recorder.trust)
    decision = newest_decision(index, candidate)
    evidence = load_decision(index, decision, recorder.trust)
    for vote in index.of_kind(predicates.APPROVAL, candidate):
        if vote.statement.predicate.get("decision") == decision.digest:
            evidence.add_approval(vote)
    return evidence


def _pack(pack: Pack, decision: Mapping[str, Any]) -> dict[str, Any]:
    used = {row["id"]: row["digest"] for row in decision["packs"]}
    return {
        "id": pack.id,
        "version": pack.version,
        "digest": used.get(pack.id, pack.digest),
        "title": pack.title,
        "jurisdiction": pack.jurisdiction,
        "status": pack.status if pack.id in used else "not applicable",
        "effective_from": pack.effective_from.isoformat(),
    }


def _waivers(evidence: EvidenceSet) -> list[dict[str, Any]]:
    """One row per waiver that the decision relied on, or that was granted and did not count."""
    assert evidence.decision is not None
    relied = {row.get("terms") for row in relied_on(decision_value(evidence.decision))}
    return [
        {
            "rule": f"{row['pack']}/{row['rule']}",
            "reason": f"{row['reason']} Instead: {row['compensating_control']}"
            + ("" if row["terms"] in relied else " (not relied on)"),
            "owner": ", ".join(row["granted_by"]),
            "expires_at": row["expires_at"],
            "statement": row["statements"][0],
        }
        for row in evidence.waiver_rows()
    ]


def _regimes(evidence: EvidenceSet, packs: Sequence[Pack]) -> list[dict[str, Any]]:
    """One row per rule: the requirement, and what the decision found."""
    assert evidence.decision is not None
    titles = {pack.id: pack.title for pack in packs}
    words = {"pass": "met", "not-applicable": "not applicable", "waived": "waived"}
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for rule in decision_value(evidence.decision)["rules"]:
        status = words.get(rule["status"], "not met")
        if status == "not met" and rule["severity"] == "advise":
            status = "advice"
        key = (rule["pack"], rule["title"])
        row = rows.setdefault(
            key,
            {
                "regime": titles.get(rule["pack"], rule["pack"]),
                "requirement": f"{rule['title']} ({rule['citation']})",
                "status": status,
                "statement": evidence.decision.digest,
            },
        )
        if row["status"] == "met":
            row["status"] = status
    return list(rows.values())


def _lineage(evidence: EvidenceSet, statements: Sequence[VerifiedStatement]) -> dict[str, Any]:
    """Draw the statements the evidence stands on; whether it is closed the evidence says."""
    graph = build_graph(Recorded.of(item) for item in statements).drawn()
    superseded = {
        node.id
        for node in graph.nodes.values()
        if node.kind == "check" and node.id not in _newest_checks(evidence)
    }
    view = graph_view(graph.part(set(graph.nodes) - superseded))
    return {
        "complete": not evidence.gaps,
        "gaps": list(evidence.gaps),
        "nodes": view["nodes"],
        "edges": view["edges"],
    }


def _newest_checks(evidence: EvidenceSet) -> set[str]:
    return {check.digest for check in evidence.checks.values()}


def _approval(item: VerifiedStatement) -> dict[str, Any]:
    predicate = item.statement.predicate
    copied = ("approver", "vote", "comment", "approved_at", "evidence_read")
    return {
        "statement": item.digest,
        **{key: predicate[key] for key in copied},
        **({"review": predicate["review"]} if "review" in predicate else {}),
        "roles": [predicate["role"]],
    }


def _admission(item: VerifiedStatement | None) -> dict[str, Any] | None:
    if item is None:
        return None
    copied = ("deployment", "environment", "admitted_by", "admitted_at", "expires_at")
    predicate = item.statement.predicate
    return {"statement": item.digest, **{key: predicate[key] for key in copied}}


def _others(recorder: Recorder) -> list[VerifiedStatement]:
    return recorder.all(predicates.CANDIDATE)


def _compared(recorder: Recorder, candidate: VerifiedStatement) -> dict[str, Any]:
    """Sum up one candidate of the same house for the comparison."""
    digest = candidate.statement.subject
    index = statements_about(recorder, digest)
    row: dict[str, Any] = {
        "statement": candidate.digest,
        "name": candidate.statement.predicate.get("title", candidate.statement.subjects[0][0]),
        "digest": digest,
        "outcome": None,
        "deciding_rule": None,
        "figures": {},
    }
    try:
        value = decision_value(newest_decision(index, digest))
    except NotFoundError:
        return row
    row["outcome"] = value["outcome"]
    row["deciding_rule"] = deciding_rule(value)
    row["figures"] = _figures(index, digest)
    return row


def deciding_rule(decision: Mapping[str, Any]) -> str | None:
    """Return the title of the rule that decided, the gravest first; None for an allow."""
    wanted = {"deny": ("deny",), "review": ("review", "deny")}.get(str(decision["outcome"]), ())
    for severity in wanted:
        for rule in decision["rules"]:
            against = rule["status"] in ("fail", "error", "uncertain")
            if rule["severity"] == severity and against:
                return str(rule["title"])
    return None


def _figures(index: StatementIndex, digest: str) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for check in index.of_kind(predicates.TEST_RESULT, digest):
        result = check.statement.predicate["govern"]
        metrics = result["metrics"]
        if result["check"] == "fairness" and metrics:
            figures["ratio"] = _ratio(metrics["features"])
        if result["check"] == "performance" and metrics:
            for name in ("accuracy", "selection_rate"):
                figures[name] = metrics.get(name, {}).get("value")
    return figures


def _ratio(features: Mapping[str, Any]) -> float | None:
    """Return the ratio by race; where race is not measured, the lowest of any feature."""
    if "race" in features:
        features = {"race": features["race"]}
    known = [one["ratio"]["value"] for one in features.values()]
    return min((value for value in known if value is not None), default=None)


def _human(candidate: VerifiedStatement) -> dict[str, Any]:
    """What people stated on the candidate's card; the rest prints as NOT PROVIDED."""
    predicate = candidate.statement.predicate
    found = {
        DECLARED_IN_REPORT[row["name"]]: {"text": row["answer"], "by": row["by"], "on": row["on"]}
        for row in _declarations(candidate)
        if row["name"] in DECLARED_IN_REPORT
    }
    if predicate.get("intended_use"):
        registered = str(predicate["registered_at"])[:10]
        found["intended_use"] = {
            "text": predicate["intended_use"],
            "by": candidate.signer,
            "on": registered,
        }
    return found


def _declarations(candidate: VerifiedStatement) -> list[dict[str, str]]:
    """What people declared on the card, by name; what says nothing or names nobody is left out."""
    declared = candidate.statement.predicate.get("declarations")
    rows = declared.items() if isinstance(declared, Mapping) else ()
    return [
        {"name": str(name), **{key: str(row.get(key, "")) for key in ("answer", "by", "on")}}
        for name, row in sorted(rows)
        if isinstance(row, Mapping) and row.get("answer") and row.get("by")
    ]


def _title(item: VerifiedStatement) -> str:
    name = predicates.name_of(item.kind)
    if item.kind == predicates.TEST_RESULT:
        return f"check: {item.statement.predicate['govern']['check']}"
    return f"{name}: {item.statement.subjects[0][0]}"
