"""Probe fingerprints: requests with the answers that the admitted model gave, and how to compare.

Pure. An admission's ``upstream.probes`` holds them, so they are signed with it::

    {"tolerance": 1e-05, "items": [{"body": base64, "answer": base64}, …]}

Bodies and answers are JSON in the upstream's protocol. Of an Open Inference answer ``outputs``
count, of a KServe V1 answer ``predictions``, of any other JSON everything; names and order of
members do not matter, numbers with a fraction count as equal within the tolerance, relative or
absolute. An answer that is no JSON must be the same bytes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from govern.errors import MalformedError
from govern.transparency.encoding import b64, unb64

PROBES_MAX = 64
PROBE_BYTES_MAX = 256 << 10  # all bodies and answers of one admission together
TOLERANCE = 1e-5
_ESSENCE = ("outputs", "predictions")
_PATHS = {
    "kserve-v1": "/v1/models/{name}:predict",
    "invocations": "/invocations",
    "json": "/predict",
    "openai": "/v1/chat/completions",
}


@dataclass(frozen=True, slots=True)
class Probe:
    """A request's body and the answer's."""

    body: bytes
    answer: bytes

    def difference(self, answer: bytes, tolerance: float) -> str | None:
        """Return where another answer differs from the signed one, or None.

        Args:
            answer: the body of an upstream's answer.
            tolerance: how far apart numbers with a fraction may be, relative or absolute.
        """
        if answer == self.answer:
            return None
        try:
            signed, given = _essence(json.loads(self.answer)), _essence(json.loads(answer))
            return _difference(signed, given, tolerance, "the answer")
        except (ValueError, RecursionError, OverflowError):
            return "the answer has other bytes"


@dataclass(frozen=True, slots=True)
class Probes:
    """The probes of one admission."""

    items: tuple[Probe, ...]
    tolerance: float = TOLERANCE

    def to_json(self) -> dict[str, Any]:
        """Return the value of ``upstream.probes``."""
        items = [{"body": b64(item.body), "answer": b64(item.answer)} for item in self.items]
        return {"tolerance": self.tolerance, "items": items}


def probes_of(upstream: Mapping[str, Any]) -> Probes | None:
    """Return the probes in an admission's ``upstream``; None where it has none.

    Raises:
        MalformedError: they are not what they should be, too many or too large.
    """
    value = upstream.get("probes")
    if value is None:
        return None
    try:
        rows, tolerance = value["items"], float(value["tolerance"])
        items = tuple(
            Probe(unb64(row["body"], "body"), unb64(row["answer"], "answer")) for row in rows
        )
    except (KeyError, TypeError, ValueError):
        raise MalformedError("probes have a tolerance and items of body and answer") from None
    return checked(items, tolerance)


def infer_path(kind: str, deployment: str) -> str:
    """Return the path at which an upstream of a kind infers; most speak Open Inference."""
    return _PATHS.get(kind, "/v2/models/{name}/infer").format(name=deployment)


def checked(items: Sequence[Probe], tolerance: float = TOLERANCE) -> Probes:
    """Return probes within their limits.

    Raises:
        MalformedError: none, too many or too large, or no tolerance between 0 and 1.
    """
    if not 1 <= len(items) <= PROBES_MAX:
        raise MalformedError(f"an admission has 1 to {PROBES_MAX} probes, got {len(items)}")
    size = sum(len(item.body) + len(item.answer) for item in items)
    if size > PROBE_BYTES_MAX:
        raise MalformedError(f"probes have at most {PROBE_BYTES_MAX} bytes together, got {size}")
    if not 0 <= tolerance < 1:
        raise MalformedError(f"a tolerance is at least 0 and under 1, got {tolerance:g}")
    return Probes(tuple(items), tolerance)


def _essence(value: Any) -> Any:
    """Return what of an answer the model says, without names and versions of the server's."""
    if not isinstance(value, dict):
        return value
    for name in _ESSENCE:
        if isinstance(value.get(name), list):
            return {name: _by_name(value[name])}
    return value


def _by_name(rows: list[Any]) -> Any:
    """Return tensors by their name, where all have one: servers order them differently."""
    named = {
        row["name"]: {key: part for key, part in row.items() if key != "parameters"}
        for row in rows
        if isinstance(row, dict) and isinstance(row.get("name"), str)
    }
    return named if len(named) == len(rows) else rows


def _difference(signed: Any, given: Any, tolerance: float, where: str) -> str | None:
    if isinstance(signed, dict) and isinstance(given, dict):
        if signed.keys() != given.keys():
            return f"{where} has other members"
        pairs = [(f"{where}.{key}", signed[key], given[key]) for key in signed]
    elif isinstance(signed, list) and isinstance(given, list):
        if len(signed) != len(given):
            return f"{where} has {len(given)} items in place of {len(signed)}"
        pairs = [(f"{where}[{place}]", one, given[place]) for place, one in enumerate(signed)]
    else:
        return None if _same(signed, given, tolerance) else f"{where} is another"
    found = (_difference(one, other, tolerance, name) for name, one, other in pairs)
    return next((text for text in found if text is not None), None)


def _same(signed: Any, given: Any, tolerance: float) -> bool:
    if _is_number(signed) and _is_number(given) and float in (type(signed), type(given)):
        return math.isclose(signed, given, rel_tol=tolerance, abs_tol=tolerance) or (
            math.isnan(signed) and math.isnan(given)
        )
    return type(signed) is type(given) and bool(signed == given)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
