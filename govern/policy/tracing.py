"""Every step of an expression with its value: why a rule said what it said. Pure.

An expression is taken apart (``govern.policy.syntax``) and each part that can stand alone
is evaluated by the same engine over the same inputs as the whole. What is inside a macro
(``list.all(x, …)``) has no single value and is left whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from govern.errors import PolicyError
from govern.policy.cleaning import countable
from govern.policy.document import Pack, Rule
from govern.policy.expressions import Expression, Failed, Inputs, compile_expression
from govern.policy.syntax import Node, parse_tree, print_tree

TRACED = (
    "when",
    "for_each",
    "subject",
    "value",
    "low",
    "high",
    "threshold",
    "require",
    "uncertain",
)
TRUTHS = ("applies", "when", "require", "uncertain")
_LOGIC = ("&&", "||", "!")
_ITEMS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Step:
    """One part of an expression, its value (or ``Failed``) and the parts it is made of."""

    text: str
    value: Any
    parts: tuple[Step, ...]

    def walk(self) -> Iterator[Step]:
        """Yield this step and every part below it."""
        yield self
        for part in self.parts:
            yield from part.walk()

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object; a failure has ``error`` in place of ``value``."""
        failed = isinstance(self.value, Failed)
        said = {"error": self.value.message} if failed else {"value": self.value}
        return {"text": self.text, **said, "parts": [part.to_json() for part in self.parts]}


@dataclass(frozen=True, slots=True)
class RuleTrace:
    """The expressions of one rule, for one item where it looks at several."""

    rule: str
    item: Any
    steps: Mapping[str, Step]


@dataclass
class Tracer:
    """Traces the rules of one pack; every part is compiled once."""

    pack: Pack
    _compiled: dict[str, Expression] = field(default_factory=dict)
    _trees: dict[str, Node] = field(default_factory=dict)

    def applies(self, evidence: Mapping[str, Any], day: date) -> Step | None:
        """Trace whether the pack applies; None: it has no such expression."""
        if self.pack.applies is None:
            return None
        return self._step(self._tree(self.pack.applies.text), _inputs(evidence, day))

    def rule(self, rule: Rule, evidence: Mapping[str, Any], day: date) -> list[RuleTrace]:
        """Trace one rule, once per item of its ``for_each``.

        Args:
            rule: a rule of this pack.
            evidence: the evidence document.
            day: as of when.
        """
        inputs = _inputs(evidence, day)
        texts = {name: item.text for name, item in rule.optional.items()}
        texts["require"] = rule.require.text
        outer: dict[str, Step] = {
            name: self._step(self._tree(texts[name]), inputs)
            for name in ("when", "for_each")
            if name in texts
        }
        inner = [name for name in TRACED if name in texts and name not in outer]
        traces = []
        for item in _items(outer.get("for_each")):
            own = inputs if item is None else inputs.with_item(item)
            steps = {name: self._step(self._tree(texts[name]), own) for name in inner}
            traces.append(RuleTrace(rule.id, item, {**outer, **steps}))
        return traces

    def _tree(self, text: str) -> Node:
        if text not in self._trees:
            self._trees[text] = parse_tree(text)
        return self._trees[text]

    def _step(self, node: Node, inputs: Inputs) -> Step:
        text = print_tree(node)
        parts = tuple(self._step(child, inputs) for child in _parts(node))
        return Step(text, self._compile(text).evaluate(inputs), parts)

    def _compile(self, text: str) -> Expression:
        if text not in self._compiled:
            where = f"{self.pack.id}: a part of an expression"
            self._compiled[text] = compile_expression(text, where, self.pack.params)
        return self._compiled[text]


def truths(step: Step) -> Iterator[tuple[str, bool]]:
    """Yield text and value of every part that was true or false."""
    for part in step.walk():
        if isinstance(part.value, bool):
            yield part.text, part.value


def _inputs(evidence: Mapping[str, Any], day: date) -> Inputs:
    return Inputs(countable(evidence), day.isoformat())


def _items(step: Step | None) -> list[Any]:
    """Return the items to look at; one None where there is no list."""
    if step is None:
        return [None]
    return step.value[:_ITEMS_MAX] if isinstance(step.value, list) else []


def _parts(node: Node) -> list[Node]:
    """Return the parts worth showing: what logic joins, and what a comparison compares."""
    if node.kind == "call" and (node.operator in _LOGIC or node.text == "_?_:_"):
        return list(node.args)
    if node.kind == "call" and node.operator:
        return [child for child in node.args if child.kind != "literal"]
    if node.kind == "macro":
        return [node.args[0]]
    return []


def find_rule(pack: Pack, name: str) -> Rule:
    """Return a rule by its id.

    Raises:
        PolicyError: the pack has none of this name.
    """
    for rule in pack.rules:
        if rule.id == name:
            return rule
    raise PolicyError(
        f"{pack.id} has no rule {name!r}; it has {', '.join(r.id for r in pack.rules)}"
    )
