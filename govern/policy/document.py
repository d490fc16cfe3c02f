"""Read a policy pack: YAML bytes to typed rules; errors carry file, line and column.

A pack is immutable: its digest covers its exact bytes. The format is described in
``docs/reference/policy_language.md`` and, for editors, in ``policies/policy.schema.json``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import yaml

from govern.errors import PolicyError
from govern.policy.expressions import Expression, Joined, bound, compile_expression
from govern.policy.reading import Source, at, choice, compose, day, fields, place_within, plain
from govern.transparency.digest import digest_of

PACK_BYTES_MAX = 1 << 20
RULES_MAX = 500
SEVERITIES = ("deny", "review", "advise")
STATUSES = ("in-force", "rescinded", "future", "voluntary", "pending")
TIERS = ("default", "low", "medium", "high", "critical")
QUORUM_MAX = 20
WAIVER_ROLES = ("compliance",)
EXPRESSIONS = ("when", "for_each", "subject", "uncertain", "value", "low", "high", "threshold")
ID = re.compile(r"[a-z0-9]+(?:[.-][a-z0-9]+)*")
NAME = re.compile(r"[a-z][a-z0-9_]*")
SHA256 = re.compile(r"sha256:[0-9a-f]{64}")
_PACK_KEYS: dict[str, Any] = {
    **dict.fromkeys(("id", "version", "title", "jurisdiction", "instrument", "status"), str),
    "effective_from": str,
    "rules": list,
}
_PACK_OPTIONAL: dict[str, Any] = {
    **dict.fromkeys(("effective_to", "supersedes", "reviewed_by", "reviewed_on"), str),
    "applies": str,
    "why": str,
    "source": dict,
    "params": dict,
    "approvals": dict,
}
_RULE_KEYS: dict[str, Any] = dict.fromkeys(("id", "title", "citation", "severity", "message"), str)
_RULE_OPTIONAL: dict[str, Any] = {
    **dict.fromkeys(EXPRESSIONS, str),
    **dict.fromkeys(("require", "declared", "why", "fix", "waivable_by"), str),
    "reads": list,
}
_SOURCE_OPTIONAL: dict[str, Any] = dict.fromkeys(
    ("title", "citation", "url", "digest", "no_digest", "looked_up", "looked_up_on"), str
)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; expressions are compiled.

    ``together`` gives the values of the expressions named by ``asked`` as one list, in one
    evaluation; with ``for_each`` a list of such lists. It errs where one of them errs: then
    each is evaluated alone.
    """

    id: str
    title: str
    why: str
    citation: str
    severity: str
    message: str
    fix: str | None
    reads: tuple[str, ...]
    waivable_by: str | None
    declared: str | None
    require: Expression
    optional: Mapping[str, Expression]
    asked: tuple[str, ...]
    together: Joined
    line: int

    def named(self, name: str) -> Expression:
        """Return one of the expressions in ``asked``."""
        return self.require if name == "require" else self.optional[name]


@dataclass(frozen=True, slots=True)
class Pack:
    """One policy pack: dated, cited, immutable; its digest covers its exact bytes.

    ``together`` gives every rule's ``together`` as one list, in one evaluation, null where
    a rule's ``when`` is false. It errs where anything in it errs: then each rule is evaluated
    alone.
    """

    id: str
    version: str
    title: str
    jurisdiction: str
    instrument: str
    status: str
    effective_from: date
    effective_to: date | None
    supersedes: str | None
    applies: Expression | None
    params: Mapping[str, Any]
    approvals: Mapping[str, Any]
    rules: tuple[Rule, ...]
    together: Joined
    digest: str
    source: bytes
    meta: Mapping[str, Any]

    def in_force(self, day: date) -> bool:
        """Say whether the pack decides on ``day`` (both ends included); a pending one never."""
        ends = self.effective_to is not None and day > self.effective_to
        return self.status != "pending" and self.effective_from <= day and not ends

    def lapsed(self, day: date) -> bool:
        """Say whether the pack ended before ``day`` though nobody rescinded it."""
        ended = self.effective_to is not None and day > self.effective_to
        return ended and self.status != "rescinded"


