"""CEL expressions, compiled once and evaluated so that an error is never a pass.

``cel-expr-python`` returns evaluation errors as values or raises; here each becomes a
``Failed`` with its sentence. A compile error is a ``PolicyError`` with its place. A
pack's parameters are bound at compile time, so that one converted copy of the evidence
serves every pack: converting it costs a hundred times more than evaluating a rule.
"""

from __future__ import annotations

import ctypes
import json
import math
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from cel_expr_python import cel

from govern.errors import PolicyError

EVIDENCE_VARIABLES = ("candidate", "lineage", "checks", "waivers", "monitor")
VARIABLES = (*EVIDENCE_VARIABLES, "params", "item", "as_of")
EXPRESSION_CHARS_MAX = 4000
_WORDS = re.compile(
    r'"""(?s:.*?)"""|\'\'\'(?s:.*?)\'\'\'|"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\''
    r"|(?P<has>\bhas\(\s*)?(?<![\w.])(?P<params>params)\b(?P<field>\s*\.\s*(?P<name>\w+))?"
)
_PLACE = re.compile(r"<input>:(\d+):(\d+): (.*)")


@dataclass(frozen=True, slots=True)
class Failed:
    """An evaluation that gave no value."""

    message: str


class Inputs:
    """What expressions read, converted once.

    Args:
        evidence: the evidence document; only ``EVIDENCE_VARIABLES`` are read.
        as_of: the date, like 2026-11-24.
        params: for expressions whose parameters were not bound when they were compiled.
        item: the item a rule looks at.
    """

    def __init__(
        self,
        evidence: Mapping[str, Any],
        as_of: str,
        params: Mapping[str, Any] | None = None,
        item: Any = None,
    ) -> None:
        self.data = {name: evidence[name] for name in EVIDENCE_VARIABLES if name in evidence}
        self.data |= {"as_of": as_of, "params": dict(params or {}), "item": item}
        self.activation = _environment().Activation(self.data)

    def with_item(self, item: Any) -> Inputs:
        """Return the same inputs for one item."""
        return Inputs(self.data, self.data["as_of"], self.data["params"], item)


@cache
def _environment() -> Any:
    return cel.NewEnv(variables=dict.fromkeys(VARIABLES, cel.Type.DYN))


@dataclass(frozen=True, slots=True)
class Expression:
    """One compiled expression and its text."""

    text: str
    _compiled: Any

    def evaluate(self, inputs: Inputs) -> Any:
        """Return a plain value, or ``Failed``."""
        try:
            result = self._compiled.eval(inputs.activation)
            if result.type() == cel.Type.ERROR:
                return Failed(_sentence(result.value()))
            return _owned(result.plain_value())
        except (RuntimeError, ValueError, TypeError) as error:
            return Failed(_sentence(error))

    def truth(self, inputs: Inputs) -> bool | Failed:
        """Return the value if it is a truth value."""
        return as_truth(self.evaluate(inputs), self.text)

    def number(self, inputs: Inputs) -> float | None:
        """Return the value if it is a finite number, else None."""
        return as_number(self.evaluate(inputs))


@dataclass(frozen=True, slots=True)
class Joined:
    """Several expressions as one, parameters written out; compiled when first evaluated.

    Each of them compiles alone. Together they may be more than CEL takes: then this gives
    ``Failed``, as it does where one of them errs, and each is to be evaluated alone.
    """

    text: str

    def evaluate(self, inputs: Inputs) -> Any:
        """Return their values, or ``Failed``."""
        compiled = _joined(self.text)
        return compiled.evaluate(inputs) if compiled else Failed("too much to evaluate at once")


@lru_cache(maxsize=1024)
def _joined(text: str) -> Expression | None:
    try:
        return Expression(text, _environment().compile(text))
    except RuntimeError:
        return None


def _owned(value: Any) -> Any:
    """Return a value that CEL gave, its nulls paid for.

    cel-expr-python 0.1.3 hands out ``None`` without counting the reference. Before Python
    3.12, which never frees ``None``, enough of them would end the process.
    """
    kind = type(value)
    if value is None:
        _count_none()
    elif kind is list:
        for inner in value:
            _owned(inner)
    elif kind is dict:
        for inner in value.values():
            _owned(inner)
    return value


def _count_none() -> None:
    if sys.version_info < (3, 12):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(None))


def as_truth(value: Any, text: str) -> bool | Failed:
    """Return a truth value as it is, anything else as ``Failed``."""
    if isinstance(value, bool | Failed):
        return value
    return Failed(f"{text!r} is not true or false")


def as_number(value: Any) -> float | None:
    """Return a finite number, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def _sentence(error: object) -> str:
    return str(error).splitlines()[0][:200] if str(error) else "no value"


def compile_expression(
    text: str,
    where: str,
    params: Mapping[str, Any] | None = None,
    place: Callable[[int], str] | None = None,
) -> Expression:
    """Compile one expression.

    Args:
        text: CEL.
        where: what to say in errors before the place.
        params: the pack's parameters, bound as constants; None leaves ``params`` a variable.
        place: names the file position of a character of ``text``, for errors.

    Raises:
        PolicyError: it is too long or does not compile; the sentence says where.
    """
    if len(text) > EXPRESSION_CHARS_MAX:
        raise PolicyError(f"{where}: an expression has at most {EXPRESSION_CHARS_MAX} characters")
    try:
        compiled = _environment().compile(text if params is None else bound(text, params))
    except RuntimeError:
        raise PolicyError(_first_error(text, where, place)) from None
    return Expression(text, compiled)


def bound(text: str, params: Mapping[str, Any]) -> str:
    """Return the expression with ``params`` written out as constants.

    ``params.name`` becomes the value itself; where a map is needed, as in ``has``, it becomes
    a map.
    """
    whole = _literal(dict(params))

    def constant(found: re.Match[str]) -> str:
        if found["params"] is None:
            return found[0]
        if found["has"] is None and found["name"] in params:
            return f"({_literal(params[found['name']])})"
        return f"{found['has'] or ''}{whole}{found['field'] or ''}"

    return _WORDS.sub(constant, text)


def _literal(value: Any) -> str:
    return json.dumps(value, ensure_ascii=True)


def _first_error(text: str, where: str, place: Callable[[int], str] | None) -> str:
    """Compile the text as it was written, for an error that says where in it."""
    error = "a parameter does not fit"
    try:
        _environment().compile(text)
    except RuntimeError as raised:
        error = str(raised)
    found = _PLACE.search(error)
    if found is None:
        return f"{where}: the expression does not compile: {_sentence(error)}"
    line, column, detail = int(found[1]), int(found[2]), found[3][:160]
    lines = text.split("\n")
    offset = sum(len(one) + 1 for one in lines[: line - 1]) + column - 1
    spot = place(min(offset, max(len(text) - 1, 0))) if place else f"at {line}:{column}"
    return f"{spot}: {where}: the expression does not compile: {detail}"
