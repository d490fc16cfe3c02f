"""Cases: what a pack must decide about given evidence, in files beside the pack. Pure.

A case starts from a whole evidence document, changes a few paths, and expects an
outcome and statuses per rule. It is judged by its own pack alone, as of its own date.

    title: Below four fifths is denied
    as_of: "2026-11-25"
    evidence: credit-allowed
    change:
      - {set: checks.fairness.metrics.features.race.ratio.value, to: 0.79}
      - {remove: candidate.declarations.business_need}
    expect:
      outcome: deny
      rules: {race-ratio: fail}

A file may hold a list of such cases. This module reads no files: who calls it hands in bytes.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import yaml

from govern.domain.decision import OUTCOMES, STATUSES, PolicyDecision
from govern.errors import PolicyError
from govern.policy.document import Pack
from govern.policy.evaluate import evaluate
from govern.policy.reading import Source, at, choice, compose, day, fields, plain

CASE_BYTES_MAX = 1 << 20
CASES_MAX = 1_000
EVIDENCE_BYTES_MAX = 8 << 20
_PART = re.compile(r'\.?([A-Za-z_][\w-]*)|\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]')
_GRAVEST = ("error", "fail", "uncertain", "waived", "pass", "not-applicable")
_CASE_KEYS: dict[str, Any] = {"title": str, "as_of": str, "evidence": str, "expect": dict}
_CASE_OPTIONAL: dict[str, Any] = {"why": str, "change": list}
_CHANGE_OPTIONAL: dict[str, Any] = {
    "set": str,
    "remove": str,
    "to": (str, int, float, bool, list, dict, type(None)),
}

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """Set one path to a value, or remove it."""

    path: Path
    remove: bool
    value: Any
    place: str


@dataclass(frozen=True, slots=True)
class Case:
    """One case; ``rules`` maps a rule id, or ``rule/subject``, to the status expected."""

    title: str
    why: str
    as_of: date
    evidence: str
    changes: tuple[Change, ...]
    outcome: str
    rules: Mapping[str, str]
    place: str


@dataclass(frozen=True, slots=True)
class CaseResult:
    """What a case came to; no differences means that it held."""

    case: Case
    decision: PolicyDecision
    differences: tuple[str, ...]

    @property
    def held(self) -> bool:
        """Whether the pack decided as the case expects."""
        return not self.differences


def load_cases(data: bytes, where: str = "cases.yaml") -> tuple[Case, ...]:
    """Read a file that holds one case, or a list of them.

    Raises:
        PolicyError: with file, line and column.
    """
    source, node = compose(data, where, CASE_BYTES_MAX)
    items = node.value if isinstance(node, yaml.SequenceNode) else [node]
    if not 1 <= len(items) <= CASES_MAX:
        raise PolicyError(f"{at(source, node)}: a file holds 1 to {CASES_MAX} cases")
    return tuple(_case(item, source) for item in items)


def load_case(data: bytes, where: str = "case.yaml") -> Case:
    """Read a file that holds one case.

    Raises:
        PolicyError: with file, line and column.
    """
    source, node = compose(data, where, CASE_BYTES_MAX)
    return _case(node, source)


def _case(node: yaml.Node, node_source: Source) -> Case:
    nodes = fields(node, node_source, _CASE_KEYS, _CASE_OPTIONAL, "case")
    value = {key: plain(item, node_source) for key, item in nodes.items()}
    expect = fields(
        nodes["expect"], node_source, {"outcome": str, "rules": dict}, {}, "case's expect"
    )
    statuses = plain(expect["rules"], node_source)
    if not statuses:
        place = at(node_source, expect["rules"])
        raise PolicyError(f"{place}: a case expects the status of at least one rule")
    for name, item in expect["rules"].value:
        choice(str(statuses[name.value]), STATUSES, at(node_source, item))
    outcome = plain(expect["outcome"], node_source)
    return Case(
        title=value["title"],
        why=value.get("why", ""),
        as_of=day(value["as_of"], at(node_source, nodes["as_of"])),
        evidence=value["evidence"],
        changes=_changes(nodes.get("change"), node_source),
        outcome=choice(outcome, OUTCOMES, at(node_source, expect["outcome"])),
        rules=statuses,
        place=at(node_source, node),
    )


def load_evidence(data: bytes, where: str = "evidence.yaml") -> dict[str, Any]:
    """Read a whole evidence document, YAML or JSON.

    Raises:
        PolicyError: it cannot be read or is no mapping with a candidate.
    """
    source, node = compose(data, where, EVIDENCE_BYTES_MAX)
    value = plain(node, source)
    if not isinstance(value, dict) or not isinstance(value.get("candidate"), dict):
        raise PolicyError(f"{at(source, node)}: an evidence document has a 'candidate'")
    return value


def run_case(pack: Pack, case: Case, evidence: Mapping[str, Any]) -> CaseResult:
    """Judge one case by its pack.

    Args:
        pack: the case's own pack.
        case: the case.
        evidence: the document that ``case.evidence`` names; it is not changed.

    Raises:
        PolicyError: a change does not fit the evidence.
    """
    changed = apply_changes(evidence, case.changes)
    now = datetime(case.as_of.year, case.as_of.month, case.as_of.day, tzinfo=UTC)
    decision = evaluate([pack], changed, now)
    return CaseResult(case, decision, tuple(_differences(case, decision)))


def apply_changes(evidence: Mapping[str, Any], changes: Sequence[Change]) -> dict[str, Any]:
    """Return a changed copy of an evidence document.

    Raises:
        PolicyError: a path to be removed is not there, or a path leads through no mapping.
    """
    result: dict[str, Any] = copy.deepcopy(dict(evidence))
    for change in changes:
        inner = _inner(result, change)
        key = change.path[-1]
        if change.remove:
            if not _has(inner, key):
                raise PolicyError(f"{change.place}: {format_path(change.path)} is not there")
            del inner[key]
        elif isinstance(inner, list):
            if not _has(inner, key):
                raise PolicyError(f"{change.place}: {format_path(change.path)} is not there")
            inner[int(key)] = copy.deepcopy(change.value)
        else:
            inner[key] = copy.deepcopy(change.value)
    return result


def parse_path(text: str) -> Path:
    """Return the parts of a path such as ``checks.data.metrics["race and sex"][0]``.

    Raises:
        PolicyError: it is no path.
    """
    parts: list[str | int] = []
    start = 0
    while start < len(text):
        found = _PART.match(text, start)
        bare = found is not None and found[1] is not None
        dotted = text[start] == "."
        if found is None or (bare and dotted == (start == 0)):
            raise PolicyError(f"{text!r} is no path like checks.data.metrics.rows")
        parts.append(_part(found))
        start = found.end()
    if not parts:
        raise PolicyError("a path is empty")
    return tuple(parts)


def _part(found: re.Match[str]) -> str | int:
    if found[3] is not None:
        return int(found[3])
    if found[2] is not None:
        return str(json.loads(f'"{found[2]}"'))
    return found[1]


def format_path(path: Path) -> str:
    """Return a path as text; ``parse_path`` reads it back."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif re.fullmatch(r"[A-Za-z_][\w-]*", part):
            text += f".{part}" if text else part
        else:
            text += f"[{json.dumps(part)}]"
    return text