def load_pack(data: bytes, where: str = "policy.yaml") -> Pack:
    """Read and compile a pack.

    Args:
        data: UTF-8 YAML.
        where: what to call the file in errors.

    Raises:
        PolicyError: with file, line and column.
    """
    source, node = compose(data, where, PACK_BYTES_MAX)
    nodes = fields(node, source, _PACK_KEYS, _PACK_OPTIONAL, "pack")
    value = {key: plain(item, source) for key, item in nodes.items() if key != "rules"}
    _check_names(value, nodes, source)
    params = value.get("params", {})
    starts, ends = _dates(value, nodes, source)
    rules = _rules(nodes["rules"], source, params)
    return Pack(
        id=value["id"],
        version=value["version"],
        title=value["title"],
        jurisdiction=value["jurisdiction"],
        instrument=value["instrument"],
        status=choice(value["status"], STATUSES, at(source, nodes["status"])),
        effective_from=starts,
        effective_to=ends,
        supersedes=value.get("supersedes"),
        applies=_expression(nodes["applies"], source, "applies", params)
        if "applies" in nodes
        else None,
        params=params,
        approvals=_approvals(nodes.get("approvals"), source),
        rules=rules,
        together=_all_together(rules, params),
        digest=digest_of(data),
        source=data,
        meta=value,
    )


def _check_names(value: Mapping[str, Any], nodes: Mapping[str, yaml.Node], where: Source) -> None:
    _check_id(value["id"], at(where, nodes["id"]))
    if not value["version"].strip():
        raise PolicyError(f"{at(where, nodes['version'])}: the version is empty")
    if "supersedes" in value:
        _check_id(value["supersedes"], at(where, nodes["supersedes"]))
        if value["supersedes"] == value["id"]:
            raise PolicyError(f"{at(where, nodes['supersedes'])}: a pack cannot supersede itself")
    if "source" in nodes:
        _check_source(fields(nodes["source"], where, {}, _SOURCE_OPTIONAL, "source"), where)
    for name in value.get("params", {}):
        if not NAME.fullmatch(name):
            raise PolicyError(f"{at(where, nodes['params'])}: {name!r} is no name like ratio_min")


def _check_source(source: Mapping[str, yaml.Node], where: Source) -> None:
    """The text that a pack paraphrases has a digest, or a reason why it has none."""
    digest, looked = source.get("digest"), source.get("looked_up_on")
    if digest is not None and not SHA256.fullmatch(digest.value):
        raise PolicyError(f"{at(where, digest)}: a digest is sha256: and 64 hexadecimal digits")
    if digest is not None and "no_digest" in source:
        place = at(where, source["no_digest"])
        raise PolicyError(f"{place}: a source has 'digest' or 'no_digest', not both")
    if looked is not None:
        day(looked.value, at(where, looked))


def _check_id(text: str, place: str) -> None:
    if not ID.fullmatch(text) or len(text) > 100:
        raise PolicyError(f"{place}: {text!r} is no id like us-ecoa-reg-b")


def _dates(
    value: Mapping[str, Any], nodes: Mapping[str, yaml.Node], where: Source
) -> tuple[date, date | None]:
    found = {
        key: day(value[key], at(where, nodes[key]))
        for key in ("effective_from", "effective_to", "reviewed_on")
        if key in value
    }
    starts, ends = found["effective_from"], found.get("effective_to")
    if ends is not None and ends < starts:
        raise PolicyError(f"{at(where, nodes['effective_to'])}: the pack ends before it starts")
    if value["status"] == "rescinded" and ends is None:
        raise PolicyError(f"{at(where, nodes['status'])}: a rescinded pack needs 'effective_to'")
    return starts, ends


def _approvals(node: yaml.Node | None, where: Source) -> Mapping[str, Any]:
    """Return quorum per tier and the roles to ask; tiers are whole numbers."""
    if node is None:
        return {}
    found = fields(node, where, {}, {**dict.fromkeys(TIERS, int), "roles": list}, "approvals")
    value = {key: plain(item, where) for key, item in found.items()}
    for tier in set(value) & set(TIERS):
        if not 1 <= value[tier] <= QUORUM_MAX:
            raise PolicyError(f"{at(where, found[tier])}: a quorum is 1 to {QUORUM_MAX}")
    _texts(found.get("roles"), where, "roles")
    return value


