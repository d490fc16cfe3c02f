"""Small wrong versions of a pack: cases that cannot tell them from the right one are weak.

A mutant differs in one thing: an operator, a number, a severity, a parameter, a condition
turned around, or a rule dropped. It is killed if some case no longer holds, or if it does
not even load. Pure; mutants are made from the pack's source, so each is a whole pack.
Operators: DeMillo, Lipton and Sayward, "Hints on Test Data Selection" (1978).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import yaml

from govern.errors import PolicyError
from govern.policy.cases import Case, apply_changes, statuses
from govern.policy.document import Pack, load_pack
from govern.policy.evaluate import evaluate
from govern.policy.syntax import Node, parse_tree, print_tree

_SWAPS = {
    "_<_": ("_<=_", "_>_"),
    "_<=_": ("_<_", "_>_"),
    "_>_": ("_>=_", "_<_"),
    "_>=_": ("_>_", "_<_"),
    "_==_": ("_!=_",),
    "_!=_": ("_==_",),
    "_&&_": ("_||_",),
    "_||_": ("_&&_",),
}
_MACROS = {"all": "exists", "exists": "all"}
_SEVERITIES = {"deny": "review", "review": "advise", "advise": "review"}
_CONDITIONS = ("when", "require", "uncertain")
_MUTATED = ("applies", *_CONDITIONS, "for_each")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


@dataclass(frozen=True, slots=True)
class Mutant:
    """One changed pack.

    Args:
        where: ``pack`` or ``pack/rule``.
        what: the change in words.
        source: the whole pack as YAML.
    """

    where: str
    what: str
    source: bytes


def mutants(pack: Pack) -> Iterator[Mutant]:
    """Yield every mutant of a pack, in a fixed order."""
    value = yaml.load(pack.source, Loader=_LOADER)  # noqa: S506 — the safe loader, or its C twin
    for change, what in _pack_changes(value):
        yield Mutant(pack.id, what, _dump(change))
    for place, rule in enumerate(value["rules"]):
        where = f"{pack.id}/{rule['id']}"
        if len(value["rules"]) > 1:
            yield Mutant(where, "the rule is dropped", _dump(_with_rule(value, place, None)))
        for changed, what in _rule_changes(rule):
            yield Mutant(where, what, _dump(_with_rule(value, place, changed)))


def prepare(
    cases: Sequence[Case], evidence: Mapping[str, Mapping[str, Any]]
) -> list[tuple[Case, Mapping[str, Any]]]:
    """Return each case with its evidence, changed once for all mutants."""
    return [(case, apply_changes(evidence[case.evidence], case.changes)) for case in cases]


def survives(mutant: Mutant, prepared: Sequence[tuple[Case, Mapping[str, Any]]]) -> bool:
    """Say whether every case still holds under a mutant."""
    try:
        pack = load_pack(mutant.source, "mutant")
        return all(_holds(pack, case, document) for case, document in prepared)
    except PolicyError:
        return False


def _holds(pack: Pack, case: Case, document: Mapping[str, Any]) -> bool:
    day = case.as_of
    decision = evaluate([pack], document, datetime(day.year, day.month, day.day, tzinfo=UTC))
    found = statuses(decision, case)
    same = all(found.get(rule) == status for rule, status in case.rules.items())
    return same and decision.outcome == case.outcome


def _dump(value: Any) -> bytes:
    text: str = yaml.dump(value, Dumper=_DUMPER, sort_keys=False, allow_unicode=True, width=1 << 20)
    return text.encode("utf-8")


def _with_rule(pack: Mapping[str, Any], place: int, rule: Any) -> dict[str, Any]:
    rules = list(pack["rules"])
    rules[place : place + 1] = [] if rule is None else [rule]
    return {**pack, "rules": rules}


def _pack_changes(value: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    for text, what in _expression_changes(value.get("applies", "")):
        yield {**value, "applies": text}, f"applies: {what}"
    for name, number in value.get("params", {}).items():
        if isinstance(number, bool) or not isinstance(number, int | float):
            continue
        for other in _near(number):
            changed = copy.deepcopy(dict(value))
            changed["params"][name] = other
            yield changed, f"params.{name}: {number:g} → {other:g}"


def _near(number: float) -> tuple[float, float]:
    """Return a number a little below and above: a tenth of it, or one where it is whole."""
    step = max(1, abs(number) // 10) if isinstance(number, int) else abs(number) / 10 or 0.1
    return number - step, number + step


def _rule_changes(rule: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    old = rule["severity"]
    new = _SEVERITIES[old]
    yield {**rule, "severity": new}, f"severity: {old} → {new}"
    for name in ("when", "uncertain"):
        if name in rule:
            yield {key: item for key, item in rule.items() if key != name}, f"{name} is dropped"
    for name in _MUTATED:
        for text, what in _expression_changes(rule.get(name, "")):
            yield {**rule, name: text}, f"{name}: {what}"


def _expression_changes(text: str) -> Iterator[tuple[str, str]]:
    if not text:
        return
    tree = parse_tree(text)
    for path, node in tree.walk():
        for other in _node_changes(node):
            changed = print_tree(tree.put(path, other))
            yield changed, _said(tree, path, node, other)


def _said(tree: Node, path: tuple[int, ...], node: Node, other: Node) -> str:
    """Say a change; of a lone literal, with what it stands in."""
    if node.kind == "literal" and path:
        outer = tree.at(path[:-1])
        return f"{print_tree(outer)} → {print_tree(outer.put(path[-1:], other))}"
    return f"{print_tree(node)} → {print_tree(other)}"


def _node_changes(node: Node) -> Iterator[Node]:
    """Yield what one node may be mistaken for."""
    if node.kind == "call":
        for other in _SWAPS.get(node.text, ()):
            yield Node("call", other, node.args)
        if node.operator in ("&&", "||"):
            yield from node.args
        if node.operator == "!":
            yield node.args[0]
    elif node.kind == "macro" and node.text in _MACROS:
        yield Node("macro", _MACROS[node.text], node.args, node.bound)
    elif node.kind == "literal":
        yield from _literal_changes(node)


def _literal_changes(node: Node) -> Iterator[Node]:
    if node.text in ("true", "false"):
        yield Node("literal", "false" if node.text == "true" else "true")
        return
    try:
        number = float(node.text) if "." in node.text else int(node.text)
    except ValueError:
        return
    for other in _near(number):
        yield Node("literal", repr(other))
