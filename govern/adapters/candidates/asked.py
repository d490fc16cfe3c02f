"""What a caller asked and was answered, as rows and answers: ``remote.py`` read backwards.

Bodies come from a gate's records: they were answered once, so what cannot be read here was
asked in a form that only the upstream knows, and is said to be so rather than guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import orjson

from govern.adapters.candidates.card import Card
from govern.adapters.candidates.remote import Server, read_pair
from govern.adapters.candidates.scores import answer
from govern.checks.replaying import Exchange
from govern.errors import InvalidRequestError

_PROTOCOLS = {
    "/v2/models/": "v2",
    "/v1/models/": "v1",
    "/endpoints/": "invocations",
    "/invocations/": "invocations",
    "/predict/": "json",
}
"""How paths at the gate begin, and what a card's ``server`` calls that protocol."""


def read_exchange(path: str, card: Card, request: bytes, response: bytes) -> Exchange:
    """Read one exchange.

    Args:
        path: the path asked for at the gate, which tells the protocol.
        card: the card of the model that answered.
        request: the body as the caller sent it.
        response: the body as the caller got it.

    Raises:
        InvalidRequestError: they do not hold rows of this candidate and answers to them.
    """
    protocol = next((name for head, name in _PROTOCOLS.items() if path.startswith(head)), None)
    if protocol is None:
        raise InvalidRequestError(f"requests to {path[:80]!r} cannot be read as rows")
    server = Server(protocol, "", "", 1, card.value.get("server", {}).get("mapping", {}))
    try:
        columns = _COLUMNS[protocol](server, card, orjson.loads(request))
        labels, scores = read_pair(server, orjson.loads(response))
        if labels is None:
            labels, scores = answer(scores, card.value)
        return _exchange(card, columns, np.asarray(labels), np.asarray(scores, float))
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        raise InvalidRequestError(
            f"the bodies are not rows of this candidate and answers to them in {protocol}"
        ) from None


def _exchange(card: Card, columns: np.ndarray, labels: np.ndarray, scores: np.ndarray) -> Exchange:
    features, count = len(card.columns), len(columns)
    if columns.shape != (count, features + len(card.protected)):
        raise ValueError("another number of columns")
    if labels.shape != (count,) or scores.shape != (count,):
        raise ValueError("another number of answers")
    names = {
        name: _categories(card.categories[name], columns[:, features + place])
        for place, name in enumerate(card.protected)
    }
    return Exchange(columns[:, :features], names, labels.astype(np.int64), scores)


def _categories(names: Sequence[str], codes: np.ndarray) -> list[str]:
    found = codes.astype(np.int64)
    if found.min(initial=0) < 0:
        raise ValueError("a category has no name")
    return [names[code] for code in found]


def _v2(server: Server, card: Card, value: Any) -> np.ndarray:
    found = {
        item["name"]: _numbers(item["data"]).reshape(item["shape"]) for item in value["inputs"]
    }
    if not card.protected:
        return found["x"]
    return np.column_stack([found["x"], *(found[name] for name in card.protected)])


def _v1(server: Server, card: Card, value: Any) -> np.ndarray:
    return _numbers(value["instances"])


def _invocations(server: Server, card: Card, value: Any) -> np.ndarray:
    split, names = value["dataframe_split"], [*card.columns, *card.protected]
    data = _numbers(split["data"])
    return data[:, [split["columns"].index(name) for name in names]]


def _mapped(server: Server, card: Card, value: Any) -> np.ndarray:
    key = server.mapping.get("rows")
    rows, names = (value if key is None else value[key]), [*card.columns, *card.protected]
    if server.mapping.get("row") == "object":
        rows = [[row[name] for name in names] for row in rows]
    return _numbers(rows)


def _numbers(data: Any) -> np.ndarray:
    """Return numbers as float64; null is a missing one."""
    return np.array(data, dtype=object).astype(float)


_COLUMNS: dict[str, Callable[[Server, Card, Any], np.ndarray]] = {
    "v2": _v2,
    "v1": _v1,
    "invocations": _invocations,
    "json": _mapped,
}
