"""YAML with places: plain data out, and every error says file, line and column.

A stricter subset of YAML 1.2 than the library's: duplicate keys, numbers that are not
finite, tags and merge keys are refused, and dates stay text. It does not know what a
pack or a case is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import yaml

from govern.errors import PolicyError

DEPTH_MAX = 40
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
NAMES: dict[Any, str] = {
    str: "text",
    list: "a list",
    dict: "a mapping",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    type(None): "nothing",
}


@dataclass(frozen=True, slots=True)
class Source:
    """A file's name and text, to name places in it."""

    name: str
    text: str


def compose(data: bytes, name: str, bytes_max: int) -> tuple[Source, yaml.Node]:
    """Parse one YAML document to nodes.

    Args:
        data: UTF-8 YAML.
        name: what to call the file in errors.
        bytes_max: how large it may be.

    Raises:
        PolicyError: too large, not UTF-8, not YAML, aliases, or empty.
    """
    if len(data) > bytes_max:
        raise PolicyError(f"{name}: the file has {len(data)} bytes; at most {bytes_max} are read")
    try:
        text = data.decode("utf-8")
        _check_events(text, name)
        node = yaml.compose(text, Loader=_LOADER)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise PolicyError(f"{name}{place}: not YAML: {problem[:100]}") from None
    if node is None:
        raise PolicyError(f"{name}: the file is empty")
    return Source(name, text), node


def _check_events(text: str, name: str) -> None:
    """Refuse aliases (a small file could grow without end) and depth (the stack could)."""
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        mark = event.start_mark
        place = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        if isinstance(event, yaml.AliasEvent):
            raise PolicyError(f"{place}: YAML aliases are not allowed; write the value out")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEPTH_MAX:
            raise PolicyError(f"{place}: nested deeper than {DEPTH_MAX} levels")


def at(where: Source, node: yaml.Node) -> str:
    """Return ``file:line:column`` of a node's start."""
    return f"{where.name}:{node.start_mark.line + 1}:{node.start_mark.column + 1}"


def fields(
    node: yaml.Node,
    where: Source,
    required: Mapping[str, Any],
    optional: Mapping[str, Any],
    what: str,
) -> dict[str, yaml.Node]:
    """Return a mapping's values as nodes, by field name.

    Args:
        node: what should be a mapping.
        required: field name to type; a tuple of types where several are right.
        optional: the same.
        what: what the mapping is, for errors ("pack", "rule").

    Raises:
        PolicyError: no mapping; an unknown, double, missing or mistyped field.
    """
    if not isinstance(node, yaml.MappingNode):
        raise PolicyError(f"{at(where, node)}: a {what} is a mapping")
    found: dict[str, yaml.Node] = {}
    for key_node, item in node.value:
        key = key_node.value if isinstance(key_node, yaml.ScalarNode) else "?"
        expected = required.get(key) or optional.get(key)
        if expected is None:
            known = ", ".join(sorted({*required, *optional}))
            raise PolicyError(
                f"{at(where, key_node)}: unknown field {key!r} in a {what}; it has {known}"
            )
        if key in found:
            raise PolicyError(f"{at(where, key_node)}: {key!r} stands twice")
        found[key] = item
        if not _is(plain(item, where), expected):
            wanted = expected if isinstance(expected, tuple) else (expected,)
            names = " or ".join(NAMES[kind] for kind in wanted)
            raise PolicyError(f"{at(where, item)}: {key!r} must be {names}")
    missing = sorted(set(required) - set(found))
    if missing:
        raise PolicyError(f"{at(where, node)}: the {what} lacks {missing[0]!r}")
    return found


def _is(value: Any, expected: Any) -> bool:
    kinds = expected if isinstance(expected, tuple) else (expected,)
    return any(
        isinstance(value, kind) and (kind is bool or not isinstance(value, bool)) for kind in kinds
    )


def plain(node: yaml.Node, where: Source) -> Any:
    """Return plain data; dates stay text.

    Raises:
        PolicyError: a double key, a number that is not finite, an unknown tag.
    """
    if isinstance(node, yaml.MappingNode):
        result: dict[str, Any] = {}
        for key, item in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise PolicyError(f"{at(where, key)}: a key must be text")
            if key.value in result:
                raise PolicyError(f"{at(where, key)}: {key.value!r} stands twice")
            result[key.value] = plain(item, where)
        return result
    if isinstance(node, yaml.SequenceNode):
        return [plain(item, where) for item in node.value]
    return _scalar(node, where)


def _scalar(node: yaml.Node, where: Source) -> Any:
    kind = str(node.tag).removeprefix("tag:yaml.org,2002:")
    if kind in ("int", "float"):
        return _number(node, where, kind)
    if kind == "bool":
        if node.value not in ("true", "false"):
            raise PolicyError(f"{at(where, node)}: write true or false, or quote {node.value!r}")
        return node.value == "true"
    if kind == "null":
        return None
    if kind in ("str", "timestamp"):
        return node.value
    raise PolicyError(f"{at(where, node)}: a value of kind {kind!r} is not allowed")


def _number(node: yaml.Node, where: Source, kind: str) -> int | float:
    try:
        number = float(node.value) if kind == "float" else int(node.value, 10)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or abs(number) > 2**53:
        raise PolicyError(
            f"{at(where, node)}: {node.value!r}: a number must be finite, decimal and under 2^53"
        )
    return number


def day(text: str, place: str) -> date:
    """Return a date like 2026-11-24.

    Raises:
        PolicyError: it is none.
    """
    try:
        if len(text) == 10:
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise PolicyError(f"{place}: {text!r} is not a date like 2026-11-24")


def choice(value: str, choices: tuple[str, ...], place: str) -> str:
    """Return the value if it is one of the choices.

    Raises:
        PolicyError: it is not.
    """
    if value not in choices:
        raise PolicyError(f"{place}: {value!r} is not one of {', '.join(choices)}")
    return value


def place_within(node: yaml.ScalarNode, where: Source, offset: int) -> str:
    """Return ``file:line:column`` of one character of a scalar's value.

    Plain, quoted, folded and literal scalars are walked beside their source; where the
    two part (an escape in double quotes) the scalar's start is named.

    Args:
        node: a scalar.
        where: the file.
        offset: which character of its value, from 0.
    """
    mark = node.start_mark
    source, value = where.text, str(node.value)
    if node.style == '"':
        return at(where, node)
    position = mark.index
    if node.style in (">", "|"):
        position = source.index("\n", position)
    elif node.style == "'":
        position += 1
    for char in value[:offset]:
        position = _skip(source, position, char)
        if position < 0:
            return at(where, node)
    while position < len(source) and source[position] in " \n\r" and not value[offset].isspace():
        position += 1
    head = source[:position]
    return f"{where.name}:{head.count(chr(10)) + 1}:{position - head.rfind(chr(10))}"


def _skip(source: str, position: int, char: str) -> int:
    """Return the position after ``char``, passing over line folds; -1 where they part."""
    if char.isspace():
        end = position
        while end < len(source) and source[end].isspace():
            end += 1
        folded = "\n" in source[position:end]
        return end if folded else position + 1
    while position < len(source) and source[position].isspace():
        position += 1
    if position >= len(source) or source[position] != char:
        return -1
    return position + (2 if source[position : position + 2] == "''" else 1)
