"""Lineage as a graph: statements as nodes, edges by digest, and what is missing by name.

Pure. Nodes run from data sets over feature builds, training runs, models, checks, decisions,
votes and admissions to gate logs. A statement asks for what it read or quotes; what answers
is an edge, what does not is a ``Gap`` that says who asks. Nothing is invented: a digest that
nobody recorded never becomes a node.

The order in which statements come does not matter. It verifies no signature (see
``govern.transparency.verify``) and judges nothing: whether a lineage is closed enough to
decide on is ``govern.domain.evidence``'s to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from govern.domain.lineage_reading import (
    MAKERS,
    RANK,
    Node,
    Recorded,
    Reference,
    Served,
    read_node,
    serving_nodes,
)

Edge = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that statements ask for and nobody recorded.

    Args:
        asked_by: ids of the nodes that ask, in the graph's order.
        what: what it asks for, in words.
        kind: the kind of node that is missing.
        digest: the digest it asks by; None where it names none.
        sentence: all of it for a person.
        noted: the source of a run named it itself; no node stands where it opens.
    """

    asked_by: tuple[str, ...]
    what: str
    kind: str
    digest: str | None
    sentence: str
    noted: bool = False


@dataclass(frozen=True, slots=True)
class LineageGraph:
    """Nodes by id in the order of their kind and log index, edges from cause to effect."""

    nodes: Mapping[str, Node]
    edges: tuple[Edge, ...]
    gaps: tuple[Gap, ...]

    def upstream(self, ids: Iterable[str]) -> frozenset[str]:
        """Return everything these nodes come from, themselves included."""
        return _closure(_followers((b, a) for a, b in self.edges), self._known(ids))

    def downstream(self, ids: Iterable[str]) -> frozenset[str]:
        """Return everything that follows from these nodes, themselves included."""
        return _closure(_followers(self.edges), self._known(ids))

    def part(self, ids: Iterable[str]) -> LineageGraph:
        """Return the graph of these nodes alone, with the gaps that they ask for."""
        kept = self._known(ids)
        return LineageGraph(
            {id_: node for id_, node in self.nodes.items() if id_ in kept},
            tuple(edge for edge in self.edges if edge[0] in kept and edge[1] in kept),
            tuple(gap for whole in self.gaps if (gap := self._narrowed(whole, kept))),
        )

    def around(self, ids: Iterable[str]) -> LineageGraph:
        """Return these nodes with all they come from and all that follows from them."""
        wanted = list(ids)
        return self.part(self.upstream(wanted) | self.downstream(wanted))

    def naming(self, digest: str) -> frozenset[str]:
        """Return the nodes that a digest means.

        That is the statement itself; who made or signed these bytes, alone or as a file of a
        folder; and who read them where nobody recorded them. Where bytes were made by nobody
        here, statements about them count.
        """
        made = {node.id for node in self.nodes.values() if node.makes(digest)}
        about = {node.id for node in self.nodes.values() if digest in node.subjects}
        read = {
            node.id
            for node in self.nodes.values()
            if any(reference.digest == digest for reference in node.reads)
        }
        own = {digest} & set(self.nodes)
        return frozenset(own or made or about | read)

    def drawn(self) -> LineageGraph:
        """Return the graph as pictures show it.

        Folder signatures are left out where a data set or candidate quotes them, and an edge
        where a longer way leads to the same node (the transitive reduction; edges on a circle
        stay).
        """
        quoted = {a for a, b in self.edges if self.nodes[a].kind == "signature"}
        shown = self.part(id_ for id_ in self.nodes if id_ not in quoted)
        return LineageGraph(shown.nodes, _reduced(shown.edges), shown.gaps)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {
            "complete": not self.gaps,
            "gaps": [
                {
                    "asked_by": list(gap.asked_by),
                    "what": gap.what,
                    "kind": gap.kind,
                    "digest": gap.digest,
                    "sentence": gap.sentence,
                }
                for gap in self.gaps
            ],
            "nodes": [node.to_json() for node in self.nodes.values()],
            "edges": [list(edge) for edge in self.edges],
        }

    def _narrowed(self, gap: Gap, kept: frozenset[str]) -> Gap | None:
        askers = [self.nodes[id_] for id_ in gap.asked_by if id_ in kept]
        if gap.noted:
            return gap if askers else None
        return _gap(askers, gap.what, gap.kind, gap.digest) if askers else None

    def _known(self, ids: Iterable[str]) -> frozenset[str]:
        return frozenset(ids) & frozenset(self.nodes)


