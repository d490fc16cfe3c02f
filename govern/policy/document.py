"""Read a policy pack: YAML bytes to typed rules; errors carry line and column."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import yaml

from govern.errors import PolicyError
from govern.policy.expressions import Expression, compile_expression
from govern.transparency.digest import digest_of

PACK_BYTES_MAX = 1 << 20
SEVERITIES = ("deny", "review", "advise")
STATUSES = ("in-force", "rescinded", "future", "voluntary", "pending")
_PACK_KEYS = {
    "id": str,
    "version": str,
    "title": str,
    "jurisdiction": str,
    "instrument": str,
    "status": str,
    "effective_from": str,
    "rules": list,
}
_PACK_OPTIONAL = {
    "effective_to": str,
    "supersedes": str,
    "source": dict,
    "reviewed_by": str,
    "reviewed_on": str,
    "applies": str,
    "params": dict,
    "approvals": dict,
    "why": str,
}
_RULE_KEYS = {
    "id": str,
    "title": str,
    "citation": str,
    "severity": str,
    "require": str,
    "message": str,
}
_EXPRESSIONS = ("when", "for_each", "subject", "uncertain", "value", "low", "high", "threshold")
_RULE_OPTIONAL = {
    **dict.fromkeys(_EXPRESSIONS, str),
    "why": str,
    "fix": str,
    "reads": list,
    "waivable_by": str,
}


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; expressions are compiled."""

    id: str
    title: str
    why: str
    citation: str
    severity: str
    message: str
    fix: str | None
    reads: tuple[str, ...]
    waivable_by: str | None
    require: Expression
    optional: Mapping[str, Expression]


@dataclass(frozen=True, slots=True)
class Pack:
    """One policy pack: dated, cited, immutable; its digest covers its exact bytes."""

    id: str
    version: str
    title: str
    jurisdiction: str
    instrument: str
    status: str
    effective_from: date
    effective_to: date | None
    applies: Expression | None
    params: Mapping[str, Any]
    approvals: Mapping[str, Any]
    rules: tuple[Rule, ...]
    digest: str
    source: bytes
    meta: Mapping[str, Any]

    def in_force(self, day: date) -> bool:
        """Say whether the pack is in force on ``day`` (both ends included)."""
        ends = self.effective_to is not None and day > self.effective_to
        return self.effective_from <= day and not ends


def load_pack(data: bytes, where: str = "policy.yaml") -> Pack:
    """Read and compile a pack.

    Args:
        data: UTF-8 YAML.
        where: what to call the file in errors.

    Raises:
        PolicyError: with file, line and column.
    """
    if len(data) > PACK_BYTES_MAX:
        raise PolicyError(f"{where}: a pack has at most {PACK_BYTES_MAX} bytes")
    try:
        node = yaml.compose(data.decode("utf-8"), Loader=yaml.SafeLoader)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise PolicyError(f"{where}{place}: not YAML: {str(error).splitlines()[0][:100]}") from None
    if node is None:
        raise PolicyError(f"{where}: the file is empty")
    value = _checked(node, where, {**_PACK_KEYS}, _PACK_OPTIONAL, "pack")
    rules = _child(node, "rules")
    loaded = tuple(_rule(item, where) for item in rules.value)
    _check_choice(value["status"], STATUSES, where, _child(node, "status"))
    ids = [rule.id for rule in loaded]
    if len(set(ids)) != len(ids):
        raise PolicyError(f"{_at(where, rules)}: two rules have one id")
    return Pack(
        id=value["id"],
        version=value["version"],
        title=value["title"],
        jurisdiction=value["jurisdiction"],
        instrument=value["instrument"],
        status=value["status"],
        effective_from=_date(value["effective_from"], _at(where, node)),
        effective_to=_date(value["effective_to"], _at(where, node))
        if "effective_to" in value
        else None,
        applies=compile_expression(value["applies"], _at(where, node))
        if "applies" in value
        else None,
        params=value.get("params", {}),
        approvals=value.get("approvals", {}),
        rules=loaded,
        digest=digest_of(data),
        source=data,
        meta={key: item for key, item in value.items() if key != "rules"},
    )


def _rule(node: yaml.Node, where: str) -> Rule:
    value = _checked(node, where, _RULE_KEYS, _RULE_OPTIONAL, "rule")
    _check_choice(value["severity"], SEVERITIES, where, _child(node, "severity"))
    place = f"{_at(where, node)}: rule {value['id']}"
    optional = {
        key: compile_expression(value[key], f"{place}, {key}")
        for key in _EXPRESSIONS
        if key in value
    }
    return Rule(
        id=value["id"],
        title=value["title"],
        why=value.get("why", ""),
        citation=value["citation"],
        severity=value["severity"],
        message=value["message"],
        fix=value.get("fix"),
        reads=tuple(map(str, value.get("reads", []))),
        waivable_by=value.get("waivable_by"),
        require=compile_expression(value["require"], f"{place}, require"),
        optional=optional,
    )


def _checked(
    node: yaml.Node,
    where: str,
    required: Mapping[str, type],
    optional: Mapping[str, type],
    what: str,
) -> dict[str, Any]:
    if not isinstance(node, yaml.MappingNode):
        raise PolicyError(f"{_at(where, node)}: a {what} is a mapping")
    value: dict[str, Any] = {}
    for key_node, item in node.value:
        key = key_node.value
        expected = required.get(key) or optional.get(key)
        if expected is None:
            raise PolicyError(f"{_at(where, key_node)}: unknown field {key!r} in a {what}")
        if key in value:
            raise PolicyError(f"{_at(where, key_node)}: {key!r} stands twice")
        value[key] = _plain(item, where) if key != "rules" else []
        if not isinstance(value[key], expected):
            raise PolicyError(f"{_at(where, item)}: {key!r} must be {_NAMES[expected]}")
    missing = sorted(set(required) - set(value))
    if missing:
        raise PolicyError(f"{_at(where, node)}: the {what} lacks {missing[0]!r}")
    return value


_NAMES: dict[Any, str] = {str: "text", list: "a list", dict: "a mapping"}


def _plain(node: yaml.Node, where: str) -> Any:
    """Return plain data; dates stay text; duplicate keys are refused."""
    if isinstance(node, yaml.MappingNode):
        result: dict[str, Any] = {}
        for key, item in node.value:
            if key.value in result:
                raise PolicyError(f"{_at(where, key)}: {key.value!r} stands twice")
            result[key.value] = _plain(item, where)
        return result
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, where) for item in node.value]
    if node.tag in ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float"):
        number = float(node.value) if "float" in node.tag else int(node.value)
        if number != number or number in (float("inf"), float("-inf")):
            raise PolicyError(f"{_at(where, node)}: a number must be finite")
        return number
    if node.tag == "tag:yaml.org,2002:bool":
        return node.value.lower() == "true"
    return None if node.tag == "tag:yaml.org,2002:null" else node.value


def _child(node: yaml.Node, key: str) -> yaml.Node:
    found: yaml.Node = next(item for name, item in node.value if name.value == key)
    return found


def _at(where: str, node: yaml.Node) -> str:
    return f"{where}:{node.start_mark.line + 1}:{node.start_mark.column + 1}"


def _check_choice(value: str, choices: tuple[str, ...], where: str, node: yaml.Node) -> None:
    if value not in choices:
        raise PolicyError(f"{_at(where, node)}: {value!r} is not one of {', '.join(choices)}")


def _date(text: str, where: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise PolicyError(f"{where}: {text!r} is not a date like 2026-11-24") from None
