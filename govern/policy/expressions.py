"""CEL expressions, compiled once and evaluated so that an error is never a pass.

``cel-expr-python`` returns evaluation errors as values; here each becomes a
``Failed`` with its sentence. A compile error is a ``PolicyError`` with line and column.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from cel_expr_python import cel

from govern.errors import PolicyError

VARIABLES = ("candidate", "lineage", "checks", "waivers", "params", "item", "as_of")
EXPRESSION_CHARS_MAX = 4000


@dataclass(frozen=True, slots=True)
class Failed:
    """An evaluation that gave no value."""

    message: str


@cache
def _environment() -> Any:
    return cel.NewEnv(variables=dict.fromkeys(VARIABLES, cel.Type.DYN))


@dataclass(frozen=True, slots=True)
class Expression:
    """One compiled expression and its text."""

    text: str
    _compiled: Any

    def evaluate(self, data: Mapping[str, Any]) -> Any:
        """Return a plain value, or ``Failed``."""
        try:
            result = self._compiled.eval(data=dict(data))
        except RuntimeError as error:
            return Failed(str(error).splitlines()[0][:200])
        if result.type() == cel.Type.ERROR:
            return Failed(str(result.value()).splitlines()[0][:200])
        return result.plain_value()

    def truth(self, data: Mapping[str, Any]) -> bool | Failed:
        """Return the value if it is a truth value."""
        value = self.evaluate(data)
        if isinstance(value, bool | Failed):
            return value
        return Failed(f"{self.text!r} is not true or false")

    def number(self, data: Mapping[str, Any]) -> float | None:
        """Return the value if it is a finite number, else None."""
        value = self.evaluate(data)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return float(value) if math.isfinite(value) else None


def compile_expression(text: str, where: str) -> Expression:
    """Compile one expression.

    Raises:
        PolicyError: it is too long or does not compile; the sentence says where.
    """
    if len(text) > EXPRESSION_CHARS_MAX:
        raise PolicyError(f"{where}: an expression has at most {EXPRESSION_CHARS_MAX} characters")
    try:
        return Expression(text, _environment().compile(text))
    except RuntimeError as error:
        detail = str(error).replace("INVALID_ARGUMENT: ERROR: <input>:", "at ").splitlines()[0]
        raise PolicyError(f"{where}: expression does not compile {detail[:200]}") from None