def build_graph(statements: Iterable[Recorded], served: Iterable[Served] = ()) -> LineageGraph:
    """Build the graph of statements, and of what gates recorded under their admissions.

    Args:
        statements: verified, in any order; of one that was logged twice the first entry counts.
        served: how many records each gate holds under each admission.
    """
    first: dict[str, Recorded] = {}
    for item in sorted(statements, key=lambda item: (item.log_index, item.signer)):
        first.setdefault(item.digest, item)
    found = [node for item in first.values() if (node := read_node(item)) is not None]
    found += serving_nodes(served)
    found.sort(key=lambda node: (RANK[node.kind], node.log_index, node.id))
    nodes = {node.id: node for node in found}
    answers = _Answers(found)
    edges: set[Edge] = set()
    asked: dict[tuple[str, str | None], tuple[str, str, list[Node]]] = {}
    notes: list[Gap] = []
    for node in found:
        met = [(item, answers.to(item) - {node.id}) for item in node.reads]
        edges |= {(source, node.id) for _, sources in met for source in sources}
        wanted = [item for item, sources in met if item.needed and not sources]
        for want in wanted:
            asked.setdefault(("", want.digest), (want.what, want.kind, []))[2].append(node)
        if not wanted and _breaks_rule(node, met, nodes):
            kind, what = _RULES[node.kind]
            asked[node.id, None] = (what, kind, [node])
        notes += [_noted(node, text) for text in node.notes]
    gaps = [_gap(askers, what, kind, key[1]) for key, (what, kind, askers) in asked.items()]
    return LineageGraph(nodes, tuple(sorted(edges)), (*gaps, *notes))


class _Answers:
    """Finds the nodes that answer a reference."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._by_id = {node.id: node for node in nodes}
        self._by_subject: dict[str, set[str]] = {}
        self._by_file: dict[str, set[str]] = {}
        for node in nodes:
            if node.kind in MAKERS:
                for digest in node.subjects:
                    self._by_subject.setdefault(digest, set()).add(node.id)
            for _, digest in node.files:
                self._by_file.setdefault(digest, set()).add(node.id)
        signed = {node.id: node.files for node in nodes if node.kind == "signature"}
        for node in nodes:
            for reference in node.reads:
                for _, digest in signed.get(reference.digest, ()):
                    self._by_file[digest].add(node.id)

    def to(self, reference: Reference) -> set[str]:
        """Return the ids of the nodes that a reference means."""
        if reference.digest in self._by_id:
            return {reference.digest}
        whole = self._by_subject.get(reference.digest, set())
        found = whole or self._by_file.get(reference.digest, set())
        return {id_ for id_ in found if self._by_id[id_].kind in reference.makers}


def _gap(askers: Sequence[Node], what: str, kind: str, digest: str | None) -> Gap:
    first, others = askers[0].words(), len(askers) - 1
    more = f" and {others} more ask" if others else " asks"
    sentence = (
        f"{first} lacks {what}"
        if digest is None
        else f"{what[:80]} {digest[:71]} is not recorded; {first}{more} for it"
    )
    return Gap(tuple(node.id for node in askers), what, kind, digest, sentence)


def _noted(node: Node, text: str) -> Gap:
    return Gap((node.id,), text, node.kind, None, f"{node.words()}: {text}", noted=True)


_RULES = {
    "features": ("data", "a recorded data set, read by the data set's own digest"),
    "training": ("features", "a recorded feature build whose output it read"),
}


def _breaks_rule(
    node: Node, met: Sequence[tuple[Reference, set[str]]], nodes: Mapping[str, Node]
) -> bool:
    """Hold the chain's own rule: features come from a data set, a training run from features."""
    if node.kind not in _RULES:
        return False
    kind, _ = _RULES[node.kind]
    return not any(
        nodes[id_].kind == kind and reference.digest in nodes[id_].subjects
        for reference, sources in met
        for id_ in sources
    )


def _followers(edges: Iterable[Edge]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for source, target in edges:
        found.setdefault(source, []).append(target)
    return found


def _closure(after: Mapping[str, Sequence[str]], seeds: Iterable[str]) -> frozenset[str]:
    seen = set(seeds)
    waiting = list(seen)
    while waiting:
        for id_ in after.get(waiting.pop(), ()):
            if id_ not in seen:
                seen.add(id_)
                waiting.append(id_)
    return frozenset(seen)


def _reduced(edges: Sequence[Edge]) -> tuple[Edge, ...]:
    after = _followers(edges)
    reach = {id_: _closure(after, after[id_]) for id_ in after}
    kept = []
    for source, target in edges:
        longer = any(
            other != target and target in reach.get(other, ()) and source not in reach[other]
            for other in after[source]
        )
        if not longer or source in reach[source]:
            kept.append((source, target))
    return tuple(kept)
