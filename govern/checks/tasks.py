"""What a candidate answers: yes or no, a number, a place in a ranking, or one of several classes.

The card declares it; nothing is guessed from the answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from govern.errors import InvalidRequestError

KINDS = ("binary", "regression", "ranking", "multiclass")
CLASSES_MAX = 100


@dataclass(frozen=True, slots=True)
class Task:
    """A declared task.

    Args:
        kind: one of ``KINDS``.
        classes: ``multiclass`` alone: class names; a class's place is its code.
        positive: place of the class whose share is the score and which counts as selected.
        top: ``ranking`` alone: how many places are given; None is a tenth of those ranked.
    """

    kind: str = "binary"
    classes: tuple[str, ...] = ()
    positive: int = 1
    top: int | None = None

    @property
    def is_number(self) -> bool:
        """Whether the score is the answer, on a scale of its own."""
        return self.kind in ("regression", "ranking")

    @classmethod
    def read(cls, card: Mapping[str, Any]) -> Task:
        """Read ``task``, ``classes``, ``positive`` and ``top`` of a card.

        Raises:
            InvalidRequestError: a value that cannot be meant.
        """
        kind = card.get("task", "binary")
        if kind not in KINDS:
            raise InvalidRequestError(
                f"the task {kind!r} is not known; there are {', '.join(KINDS)}"
            )
        top = card.get("top")
        if top is not None and (type(top) is not int or top < 1):
            raise InvalidRequestError("the card's `top` is a number of places, 1 or more")
        if kind != "multiclass":
            return cls(kind, top=top if kind == "ranking" else None)
        classes = _classes(card.get("classes"))
        positive = str(card.get("positive", classes[-1]))
        if positive not in classes:
            raise InvalidRequestError(
                f"the card's `positive` {positive!r} is none of its `classes`"
            )
        return cls(kind, classes, classes.index(positive))


BINARY = Task()


def _classes(given: Any) -> tuple[str, ...]:
    names = tuple(map(str, given)) if isinstance(given, list) else ()
    if not 2 <= len(names) <= CLASSES_MAX or len(set(names)) < len(names):
        raise InvalidRequestError(
            f"a multiclass card needs `classes`, a list of 2 to {CLASSES_MAX} different names "
            "in the model's order"
        )
    return names
