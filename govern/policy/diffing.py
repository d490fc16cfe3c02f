"""What changed between two sets of packs, in words. Pure.

Packs are compared by id, rules by their id within a pack. A change is said as a sentence
with the old and the new value, so that who reviews a pull request needs no YAML.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from govern.policy.document import Pack, Rule
from govern.policy.expressions import Expression

KINDS = ("added", "removed", "changed")
_STRICTNESS = {"advise": 0, "review": 1, "deny": 2}
_RULE_TEXTS = ("title", "why", "citation", "severity", "message", "fix", "waivable_by", "reads")


@dataclass(frozen=True, slots=True)
class Change:
    """One difference.

    Args:
        kind: ``added``, ``removed`` or ``changed``.
        where: ``pack`` or ``pack/rule``.
        field: what of it; empty for a whole pack or rule.
        old: the old value as text, or None.
        new: the new value as text, or None.
    """

    kind: str
    where: str
    field: str
    old: str | None
    new: str | None

    @property
    def sentence(self) -> str:
        """The change in words."""
        if not self.field:
            what = "rule" if "/" in self.where else "pack"
            return (
                f"the {what} is {'new' if self.kind == 'added' else 'gone'}: {self.new or self.old}"
            )
        if self.field == "severity" and self.old and self.new:
            stricter = _STRICTNESS.get(self.new, 0) > _STRICTNESS.get(self.old, 0)
            return f"severity: {self.old} → {self.new} ({'stricter' if stricter else 'laxer'})"
        if self.old is None:
            return f"{self.field} is new: {self.new}"
        if self.new is None:
            return f"{self.field} is gone: {self.old}"
        return f"{self.field}: {self.old} → {self.new}"

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object."""
        found = {"kind": self.kind, "where": self.where, "field": self.field}
        return {**found, "old": self.old, "new": self.new, "sentence": self.sentence}


def diff_packs(old: Sequence[Pack], new: Sequence[Pack]) -> list[Change]:
    """Return every difference between two sets of packs, by pack, then rule."""
    before, after = ({pack.id: pack for pack in packs} for packs in (old, new))
    changes: list[Change] = []
    for name in sorted({*before, *after}):
        first, second = before.get(name), after.get(name)
        if first is None or second is None:
            changes.append(_whole(name, _titled(first), _titled(second)))
        elif first.digest != second.digest:
            changes += _diff_pack(first, second)
    return changes


def _titled(item: Pack | Rule | None) -> str | None:
    if item is None:
        return None
    return f"{item.title} ({item.version})" if isinstance(item, Pack) else item.title


def _whole(where: str, old: str | None, new: str | None) -> Change:
    return Change("added" if old is None else "removed", where, "", old, new)


def _diff_pack(old: Pack, new: Pack) -> Iterator[Change]:
    yield from _diff_values(old.id, _flat(old.meta), _flat(new.meta))
    before, after = ({rule.id: rule for rule in pack.rules} for pack in (old, new))
    order = [*before, *(name for name in after if name not in before)]
    for name in order:
        first, second = before.get(name), after.get(name)
        where = f"{old.id}/{name}"
        if first is None or second is None:
            yield _whole(where, _titled(first), _titled(second))
        else:
            yield from _diff_values(where, _rule_texts(first), _rule_texts(second))


def _diff_values(where: str, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Change]:
    for field in [*old, *(name for name in new if name not in old)]:
        first, second = old.get(field), new.get(field)
        if first != second:
            kind = "added" if first is None else "removed" if second is None else "changed"
            yield Change(kind, where, field, first, second)


def _rule_texts(rule: Rule) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in _RULE_TEXTS:
        value = getattr(rule, name)
        if value:
            found[name] = ", ".join(value) if isinstance(value, tuple) else str(value)
    expressions: dict[str, Expression] = {"require": rule.require, **rule.optional}
    return found | {name: " ".join(item.text.split()) for name, item in expressions.items()}


def _flat(value: Any, name: str = "") -> dict[str, str]:
    """Return nested mappings as dotted names to texts."""
    if isinstance(value, Mapping):
        found: dict[str, str] = {}
        for key, item in value.items():
            found |= _flat(item, f"{name}.{key}" if name else str(key))
        return found
    return {name: ", ".join(map(str, value)) if isinstance(value, list) else str(value)}
