"""Recall: list everything a tainted digest, key or person touched, and stop it.

Statements are verified before they count. Records are counted in every gate's folder. With
suspension each live admission is suspended by a signed statement of its own; one that cannot
be is named and keeps none of the others from it. The recall itself becomes a statement
(docs/specs/predicates/recall.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from govern.domain import predicates
from govern.domain.lineage_graph import LineageGraph, build_graph
from govern.domain.lineage_reading import Node, Recorded, Served
from govern.domain.recalling import (
    KeyUse,
    Target,
    find_target,
    key_uses,
    live,
    next_steps,
    of_kind,
    since,
    touched,
)
from govern.errors import GovernError, RefusedError
from govern.services.approving import admission_status, change_admission
from govern.services.ports import GateCount, Suspend
from govern.services.recording import Recorder
from govern.services.serving import current_admissions
from govern.services.statement_keys import gate_key, statement_keys
from govern.transparency.encoding import format_time

Counts = Callable[[], Sequence[GateCount]]
REASON_CHARS_MAX = 2_000
SUMS = ("records", "answers", "refusals", "failures")


def lineage_graph(recorder: Recorder, counts: Iterable[GateCount] = ()) -> LineageGraph:
    """Return the graph of all statements, verified, with what gates recorded."""
    served = [
        Served(count.name, count.origin, admission, under["records"], under["answers"])
        for count in counts
        for admission in sorted(count.tally.admissions())
        for under in [count.tally.under(admission)]
    ]
    return build_graph((Recorded.of(item) for item in recorder.every()), served)


def resolve(
    recorder: Recorder, graph: LineageGraph, text: str, counts: Sequence[GateCount] = ()
) -> Target:
    """Return what a text means; see ``find_target``."""
    return find_target(text, graph, _keys(recorder, graph, counts))


def lineage(recorder: Recorder, counts: Counts, text: str) -> dict[str, Any]:
    """Return the lineage around what a text means: all it comes from and all that follows.

    Raises:
        NotFoundError, InvalidRequestError: the text means nothing here, or several things.
    """
    gates = counts()
    graph = lineage_graph(recorder, gates)
    target = resolve(recorder, graph, text, gates)
    around = graph.around(target.seeds)
    value = {"text": target.text, "kind": target.kind, "digest": target.digest}
    return {
        "target": {**value, "seeds": sorted(target.seeds)},
        **around.to_json(),
        "picture": [list(edge) for edge in around.drawn().edges],
    }


def recall(
    recorder: Recorder,
    counts: Counts,
    text: str,
    *,
    moment: datetime | None = None,
    suspend: Suspend | None = None,
) -> dict[str, Any]:
    """List what a target touches; with ``suspend``, stop it and record the recall.

    Args:
        counts: counts the gates' records.
        text: digest or its beginning, key id, address, or name.
        moment: only what the target did since then.

    Returns:
        The recall as plain values; ``suspensions`` says what became of each admission.

    Raises:
        NotFoundError, InvalidRequestError: the text means nothing here, or several things.
        RefusedError: the person may not suspend, or gave no reason.
    """
    if suspend is not None:
        _require_may(recorder, suspend)
    gates = counts()
    graph = lineage_graph(recorder)
    target = resolve(recorder, graph, text, gates)
    target = target if moment is None else since(target, graph, moment)
    own_gate = [item for item in gates if gate_key(recorder.trust, item.origin) == target.digest]
    found = _describe(recorder, graph, target, own_gate or gates, moment)
    if suspend is not None:
        found["suspensions"] = _suspend(recorder, found["admissions"], target, suspend)
        if not suspend.dry_run:
            found["statement"] = _record(recorder, target, found, suspend)
            now = _describe(recorder, lineage_graph(recorder), target, own_gate or gates, moment)
            found |= {key: now[key] for key in ("admissions", "totals", "next")}
    return found


def _require_may(recorder: Recorder, suspend: Suspend) -> None:
    reasons = []
    if not suspend.reason.strip():
        reasons.append("a suspension needs a reason")
    if len(suspend.reason) > REASON_CHARS_MAX:
        reasons.append(f"a reason has at most {REASON_CHARS_MAX} characters")
    if not recorder.trust.has_role(suspend.by, "platform"):
        reasons.append(f"{suspend.by} is not a platform engineer in the trust file")
    if reasons:
        raise RefusedError(f"nothing was suspended: {reasons[0]}", reasons)


def _keys(
    recorder: Recorder, graph: LineageGraph, counts: Sequence[GateCount]
) -> dict[str, KeyUse]:
    statements = {item.digest: item for item in recorder.every()}
    trust = recorder.trust
    signed = [node for node in graph.nodes.values() if node.id in statements]
    uses = key_uses(signed, lambda id_: statement_keys(statements[id_]))
    for count in counts:
        key = gate_key(trust, count.origin)
        if key is not None:
            ids = count.tally.admissions() & set(graph.nodes)
            uses[key] = KeyUse(f"gate log {count.name}", frozenset(ids))
    return uses


def _describe(
    recorder: Recorder,
    graph: LineageGraph,
    target: Target,
    gates: Sequence[GateCount],
    moment: datetime | None,
) -> dict[str, Any]:
    part = touched(graph, target)
    admissions = _admissions(recorder, part, gates)
    models = of_kind(part, "model")
    totals = _totals(part, admissions, gates)
    return {
        "target": {"text": target.text, "kind": target.kind, "digest": target.digest}
        | ({} if moment is None else {"since": format_time(moment)}),
        "started_from": [
            {**_line(graph.nodes[id_]), "role": role}
            for id_, role in sorted(
                target.seeds.items(), key=lambda pair: list(graph.nodes).index(pair[0])
            )
        ],
        "models": [{**_line(node), "candidate": node.subjects[0]} for node in models],
        "lineage": [_line(node) for node in of_kind(part, "data", "features", "training")],
        "decisions": [_line(node) for node in of_kind(part, "decision")],
        "approvals": [_line(node) for node in of_kind(part, "approval")],
        "admissions": admissions,
        "gates": [_gate(item, {row["statement"] for row in admissions}) for item in gates],
        "gaps": [gap.sentence for gap in part.gaps],
        "totals": totals,
        "next": next_steps(
            live_count=totals["live"],
            models=models,
            answers=totals["answers"],
            problem=any(item.problem for item in gates),
        ),
    }


def _line(node: Node) -> dict[str, Any]:
    fields = {"statement": node.id, "kind": node.kind, "label": node.label}
    return {**fields, "by": node.by, "at": node.at, "log_index": node.log_index}


def _admissions(
    recorder: Recorder, part: LineageGraph, gates: Sequence[GateCount]
) -> list[dict[str, Any]]:
    current = {item.digest for item in current_admissions(recorder).values()}
    rows = []
    for node in of_kind(part, "admission"):
        statement = recorder.find(node.id, void_too=True)
        assert statement is not None
        predicate = statement.statement.predicate
        status, ends = admission_status(recorder, statement), str(predicate["expires_at"])
        under = [count.tally.under(node.id) for count in gates]
        rows.append(
            {
                **_line(node),
                "deployment": node.label,
                "candidate": node.subjects[0],
                "status": status,
                "expires_at": ends,
                "live": live(status, ends, recorder.clock()),
                "current": node.id in current,
                **{name: sum(item[name] for item in under) for name in SUMS},
            }
        )
    return rows


def _gate(count: GateCount, admissions: set[str]) -> dict[str, Any]:
    under = [count.tally.under(admission) for admission in admissions]
    return {
        "gate": count.name,
        "origin": count.origin,
        **{name: sum(item[name] for item in under) for name in SUMS},
        "records_in_all": count.tally.records,
        "erased": count.tally.erased,
        "problem": count.problem,
    }


def _totals(
    part: LineageGraph, admissions: Sequence[Mapping[str, Any]], gates: Sequence[GateCount]
) -> dict[str, int]:
    return {
        "models": len({node.subjects[0] for node in of_kind(part, "model")}),
        "approvals": len(of_kind(part, "approval")),
        "admissions": len(admissions),
        "live": sum(bool(row["live"]) for row in admissions),
        "deployments": len({row["deployment"] for row in admissions}),
        **{name: sum(int(row[name]) for row in admissions) for name in SUMS},
        "erased_in_these_gates": sum(item.tally.erased for item in gates),
        "gates_not_counted": sum(item.problem is not None for item in gates),
    }


def _suspend(
    recorder: Recorder, admissions: Sequence[Mapping[str, Any]], target: Target, suspend: Suspend
) -> list[dict[str, Any]]:
    reason = f"recall of {target.kind} {target.text}: {suspend.reason}"
    return [_suspend_one(recorder, row, suspend, reason) for row in admissions]


def _suspend_one(
    recorder: Recorder, row: Mapping[str, Any], suspend: Suspend, reason: str
) -> dict[str, Any]:
    answer = {"admission": row["statement"], "deployment": row["deployment"]}
    if not row["live"]:
        status = row["status"] if row["status"] != "active" else "expired"
        return {**answer, "result": f"already {status}"}
    if suspend.dry_run:
        return {**answer, "result": "would be suspended"}
    try:
        done = change_admission(
            recorder, row["statement"], predicates.SUSPENSION, by=suspend.by, reason=reason
        )
    except (GovernError, OSError) as error:
        return {**answer, "result": "not suspended", "problem": str(error)}
    return {**answer, "result": "suspended", "statement": done.digest}


def _record(recorder: Recorder, target: Target, found: Mapping[str, Any], suspend: Suspend) -> str:
    """Record the recall; one that changes nothing since the last is not recorded again."""
    changed = any(row["result"] in ("suspended", "not suspended") for row in found["suspensions"])
    touched_now = [row["statement"] for row in found["admissions"]]
    for earlier in reversed(recorder.about(target.digest)):
        same = earlier.kind == predicates.RECALL and not changed
        admissions = earlier.statement.predicate.get("admissions", [])
        if same and [row.get("admission") for row in admissions] == touched_now:
            return earlier.digest
    predicate = {
        "target": found["target"],
        "reason": suspend.reason,
        "by": suspend.by,
        "at": format_time(recorder.clock()),
        "started_from": sorted(target.seeds),
        "models": sorted({row["candidate"] for row in found["models"]}),
        "approvals": sorted(row["statement"] for row in found["approvals"]),
        "admissions": [
            {key: row[key] for key in ("admission", "result", "statement") if key in row}
            for row in found["suspensions"]
        ],
        "gates": [{key: row[key] for key in ("origin", "erased", *SUMS)} for row in found["gates"]],
        "totals": found["totals"],
    }
    subject = [(target.text[:200], target.digest)]
    return recorder.record(predicates.RECALL, subject, predicate, signer=suspend.by).digest
