"""What makes decisions quick changes no decision: one evaluation a pack, constants, short branches."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from govern.policy import repair
from govern.policy.cases import apply_changes
from govern.policy.document import Pack, load_pack
from govern.policy.evaluate import evaluate
from govern.policy.expressions import EVIDENCE_VARIABLES, Failed, Inputs, Joined, compile_expression
from tests.support.packs import shipped_cases, shipped_evidence, shipped_packs

BROKEN = Joined("1 / 0 == 0")
PACK = """id: p
version: "1"
title: t
jurisdiction: internal
instrument: i
status: in-force
effective_from: "2026-01-01"
params: {low: -3, name: "say params.low", nested: {list: [1, 2]}}
rules:
  - id: r
    title: t
    citation: c
    severity: deny
    message: m
"""


def digests(packs: Sequence[Pack]) -> list[str]:
    """Return the decision digests of some shipped cases over some packs."""
    found = []
    for _, case in shipped_cases()[::7]:
        document = apply_changes(shipped_evidence(case.evidence), case.changes)
        moment = datetime(case.as_of.year, case.as_of.month, case.as_of.day, tzinfo=UTC)
        found.append(evaluate(packs, document, moment).digest)
    return found


def decide(rule: str) -> str:
    pack = load_pack((PACK + rule).encode())
    return evaluate([pack], {"candidate": {"digest": "x"}}, datetime(2026, 11, 25, tzinfo=UTC)).rules[0].status


def test_one_evaluation_a_pack_decides_as_one_a_rule_and_as_one_an_expression() -> None:
    by_rule = [dataclasses.replace(pack, together=BROKEN) for pack in shipped_packs()]
    alone = [
        dataclasses.replace(pack, rules=tuple(dataclasses.replace(rule, together=BROKEN) for rule in pack.rules))
        for pack in by_rule
    ]
    assert digests(alone) == digests(by_rule) == digests(shipped_packs())


def test_what_does_not_compile_together_is_evaluated_alone() -> None:
    rule = "  - {id: rN, title: t, citation: c, severity: deny, message: m, require: \"TEXT\"}\n"
    long = " && ".join(["candidate.digest == 'x'"] * 120)
    rules = "".join(rule.replace("rN", f"r{number}").replace("TEXT", long) for number in range(60))
    pack = load_pack((PACK.split("  - id: r")[0] + rules).encode())
    assert isinstance(pack.together.evaluate(Inputs({"candidate": {"digest": "x"}}, "2026-11-25")), Failed)
    decision = evaluate([pack], {"candidate": {"digest": "x"}}, datetime(2026, 11, 25, tzinfo=UTC))
    assert decision.outcome == "allow" and len(decision.rules) == 60


def test_a_short_branch_names_the_same_change_as_the_whole_evidence(monkeypatch: pytest.MonkeyPatch) -> None:
    short = digests(shipped_packs())

    def whole(data: Mapping[str, Any], text: str) -> dict[str, Any]:
        return {name: data[name] for name in EVIDENCE_VARIABLES if name in data}

    monkeypatch.setattr(repair, "_narrowed", whole)
    assert digests(shipped_packs()) == short


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("checks.a.b > 1", {"checks": {"a": {"b": 1}}}),
        ('checks.a["c d"] == 2', {"checks": {"a": {"c d": 2}}}),
        ("checks.a.map(k, k)", {"checks": {"a": {"b": 1, "c d": 2}}}),
        ("size(checks)", {"checks": {"a": {"b": 1, "c d": 2}, "z": 3}}),
        ("checks.a.b > 1 && checks[item].z", {"checks": {"a": {"b": 1, "c d": 2}, "z": 3}}),
        ("checks.a.b > 1 && has(checks.a)", {"checks": {"a": {"b": 1, "c d": 2}}}),
        ("has(checks.no.such)", {"checks": {}}),
        ("x.checks.a", {}),
    ],
)
def test_a_branch_is_kept_where_it_can_be_read(text: str, kept: Any) -> None:
    assert repair._narrowed({"checks": {"a": {"b": 1, "c d": 2}, "z": 3}, "lineage": {}}, text) == kept


@pytest.mark.parametrize(
    "require",
    [
        "2 - params.low == 5", "has(params.low) && !has(params.none)", 'params.name == "say params.low"',
        "params.nested.list[1] == 2", "params . low < 0", "size(params) == 3", "params['low'] == -3",
        "'params.low'.startsWith('params')", "[1, 2].all(p, p > params.low)",
    ],
)  # fmt: skip
def test_parameters_are_constants(require: str) -> None:
    assert decide(f"    require: {require!r}" if "'" not in require else f"    require: >-\n      {require}") == "pass"


def test_a_parameter_that_is_not_there_is_an_error() -> None:
    assert decide("    require: params.none > 1") == "error"


def test_a_comment_ends_with_its_expression() -> None:
    rule = "    for_each: |\n      [1, 2] // two\n    value: |\n      double(item) // it\n    require: |\n      item > 0 // both\n"
    assert decide(rule) == "pass"


def test_nulls_that_the_engine_hands_out_are_paid_for() -> None:
    """cel-expr-python 0.1.3 takes a reference to ``None`` for each; a process runs out of them."""
    expression = compile_expression('[null, {"a": [null]}, null]', "nulls", {})
    inputs = Inputs({}, "2026-11-25")
    before = sys.getrefcount(None)
    for _ in range(300):
        assert expression.evaluate(inputs) == [None, {"a": [None]}, None]
    assert sys.getrefcount(None) > before - 100
