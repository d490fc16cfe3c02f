"""A candidate's card: its format, its columns, and the protected attributes it is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from govern.adapters.candidates.formats import FORMATS
from govern.checks.tasks import Task
from govern.errors import InvalidRequestError
from govern.transparency.canonical import parse_json

COLUMNS_MAX = 10_000
ROWS_PER_BATCH_MAX = 1_000_000
PRECISIONS = ("float32", "bfloat16")
_ROUNDED = ("safetensors", "torch-export")


@dataclass(frozen=True, slots=True)
class Card:
    """What checks must know about a candidate.

    Args:
        format: one of ``formats.FORMATS``.
        columns: feature names in the model's order.
        protected: attributes that the model is given besides.
        categories: attribute to category names; a category's place is its code.
        task: what it answers.
        device: ``cpu`` or ``cuda`` where it asks for one, else empty.
        precision: ``float32`` or, where the format can, ``bfloat16``.
        rows_per_batch: rows it is sent at once, 0 where it does not say.
        value: the whole card.
    """

    format: str
    columns: tuple[str, ...]
    protected: tuple[str, ...]
    categories: Mapping[str, tuple[str, ...]]
    task: Task
    device: str
    precision: str
    rows_per_batch: int
    value: Mapping[str, Any]

    @classmethod
    def read(cls, data: bytes) -> Card:
        """Read ``model.json``.

        Raises:
            InvalidRequestError: it is not a card, or names an unknown format.
        """
        value = parse_json(data)
        try:
            columns = tuple(str(name) for name in value["inputs"][0]["columns"])
            protected = tuple(str(name) for name in value.get("protected_inputs", ()))
            lists = value.get("categories", {}).items()
            categories = {str(name): tuple(map(str, values)) for name, values in lists}
            named = str(value.get("format", "onnx"))
        except (KeyError, TypeError, IndexError, AttributeError):
            raise InvalidRequestError(
                "model.json needs `inputs` with the `columns` of the first, in the model's order"
            ) from None
        if named not in FORMATS:
            raise InvalidRequestError(
                f"the format {named!r} is not known; there are {', '.join(sorted(FORMATS))}"
            )
        if not 0 < len(columns) <= COLUMNS_MAX:
            raise InvalidRequestError(f"a candidate has 1 to {COLUMNS_MAX} columns")
        for name in protected:
            if name not in categories:
                raise InvalidRequestError(f"model.json names no `categories` for {name}")
        device = str(value.get("device", ""))
        if device not in ("", "cpu", "cuda"):
            raise InvalidRequestError(f"the card's `device` is cpu or cuda, not {device!r}")
        rows, task = value.get("rows_per_batch", 0), Task.read(value)
        if type(rows) is not int or not 0 <= rows <= ROWS_PER_BATCH_MAX:
            raise InvalidRequestError(f"`rows_per_batch` is 1 to {ROWS_PER_BATCH_MAX}")
        precision = str(value.get("precision", PRECISIONS[0]))
        if precision not in (PRECISIONS if named in _ROUNDED else PRECISIONS[:1]):
            raise InvalidRequestError(
                f"the card's `precision` is float32, or bfloat16 in the formats "
                f"{' and '.join(_ROUNDED)}; not {precision!r} in {named}"
            )
        return cls(named, columns, protected, categories, task, device, precision, rows, value)

    def codes(self, protected: Mapping[str, Any], count: int) -> dict[str, np.ndarray]:
        """Return protected attributes as codes, int64 [n] each.

        Raises:
            InvalidRequestError: one is missing, or a category is not in the card.
        """
        found = {}
        for name in self.protected:
            values = [str(value) for value in protected.get(name, ())]
            if len(values) != count:
                raise InvalidRequestError(f"the candidate must be given {name} for every row")
            places = {value: place for place, value in enumerate(self.categories[name])}
            unknown = sorted(set(values) - set(places))
            if unknown:
                raise InvalidRequestError(f"{name} {unknown[0]!r} is not in the candidate's card")
            found[name] = np.array([places[value] for value in values], np.int64)
        return found
