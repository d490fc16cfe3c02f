"""The lineage graph is the same for every order, never invents, and names what is missing."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from govern.domain import lineage_reading, predicates
from govern.domain.closure import lineage_gaps
from govern.domain.lineage_graph import LineageGraph, build_graph
from govern.domain.lineage_reading import Recorded, Served
from govern.transparency.verify import VerifiedStatement
from reports import lineage_figure
from tests.support.lineage import small_house
from tests.support.statements import digest

HOUSE = small_house()
ITEMS = [Recorded.of(item) for item in HOUSE]
WHOLE = build_graph(ITEMS)


def ids(graph: LineageGraph, kind: str) -> list[str]:
    return [node.id for node in graph.nodes.values() if node.kind == kind]


def test_the_house_is_complete() -> None:
    assert WHOLE.gaps == ()
    assert {node.kind for node in WHOLE.nodes.values()} == {
        "signature", "data", "features", "training", "model", "check", "decision", "approval", "admission", "change",
    }


@given(st.randoms(use_true_random=False))
@settings(max_examples=25, deadline=None)
def test_any_order_gives_the_same_graph(generator: random.Random) -> None:
    shuffled = list(ITEMS)
    generator.shuffle(shuffled)
    assert build_graph(shuffled) == WHOLE
    assert list(build_graph(shuffled).nodes) == list(WHOLE.nodes)


@given(st.sets(st.integers(0, len(ITEMS) - 1)))
@settings(max_examples=60, deadline=None)
def test_losing_statements_never_invents_and_always_names_what_is_asked_for(lost: set[int]) -> None:
    kept = [item for at, item in enumerate(ITEMS) if at not in lost]
    graph = build_graph(kept)
    assert set(graph.nodes) == {item.digest for item in kept}
    assert set(graph.edges) <= set(WHOLE.edges)
    followers = {target for source, target in WHOLE.edges if source not in graph.nodes and target in graph.nodes}
    asked_by = {id_ for gap in graph.gaps for id_ in gap.asked_by}
    optional = {id_ for id_ in graph.nodes if graph.nodes[id_].kind in ("signature", "data")}
    own = {target for target in followers if _still_needed(graph, target)}
    assert own - optional <= asked_by


def _still_needed(graph: LineageGraph, target: str) -> bool:
    """Say whether something the node needs is no longer answered by a node that is here."""
    present = {digest_ for node in graph.nodes.values() for digest_ in (node.id, *node.subjects)}
    return any(item.needed and item.digest not in present for item in graph.nodes[target].reads)


@pytest.mark.parametrize("at", range(len(ITEMS)))
def test_losing_one_statement_that_others_quote_is_a_gap(at: int) -> None:
    lost = ITEMS[at]
    graph = build_graph(item for item in ITEMS if item is not lost)
    quoted = any(item.needed and item.digest == lost.digest for node in graph.nodes.values() for item in node.reads)
    made = WHOLE.nodes[lost.digest].kind in ("data", "features", "training")
    assert bool(graph.gaps) == (quoted or made)
    if quoted:
        assert lost.digest in {gap.digest for gap in graph.gaps}


@given(st.sets(st.integers(0, len(HOUSE) - 1)))
@settings(max_examples=60, deadline=None)
def test_what_the_policy_calls_a_gap_is_a_gap_here_too(lost: set[int]) -> None:
    kept = [item for at, item in enumerate(HOUSE) if at not in lost]
    graph = build_graph(map(Recorded.of, kept))
    for model in ids(graph, "model"):
        subject = graph.nodes[model].subjects[0]
        behind = graph.upstream([model])
        lineage: list[VerifiedStatement] = [
            item for item in kept if item.digest in behind and item.kind in (predicates.PROVENANCE, predicates.DATASET)
        ]
        if lineage_gaps(subject, lineage):
            assert graph.part(behind).gaps


@given(st.integers(0, len(ITEMS) - 1))
@settings(deadline=None)
def test_downstream_is_exactly_what_can_be_reached(at: int) -> None:
    start = ITEMS[at].digest
    reached, before = {start}, 0
    while len(reached) != before:
        before = len(reached)
        reached |= {target for source, target in WHOLE.edges if source in reached}
    assert WHOLE.downstream([start]) == reached
    assert all(start in WHOLE.upstream([id_]) for id_ in reached)


@given(st.integers(0, len(ITEMS) - 1))
@settings(deadline=None)
def test_a_picture_loses_edges_and_no_connection(at: int) -> None:
    shown = WHOLE.drawn()
    start = ITEMS[at].digest
    if start in shown.nodes:
        assert shown.downstream([start]) == WHOLE.downstream([start]) & set(shown.nodes)
    assert len(shown.edges) < len(WHOLE.edges)


def test_a_shared_data_set_reaches_both_models_and_a_model_only_its_own() -> None:
    (data,) = WHOLE.naming(digest("loans")) & set(ids(WHOLE, "data"))
    touched = WHOLE.downstream([data])
    assert set(ids(WHOLE, "model")) <= touched
    assert set(ids(WHOLE, "admission")) <= touched
    first, second = ids(WHOLE, "model")
    assert second not in WHOLE.downstream([first])


def test_a_file_inside_a_signed_folder_means_the_folder() -> None:
    named = WHOLE.naming(digest("loans.csv"))
    assert {WHOLE.nodes[id_].kind for id_ in named} == {"signature"}
    assert set(ids(WHOLE, "model")) <= WHOLE.downstream(named)


def test_bytes_that_nobody_recorded_mean_those_who_read_them() -> None:
    named = WHOLE.naming(digest("evaluation"))
    assert {WHOLE.nodes[id_].kind for id_ in named} == {"check"}
    assert WHOLE.naming(digest("unheard of")) == frozenset()


def test_records_under_an_admission_that_nobody_made_are_a_gap() -> None:
    (known, *_) = ids(WHOLE, "admission")
    served = [Served("demo", "bank/gate/demo", known, 5, 4), Served("demo", "bank/gate/demo", digest("ghost"), 1, 1)]
    graph = build_graph(ITEMS, served)
    assert (known, "gate:bank/gate/demo") in graph.edges
    assert [gap.digest for gap in graph.gaps] == [digest("ghost")]


def test_two_builds_that_made_each_others_input_do_not_hang_anything() -> None:
    build = next(item for item in ITEMS if WHOLE.nodes[item.digest].kind == "features")

    def made(name: str, reads: str, index: int) -> Recorded:
        rows = [{"name": reads, "digest": {"sha256": digest(reads)[7:]}}]
        predicate = {"buildDefinition": {"buildType": predicates.BUILD_FEATURES, "resolvedDependencies": rows}}
        return replace(build, digest=digest(f"st {name}"), subjects=((name, digest(name)),), predicate=predicate, log_index=index)

    graph = build_graph([*ITEMS, made("a", "b", 900), made("b", "a", 901)])
    assert graph.downstream([digest("st a")]) == {digest("st a"), digest("st b")}
    assert {(digest("st a"), digest("st b")), (digest("st b"), digest("st a"))} <= set(graph.drawn().edges)


def test_a_statement_of_any_shape_is_read_without_an_error() -> None:
    odd: list[object] = [None, 7, "x", [], [7], {"digest": 7}, {"sha256": "x"}]
    for item in ITEMS:
        for value in odd:
            broken = dict.fromkeys(item.predicate, value)
            build_graph([replace(item, predicate=broken)])
            build_graph([replace(item, predicate={"govern": {"evidence": [value]}, "buildDefinition": {"resolvedDependencies": [value]}, "configuration": [value], "resources": [value]})])


def test_the_figure_knows_every_kind_of_node_in_the_graphs_order() -> None:
    """reports may not import govern, so the list stands twice."""
    assert lineage_figure.ORDER == lineage_reading.KINDS
