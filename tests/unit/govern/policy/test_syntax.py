"""Trees of CEL expressions: printed text means the same tree, for every shipped expression."""

from __future__ import annotations

from pathlib import Path

import pytest

from govern.errors import PolicyError
from govern.policy.document import load_pack
from govern.policy.syntax import Node, parse_tree, print_tree

ROOT = Path(__file__).resolve().parents[4]
PACKS = [load_pack(path.read_bytes()) for path in sorted(ROOT.glob("policies/*/policy.yaml"))]
SHIPPED = sorted(
    {item.text for pack in PACKS for rule in pack.rules for item in (rule.require, *rule.optional.values())}
    | {pack.applies.text for pack in PACKS if pack.applies}
)
WRITTEN = [
    'candidate.x < 3 && checks["q r"].x == 1 && checks.q.exists(i, i > 1.5) || !(item in ["y", "x"])',
    "has(candidate.z) ? size(checks.f) > 2 : -(item + 3) * 2 == 2",
    'candidate.s.startsWith("US") && lineage.all(row, row.ok) && (1 - (2 - 3)) % 2 == 0',
    "checks.filter(c, c.n >= params.n).map(c, c.z).exists_one(z, z == null)",
    'checks.map(c, c.n > 1, {"a": c.n, "b": [true, false]})[0].a != -5',
    '(true ? "a" : "b") == "\\"quoted\\" ü" && (item || true) && item.x.y[as_of]',
]


def flat(node: Node) -> tuple[object, ...]:
    """A tree with chains of one logical operator as lists: CEL balances those as it likes."""
    args = [flat(part) for part in node.args]
    if node.kind == "call" and node.text in ("_&&_", "_||_"):
        head = (node.kind, node.text, node.bound)
        args = [inner for part in args for inner in (part[3] if part[:3] == head else [part])]
    return (node.kind, node.text, node.bound, args)


@pytest.mark.parametrize("text", WRITTEN + SHIPPED)
def test_printing_a_tree_gives_the_same_tree(text: str) -> None:
    tree = parse_tree(text)
    assert flat(parse_tree(print_tree(tree))) == flat(tree)


def test_only_chains_of_one_logical_operator_are_flattened() -> None:
    assert flat(parse_tree("(true && false) && true")) == flat(parse_tree("true && (false && true)"))
    assert flat(parse_tree("(true || false) && true")) != flat(parse_tree("true || (false && true)"))
    assert flat(parse_tree("1 - (2 - 3) == 2")) != flat(parse_tree("(1 - 2) - 3 == 2"))


def test_trees_fold_macros_back() -> None:
    assert print_tree(parse_tree(WRITTEN[3])) == WRITTEN[3]
    assert print_tree(parse_tree(WRITTEN[0])) == WRITTEN[0]


def test_put_replaces_one_node() -> None:
    tree = parse_tree("item < 3 && item > 1")
    places = {print_tree(node): path for path, node in tree.walk()}
    changed = tree.put(places["item > 1"], parse_tree("true"))
    assert print_tree(changed) == "item < 3 && true"


def test_what_does_not_compile_is_a_sentence() -> None:
    with pytest.raises(PolicyError, match="does not compile"):
        parse_tree("item <")