def _texts(node: yaml.Node | None, where: Source, what: str) -> tuple[str, ...]:
    value = [] if node is None else plain(node, where)
    if node is not None and not all(isinstance(item, str) and item for item in value):
        raise PolicyError(f"{at(where, node)}: {what!r} must be a list of text")
    return tuple(value)


def _rules(node: yaml.Node, where: Source, params: Mapping[str, Any]) -> tuple[Rule, ...]:
    if not 1 <= len(node.value) <= RULES_MAX:
        raise PolicyError(f"{at(where, node)}: a pack has 1 to {RULES_MAX} rules")
    rules: list[Rule] = []
    for item in node.value:
        rule = _rule(item, where, params)
        if rule.id in {other.id for other in rules}:
            raise PolicyError(f"{at(where, item)}: two rules have the id {rule.id!r}")
        rules.append(rule)
    return tuple(rules)


def _rule(node: yaml.Node, where: Source, params: Mapping[str, Any]) -> Rule:
    nodes = fields(node, where, _RULE_KEYS, _RULE_OPTIONAL, "rule")
    value = {key: plain(item, where) for key, item in nodes.items()}
    _check_id(value["id"], at(where, nodes["id"]))
    what = f"rule {value['id']}"
    choice(value["severity"], SEVERITIES, at(where, nodes["severity"]))
    if "waivable_by" in nodes:
        choice(value["waivable_by"], WAIVER_ROLES, at(where, nodes["waivable_by"]))
    if ("require" in nodes) == ("declared" in nodes):
        raise PolicyError(f"{at(where, node)}: {what} has either 'require' or 'declared'")
    if "declared" in nodes and "for_each" in nodes:
        raise PolicyError(f"{at(where, nodes['for_each'])}: 'declared' takes no 'for_each'")
    compiled = {
        key: _expression(nodes[key], where, f"{what}, {key}", params)
        for key in ("require", *EXPRESSIONS)
        if key in nodes
    }
    if "declared" in nodes:
        compiled["require"] = _declared(value["declared"], at(where, nodes["declared"]))
    asked = tuple(key for key in ("require", *EXPRESSIONS[2:]) if key in compiled)
    return Rule(
        id=value["id"],
        title=value["title"],
        why=value.get("why", ""),
        citation=value["citation"],
        severity=value["severity"],
        message=value["message"],
        fix=value.get("fix"),
        reads=_texts(nodes.get("reads"), where, "reads"),
        waivable_by=value.get("waivable_by"),
        declared=value.get("declared"),
        asked=asked,
        together=_together(compiled, asked, params),
        require=compiled.pop("require"),
        optional=compiled,
        line=node.start_mark.line + 1,
    )


def _expression(node: yaml.Node, where: Source, what: str, params: Mapping[str, Any]) -> Expression:
    assert isinstance(node, yaml.ScalarNode)
    scalar = node
    return compile_expression(
        str(node.value), what, params, place=lambda offset: place_within(scalar, where, offset)
    )


def _declared(name: str, place: str) -> Expression:
    """A declaration is there or not; the evaluator drops those that say nothing."""
    if not NAME.fullmatch(name):
        raise PolicyError(f"{place}: {name!r} is no name like intended_users")
    return compile_expression(f"has(candidate.declarations.{name})", f"{place}: declared", {})


def _together(
    compiled: Mapping[str, Expression], asked: tuple[str, ...], params: Mapping[str, Any]
) -> Joined:
    """Join a rule's expressions; each stands on its own lines, for its comments."""
    texts = ",\n".join(f"{compiled[key].text}\n" for key in asked)
    items = compiled.get("for_each")
    text = f"[{texts}]" if items is None else f"({items.text}\n).map(item, [{texts}])"
    return Joined(bound(text, params))


def _all_together(rules: Sequence[Rule], params: Mapping[str, Any]) -> Joined:
    texts = []
    for rule in rules:
        when, text = rule.optional.get("when"), rule.together.text
        texts.append(f"({bound(when.text, params)}\n) ? {text} : null" if when else text)
    return Joined("[" + ",\n".join(texts) + "]")