def _changes(node: yaml.Node | None, where: Source) -> tuple[Change, ...]:
    if node is None:
        return ()
    found = []
    for item in node.value:
        place = at(where, item)
        nodes = fields(item, where, {}, _CHANGE_OPTIONAL, "change")
        names = set(nodes)
        if names not in ({"set", "to"}, {"remove"}):
            raise PolicyError(f"{place}: a change is either 'set' and 'to', or 'remove'")
        target = nodes["set" if "set" in nodes else "remove"]
        try:
            path = parse_path(target.value)
        except PolicyError as error:
            raise PolicyError(f"{at(where, target)}: {error}") from None
        value = plain(nodes["to"], where) if "to" in nodes else None
        found.append(Change(path, "remove" in nodes, value, place))
    return tuple(found)


def _inner(document: Any, change: Change) -> Any:
    inner = document
    for depth, key in enumerate(change.path[:-1]):
        if not _has(inner, key) and isinstance(inner, dict) and not change.remove:
            inner[key] = {}
        if not _has(inner, key):
            shown = format_path(change.path[: depth + 1])
            raise PolicyError(f"{change.place}: {shown} is not there")
        inner = inner[key]
    if not isinstance(inner, dict | list):
        raise PolicyError(f"{change.place}: {format_path(change.path[:-1])} holds no fields")
    return inner


def _has(inner: Any, key: str | int) -> bool:
    if isinstance(inner, list):
        return isinstance(key, int) and key < len(inner)
    return isinstance(inner, dict) and key in inner


def statuses(decision: PolicyDecision, case: Case) -> dict[str, str]:
    """Return the status per rule id (the gravest of its items) and per ``rule/subject``.

    Where the pack did not apply, so that nothing was evaluated, every rule that the case
    names is not applicable.
    """
    if not decision.rules:
        return dict.fromkeys(case.rules, "not-applicable")
    found: dict[str, str] = {}
    for result in decision.rules:
        names = [result.rule] + ([f"{result.rule}/{result.subject}"] if result.subject else [])
        for name in names:
            both = [result.status, found.get(name, result.status)]
            found[name] = min(both, key=_GRAVEST.index)
    return found


def _differences(case: Case, decision: PolicyDecision) -> list[str]:
    found = statuses(decision, case)
    differences = []
    if decision.outcome != case.outcome:
        differences.append(f"the outcome is {decision.outcome}, expected {case.outcome}")
    for name, expected in sorted(case.rules.items()):
        got = found.get(name, "not evaluated")
        if got != expected:
            differences.append(f"{name} is {got}, expected {expected}")
    return differences
