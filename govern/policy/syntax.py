"""CEL expressions as trees: read from the checked form of CEL's own parser, printed back.

``cel-expr-python`` gives no tree, but it serialises one: ``cel.expr.CheckedExpr``
(google/cel-spec, proto/cel/expr/checked.proto and syntax.proto). This module reads that
wire form and folds expanded macros back to what was written. Nothing here evaluates.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from cel_expr_python import cel

from govern.errors import PolicyError
from govern.policy.expressions import VARIABLES

Fields = list[tuple[int, "int | bytes"]]
_INFIX = {
    "_||_": ("||", 1),
    "_&&_": ("&&", 2),
    **{f"_{word}_": (word, 3) for word in ("<", "<=", ">", ">=", "==", "!=")},
    "@in": ("in", 3),
    "_+_": ("+", 4),
    "_-_": ("-", 4),
    "_*_": ("*", 5),
    "_/_": ("/", 5),
    "_%_": ("%", 5),
}
_PREFIX = {"!_": "!", "-_": "-"}
_TERNARY, _UNARY, _ATOM = 0, 6, 7


@dataclass(frozen=True, slots=True)
class Node:
    """One node.

    Args:
        kind: ``literal``, ``name``, ``field``, ``has``, ``call``, ``method``, ``list``,
            ``map`` or ``macro``.
        text: the literal as written, the name, the field, the function or the macro.
        args: children; of a field, method or macro the first is what it is taken from.
        bound: the variable a macro binds.
    """

    kind: str
    text: str
    args: tuple[Node, ...] = ()
    bound: str = ""

    def walk(self) -> Iterator[tuple[tuple[int, ...], Node]]:
        """Yield every node with its path, itself first."""
        yield (), self
        for place, child in enumerate(self.args):
            for path, node in child.walk():
                yield (place, *path), node

    def at(self, path: tuple[int, ...]) -> Node:
        """Return the node at a path."""
        return self.args[path[0]].at(path[1:]) if path else self

    def put(self, path: tuple[int, ...], node: Node) -> Node:
        """Return a copy with another node at a path."""
        if not path:
            return node
        args = list(self.args)
        args[path[0]] = args[path[0]].put(path[1:], node)
        return replace(self, args=tuple(args))

    @property
    def operator(self) -> str:
        """The infix or prefix operator, or empty."""
        return _INFIX[self.text][0] if self.text in _INFIX else _PREFIX.get(self.text, "")


@cache
def _environment() -> Any:
    return cel.NewEnv(variables=dict.fromkeys(VARIABLES, cel.Type.DYN))


def parse_tree(text: str) -> Node:
    """Return the tree of an expression.

    Raises:
        PolicyError: it does not compile, or its serialised form is not what this module knows.
    """
    try:
        wrapped = dict(_wire(_environment().compile(text).serialize()))
        checked = dict(_wire(_bytes(wrapped[2])))
        return _expr(_bytes(checked[4]))
    except RuntimeError as error:
        raise PolicyError(f"{text!r} does not compile: {str(error).splitlines()[0]}") from None
    except (KeyError, IndexError, ValueError, struct.error) as error:
        raise PolicyError(f"cannot read the tree of {text!r}: {error!r}") from None


def print_tree(node: Node) -> str:
    """Return CEL text that means the same tree."""
    return _print(node, _TERNARY)


# -- the wire form (protobuf encoding) -------------------------------------------------


def _wire(data: bytes) -> Fields:
    at, found = 0, list[tuple[int, "int | bytes"]]()
    while at < len(data):
        key, at = _varint(data, at)
        kind = key & 7
        value: int | bytes
        if kind == 0:
            value, at = _varint(data, at)
        elif kind == 1:
            value, at = data[at : at + 8], at + 8
        elif kind == 2:
            size, at = _varint(data, at)
            value, at = data[at : at + size], at + size
        else:
            raise ValueError(f"wire type {kind}")
        found.append((key >> 3, value))
    return found


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def _bytes(value: int | bytes) -> bytes:
    if not isinstance(value, bytes):
        raise ValueError("a number where a message is due")
    return value


def _texts(fields: Fields, number: int) -> list[str]:
    return [_bytes(value).decode("utf-8") for key, value in fields if key == number]


def _exprs(fields: Fields, number: int) -> list[Node]:
    return [_expr(_bytes(value)) for key, value in fields if key == number]


# -- syntax.proto: Expr ------------------------------------------------------------------


def _expr(data: bytes) -> Node:
    for number, value in _wire(data):
        if number in _READERS:
            return _READERS[number](_wire(_bytes(value)))
    raise ValueError("an expression of unknown kind")


def _constant(fields: Fields) -> Node:
    ((number, value),) = fields or [(1, 0)]
    if number == 1:
        return Node("literal", "null")
    if number == 2:
        return Node("literal", "true" if value else "false")
    if number == 3:
        assert isinstance(value, int)
        return Node("literal", str(value - (1 << 64) if value >> 63 else value))
    if number == 4:
        return Node("literal", f"{int(value)}u")
    if number == 5:
        return Node("literal", repr(struct.unpack("<d", _bytes(value))[0]))
    if number == 6:
        return Node("literal", json.dumps(_bytes(value).decode("utf-8"), ensure_ascii=False))
    raise ValueError(f"constant kind {number}")


def _name(fields: Fields) -> Node:
    return Node("name", _texts(fields, 1)[0])


def _select(fields: Fields) -> Node:
    kind = "has" if dict(fields).get(3) else "field"
    return Node(kind, _texts(fields, 2)[0], tuple(_exprs(fields, 1)))


def _call(fields: Fields) -> Node:
    target, function, args = _exprs(fields, 1), _texts(fields, 2)[0], _exprs(fields, 3)
    return Node("method" if target else "call", function, (*target, *args))


def _list(fields: Fields) -> Node:
    return Node("list", "", tuple(_exprs(fields, 1)))


def _map(fields: Fields) -> Node:
    entries = [_wire(_bytes(value)) for key, value in fields if key == 2]
    if _texts(fields, 1) or any(_texts(entry, 2) for entry in entries):
        raise ValueError("a message literal")
    return Node(
        "map",
        "",
        tuple(node for entry in entries for node in (*_exprs(entry, 3), *_exprs(entry, 4))),
    )


def _comprehension(fields: Fields) -> Node:
    """Fold ``all``, ``exists``, ``exists_one``, ``filter`` and ``map`` back."""
    bound, source = _texts(fields, 1)[0], _exprs(fields, 2)[0]
    start, step = _exprs(fields, 4)[0], _exprs(fields, 6)[0]
    if start.text == "true" and step.operator == "&&":
        return Node("macro", "all", (source, step.args[1]), bound)
    if start.text == "false" and step.operator == "||":
        return Node("macro", "exists", (source, step.args[1]), bound)
    if step.text == "_?_:_" and start.text == "0":
        return Node("macro", "exists_one", (source, step.args[0]), bound)
    condition = (step.args[0],) if step.text == "_?_:_" else ()
    added = (step.args[1] if condition else step).args[1].args[0]
    if condition and added == Node("name", bound):
        return Node("macro", "filter", (source, *condition), bound)
    return Node("macro", "map", (source, *condition, added), bound)


_READERS = {
    3: _constant,
    4: _name,
    5: _select,
    6: _call,
    7: _list,
    8: _map,
    9: _comprehension,
}


# -- printing ------------------------------------------------------------------------------


def _print(node: Node, level: int) -> str:
    if node.text in _INFIX and node.kind == "call":
        sign, own = _INFIX[node.text]
        text = f"{_print(node.args[0], own)} {sign} {_print(node.args[1], own + 1)}"
    elif node.text in _PREFIX and node.kind == "call":
        own, text = _UNARY, _PREFIX[node.text] + _print(node.args[0], _ATOM)
    elif node.text == "_?_:_":
        first, second, third = node.args
        own, text = _TERNARY, f"{_print(first, 1)} ? {_print(second, 1)} : {_print(third, 0)}"
    else:
        own, text = _ATOM, _print_atom(node)
    return f"({text})" if own < level else text


def _print_atom(node: Node) -> str:
    args = [_print(child, _TERNARY) for child in node.args]
    if node.kind == "list":
        return f"[{', '.join(args)}]"
    if node.kind == "map":
        pairs = zip(args[::2], args[1::2], strict=True)
        return "{" + ", ".join(f"{key}: {value}" for key, value in pairs) + "}"
    if node.kind in ("literal", "name"):
        return node.text
    if node.kind == "call" and node.text != "_[_]":
        return f"{node.text}({', '.join(args)})"
    source = _print(node.args[0], _ATOM)
    if node.text == "_[_]":
        return f"{source}[{args[1]}]"
    if node.kind == "has":
        return f"has({source}.{node.text})"
    if node.kind == "field":
        return f"{source}.{node.text}"
    inner = [node.bound, *args[1:]] if node.kind == "macro" else args[1:]
    return f"{source}.{node.text}({', '.join(inner)})"
