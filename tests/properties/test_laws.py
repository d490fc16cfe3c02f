"""Laws that hold for every input."""

from __future__ import annotations

import copy
import random
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from govern.errors import GovernError, MalformedError, ProofError
from govern.policy.document import load_pack
from govern.policy.evaluate import evaluate
from govern.transparency import der
from govern.transparency.bundle import parse_bundle
from govern.transparency.canonical import canonical_json, parse_json
from govern.transparency.merkle import leaf_hash, verify_consistency, verify_inclusion
from govern.transparency.tree import Tree
from govern.transparency.trust import TrustRoot

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 11, 24, tzinfo=UTC)
PACKS = [load_pack(path.read_bytes()) for path in sorted(ROOT.glob("policies/*/policy.yaml"))]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"]), max_size=5), inner, max_size=4),
    max_leaves=20,
)


@given(st.integers(1, 80), st.data())
@settings(max_examples=60, deadline=None)
def test_every_proof_verifies_and_one_changed_bit_fails(size: int, data: st.DataObject) -> None:
    tree = Tree.from_leaves(bytes([at]) for at in range(size))
    index = data.draw(st.integers(0, size - 1))
    proof, leaf, root = tree.inclusion(index), leaf_hash(bytes([index])), tree.root()
    verify_inclusion(index=index, size=size, leaf=leaf, proof=proof, root=root)
    old = data.draw(st.integers(0, size))
    verify_consistency(
        old_size=old, new_size=size, old_root=tree.root(old), new_root=root,
        proof=tree.consistency(old),
    )
    bit = data.draw(st.integers(0, 255))
    flipped = bytearray(root)
    flipped[bit // 8] ^= 1 << bit % 8
    with pytest.raises(ProofError):
        verify_inclusion(index=index, size=size, leaf=leaf, proof=proof, root=bytes(flipped))


@given(st.lists(st.integers(1, 70), min_size=1, max_size=6))
@settings(max_examples=40, deadline=None)
def test_growing_in_parts_gives_the_same_tree(parts: list[int]) -> None:
    grown, leaves = Tree(), []
    for part in parts:
        new = [leaf_hash(bytes([at % 256])) for at in range(len(leaves), len(leaves) + part)]
        leaves += new
        grown.append(new)
    whole = Tree()
    whole.append(leaves)
    assert grown.root() == whole.root()


@given(JSON)
def test_canonical_json_round_trips(value: object) -> None:
    written = canonical_json(value)
    assert canonical_json(parse_json(written)) == written


@given(st.binary(max_size=300))
@settings(max_examples=200)
def test_rubbish_gives_our_error(data: bytes) -> None:
    for read in (parse_json, parse_bundle, TrustRoot.from_json, der.read_all):
        try:
            read(data)
        except MalformedError:
            continue


@given(st.text(max_size=200))
def test_rubbish_is_no_pack(text: str) -> None:
    with pytest.raises(GovernError):
        load_pack(text.encode("utf-8", "replace"))


def _paths(value: object, path: tuple = ()) -> list[tuple]:
    found = [path] if path else []
    if isinstance(value, dict):
        for key, item in value.items():
            found += _paths(item, (*path, key))
    return found


def _without(evidence: dict, path: tuple) -> dict:
    changed = copy.deepcopy(evidence)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    return changed


@pytest.fixture(scope="module")
def evidence() -> dict:
    from tests.support.evidence import allowed_evidence

    return allowed_evidence()


def test_the_fixture_is_allowed(evidence: dict) -> None:
    decision = evaluate(PACKS, evidence, NOW)
    assert decision.outcome == "allow", decision.reasons()


def test_losing_any_evidence_never_turns_a_denial_into_an_allow(evidence: dict) -> None:
    denied = copy.deepcopy(evidence)
    denied["candidate"]["protected_inputs"] = ["race"]
    denied["checks"]["fairness"]["metrics"]["features"]["race"]["ratio"]["value"] = 0.5
    assert evaluate(PACKS, denied, NOW).outcome == "deny"
    for path in random.Random(0).sample(_paths(denied), 80):
        assert evaluate(PACKS, _without(denied, path), NOW).outcome == "deny", path


def test_order_of_packs_does_not_matter(evidence: dict) -> None:
    assert evaluate(PACKS, evidence, NOW).digest == evaluate(PACKS[::-1], evidence, NOW).digest


def test_nothing_evaluated_is_a_denial(evidence: dict) -> None:
    assert evaluate([], evidence, NOW).outcome == "deny"
