"""What of an evidence document counts, before any rule reads it. Pure.

Numbers that are not finite are missing, and so are declarations that say nothing or name
nobody. What is missing can only make an evaluation err or fail, never pass.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

_PLAIN = frozenset((str, int, bool, type(None)))


def countable(evidence: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the evidence with only what counts."""
    return answered(evidence if _is_finite(evidence) else finite(evidence))


def _is_finite(value: Any) -> bool:
    """Say whether every number is finite, quickly: the usual case."""
    for inner in value if type(value) is list else _inside(value):
        kind = type(inner)
        if kind in _PLAIN:
            continue
        if kind is float:
            if not math.isfinite(inner):
                return False
        elif kind in (dict, list) or isinstance(inner, Mapping | list | tuple):
            if not _is_finite(inner):
                return False
        elif _broken(inner):
            return False
    return True


def _inside(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict | Mapping) else value


def answered(evidence: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the evidence without declarations that say nothing or name nobody.

    A declaration counts if ``answer`` and ``by`` are text that is not blank; what does not
    count is not there, for rules and messages alike.
    """
    candidate = candidate_of(evidence)
    declarations = candidate.get("declarations")
    if not isinstance(declarations, Mapping):
        return evidence
    kept = {name: entry for name, entry in declarations.items() if _says(entry)}
    return {**evidence, "candidate": {**candidate, "declarations": kept}}


def _says(entry: Any) -> bool:
    texts = [entry.get("answer"), entry.get("by")] if isinstance(entry, Mapping) else [None]
    return all(isinstance(text, str) and text.strip() for text in texts)


def finite(value: Any) -> Any:
    """Return the evidence without numbers that are not finite: they are missing, not small."""
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items() if not _broken(item)}
    if isinstance(value, list | tuple):
        return [None if _broken(item) else finite(item) for item in value]
    return value


def _broken(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def candidate_of(evidence: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the candidate's card; empty where there is none."""
    candidate = evidence.get("candidate")
    return candidate if isinstance(candidate, Mapping) else {}


def index_of(evidence: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the rows of the evidence index that have a path and a digest."""
    rows = evidence.get("evidence")
    return [
        dict(row)
        for row in (rows if isinstance(rows, list) else [])
        if isinstance(row, Mapping) and {"path", "digest"} <= set(row)
    ]


def declared_answer(evidence: Mapping[str, Any], name: str) -> str:
    """Return what a person declared on the candidate's card, or NOT PROVIDED."""
    return answer_in(answered(evidence), name)


def answer_in(evidence: Mapping[str, Any], name: str) -> str:
    """Return the same, from evidence that has been through ``countable``."""
    declarations = candidate_of(evidence).get("declarations")
    entry = declarations.get(name) if isinstance(declarations, Mapping) else None
    return f"{entry['answer'].strip()} ({entry['by']})" if entry else "NOT PROVIDED"
