"""The smallest change that would make a failing rule pass, tried out before it is named.

Only where a rule's ``value`` (or the ``low`` end, for an interval that straddles) is one
path in the evidence and there is a ``threshold``: the number is moved to the threshold,
or just past it, and the rule is evaluated again. What does not pass then is not offered.
"""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from govern.policy.document import Rule
from govern.policy.expressions import EVIDENCE_VARIABLES, Inputs

_PATH = re.compile(r"(?:double\()?((?:candidate|lineage|checks|item)(?:\.\w+|\[[^\]]+\])*)\)?")
_ROOTS = "|".join(EVIDENCE_VARIABLES)
_STEP = re.compile(r"\.(\w+)(?!\w|\s*\()|\[\"([^\"\\]+)\"\]")
_READ = re.compile(rf"(?<![\w.])({_ROOTS})\b((?:\.\w+(?!\w|\s*\()|\[\"[^\"\\]+\"\])*)")
_PART = re.compile(r"\.(\w+)|\[\"([^\"]+)\"\]|\[(item)\]")


def smallest_change(
    rule: Rule,
    status: str,
    numbers: Mapping[str, float | None],
    inputs: Inputs,
    item: Any,
) -> dict[str, Any] | None:
    """Return ``path``, ``from``, ``to`` and what ``then`` holds, or None.

    ``then`` is ``pass``; for a failing rule with an interval it may be ``uncertain``, because
    where the interval would lie after the change nobody has measured.

    Args:
        rule: the rule that failed or was uncertain.
        status: which of the two.
        numbers: what its value, low, high and threshold gave.
        inputs: the inputs it was evaluated on.
        item: the item it looked at, None without ``for_each``.
    """
    threshold = numbers["threshold"]
    keys = ["low", "high"] if status == "uncertain" else ["value"]
    for key in keys:
        start = numbers[key]
        path = _path(rule, key, item)
        if threshold is None or start is None or path is None:
            continue
        for end in _targets(start, threshold):
            then = _status_with(rule, path, end, inputs, item)
            if then == "pass" or (then == "uncertain" and status == "fail"):
                return {"path": _text(path), "from": start, "to": end, "then": then}
    return None


def _targets(start: float, threshold: float) -> list[float]:
    further = math.inf if threshold > start else -math.inf
    whole = float(math.floor(threshold) + 1 if threshold > start else math.ceil(threshold) - 1)
    return [threshold, math.nextafter(threshold, further), whole]


def _path(rule: Rule, key: str, item: Any) -> tuple[str, ...] | None:
    expression = rule.optional.get(key)
    found = _PATH.fullmatch(expression.text.strip()) if expression else None
    if found is None:
        return None
    text = found[1]
    root = re.match(r"\w+", text)
    parts = [root[0]] if root else []
    at = len(parts[0]) if parts else 0
    while at < len(text):
        part = _PART.match(text, at)
        if part is None or (part[3] and not isinstance(item, str)):
            return None
        parts.append(part[1] or part[2] or item)
        at = part.end()
    return tuple(parts)


def _text(path: tuple[str, ...]) -> str:
    """Return the path as a case's ``change`` writes it."""
    shown = path[0]
    for part in path[1:]:
        shown += f".{part}" if re.fullmatch(r"\w+", part) else f'["{part}"]'
    return shown


def _status_with(rule: Rule, path: tuple[str, ...], end: float, inputs: Inputs, item: Any) -> str:
    """Return the rule's status when one number is another."""
    changed = _with({**inputs.data, "item": item}, path, end)
    if changed is None:
        return "error"
    texts = [rule.named(name).text for name in ("require", "uncertain") if name in rule.asked]
    evidence = _narrowed(changed, "\n".join(texts))
    again = Inputs(evidence, inputs.data["as_of"], inputs.data["params"], changed["item"])
    if rule.require.truth(again) is not True:
        return "fail"
    doubt = rule.optional.get("uncertain")
    return "pass" if doubt is None or doubt.truth(again) is False else "uncertain"


def _narrowed(data: Mapping[str, Any], text: str) -> dict[str, Any]:
    """Return the evidence with only the branches that an expression can read.

    Converting evidence for CEL costs far more than evaluating, and what cannot be read need
    not be converted. Where a path is not plain to see, all below it is kept.
    """
    kept: dict[str, Any] = {}
    for root, steps in _READ.findall(text):
        _keep(kept, data, [root, *(name or key for name, key in _STEP.findall(steps))])
    return kept


def _keep(kept: dict[str, Any], whole: Mapping[str, Any], names: Sequence[str]) -> None:
    """Copy one branch, sharing what lies at its end."""
    first, rest = names[0], names[1:]
    if first not in whole:
        return
    inner = whole[first]
    if not rest or not isinstance(inner, dict):
        kept[first] = inner
    elif kept.get(first) is not inner:
        _keep(kept.setdefault(first, {}), inner, rest)


def _with(data: Mapping[str, Any], path: tuple[str, ...], end: float) -> dict[str, Any] | None:
    """Return the data with one number changed; only the branch to it is copied."""
    result: dict[str, Any] = dict(data)
    inner: Any = result
    for part in path[:-1]:
        if not isinstance(inner, dict) or part not in inner:
            return None
        inner[part] = copy.copy(inner[part])
        inner = inner[part]
    if not isinstance(inner, dict) or path[-1] not in inner:
        return None
    whole = isinstance(inner[path[-1]], int)
    inner[path[-1]] = int(end) if whole and end == int(end) else end
    return result
