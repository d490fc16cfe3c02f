"""Read models of single statements, and of the lineage graph they make together.

It draws nothing: nodes and edges are plain values that a figure and a table both show.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

from govern.domain import predicates
from govern.services import ports

View = dict[str, Any]


def read_statement(row: ports.StoredStatement) -> View:
    """Return the in-toto statement inside a stored bundle."""
    envelope = json.loads(row.bundle)["dsseEnvelope"]
    value: View = json.loads(base64.b64decode(envelope["payload"]))
    return value


def predicate_of(row: ports.StoredStatement) -> View:
    """Return a stored statement's predicate."""
    value: View = read_statement(row)["predicate"]
    return value


def dependencies(provenance: Mapping[str, Any]) -> list[View]:
    """Return name and digest of what a build read."""
    items = provenance.get("buildDefinition", {}).get("resolvedDependencies", [])
    return [
        {"name": item.get("name", ""), "digest": f"sha256:{item['digest']['sha256']}"}
        for item in items
        if isinstance(item.get("digest", {}).get("sha256"), str)
    ]


_WORDS = {
    "signature": ("model", "Signed files"),
    "dataset": ("data", "Data set"),
    "check": ("check", "Check"),
    "decision": ("decision", "Decision"),
    "approval": ("approval", "Vote"),
    "admission": ("admission", "Admission"),
    "candidate": ("model", "Candidate"),
}


def lineage_view(rows: Sequence[ports.StoredStatement], candidate: str) -> View:
    """Return the graph from data to serving: nodes, edges, and the same as table rows."""
    nodes: list[View] = []
    made: dict[str, list[str]] = {}
    for row in rows:
        if row.kind == "signature":
            continue
        statement = read_statement(row)
        kind, label = _lineage_word(row, statement)
        if kind is None:
            continue
        subjects = [f"sha256:{item['digest']['sha256']}" for item in statement["subject"]]
        nodes.append(
            {
                "id": row.digest,
                "kind": kind,
                "label": label,
                "digest": row.digest,
                "by": row.signer,
                "at": row.created_at,
                "subject": subjects[0],
                "reads": _reads(row, statement, candidate),
            }
        )
        for subject in subjects:
            made.setdefault(subject, []).append(row.digest)
    known = {node["id"] for node in nodes}
    edges = [
        (source, node["id"])
        for node in nodes
        for read in node["reads"]
        for source in ([read] if read in known else made.get(read, []))
        if source != node["id"] and _before(nodes, source, node["id"])
    ]
    return {"nodes": nodes, "edges": sorted(set(edges))}


_RANK = ("data", "features", "training", "model", "check", "decision", "approval", "admission")


def _before(nodes: Sequence[View], source: str, target: str) -> bool:
    kinds = {node["id"]: node["kind"] for node in nodes}
    first, second = _RANK.index(kinds[source]), _RANK.index(kinds[target])
    return first < second and (second - first == 1 or kinds[target] in ("training", "decision"))


def _lineage_word(row: ports.StoredStatement, statement: View) -> tuple[str | None, str]:
    predicate, name = statement["predicate"], statement["subject"][0].get("name", "")
    if row.predicate_type == predicates.PROVENANCE:
        training = predicate.get("buildDefinition", {}).get("buildType")
        return ("training" if training == predicates.BUILD_TRAINING else "features"), name
    kind, _ = _WORDS.get(row.kind, (None, ""))
    labels = {
        "check": predicate.get("govern", {}).get("check"),
        "decision": predicate.get("govern", {}).get("outcome"),
        "approval": f"{predicate.get('vote')} {row.signer.split('@')[0]}",
        "admission": predicate.get("deployment"),
    }
    return kind, str(labels.get(row.kind) or name)


def _reads(row: ports.StoredStatement, statement: View, candidate: str) -> list[str]:
    predicate = statement["predicate"]
    if row.predicate_type == predicates.PROVENANCE:
        return [item["digest"] for item in dependencies(predicate)]
    if row.kind == "decision":
        return [item["digest"] for item in predicate.get("govern", {}).get("evidence", [])]
    if row.kind == "approval":
        return [str(predicate.get("decision"))]
    if row.kind == "admission":
        return [str(item) for item in predicate.get("approvals", [])]
    return [candidate] if row.kind in ("candidate", "check") else []
