"""Read models of single statements, and of the lineage graph they make together.

It draws nothing: nodes and edges are plain values that a figure and a table both show. The
graph itself is ``govern.domain.lineage_graph``'s.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from typing import Any

from govern.domain.lineage_graph import LineageGraph, build_graph
from govern.domain.lineage_reading import Recorded
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


def recorded_row(row: ports.StoredStatement) -> Recorded:
    """Return a stored row as a lineage reads it; it was verified before it was stored."""
    value = read_statement(row)
    return Recorded(
        digest=row.digest,
        predicate_type=row.predicate_type,
        subjects=tuple(
            (item.get("name", ""), f"sha256:{item['digest']['sha256']}")
            for item in value["subject"]
        ),
        predicate=value["predicate"],
        signer=row.signer,
        at=row.created_at,
        log_index=row.log_index,
    )


def lineage_view(rows: Iterable[ports.StoredStatement]) -> View:
    """Return the graph of stored rows as pages show it; see ``graph_view``."""
    return graph_view(build_graph(map(recorded_row, rows)))


def graph_view(graph: LineageGraph) -> View:
    """Return a graph for a figure and a table: ``nodes``, ``edges``, ``gaps``, ``complete``.

    A gap is a node of its own in ``missing``, with the first step that asks for it, so that a
    figure can show where it opens.
    """
    shown = graph.drawn()
    return {
        "complete": not graph.gaps,
        "gaps": [gap.sentence for gap in graph.gaps],
        "nodes": [node.to_json() for node in shown.nodes.values()],
        "edges": [list(edge) for edge in shown.edges],
        "missing": [
            {"id": f"gap:{place}", "kind": gap.kind, "label": gap.what, "asked_by": asker}
            for place, gap in enumerate(shown.gaps)
            if not gap.noted
            for asker in [next(id_ for id_ in gap.asked_by if id_ in shown.nodes)]
        ],
    }
