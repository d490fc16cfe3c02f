"""Outcomes that came to be known later: a CSV file, one row for each row that was answered.

Columns: ``log`` (a gate's name; may be left out where there is one), ``index`` (the record's,
as its receipt says), ``row`` (from 0 within the request; may be left out), ``outcome`` (1, 0 or
empty), and any further column is an attribute whose values are group names.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from govern.adapters.outcomes_store import GROUPS_MAX, NAME_CHARS_MAX
from govern.errors import InvalidRequestError
from govern.services.monitoring import Fact, Place

BYTES_MAX = 256 << 20
ROWS_MAX = 2_000_000
_OWN = ("log", "index", "row", "outcome")
_OUTCOMES = {"1": 1, "0": 0, "": None}


def read_outcomes(path: Path, origins: Mapping[str, str]) -> dict[Place, Fact]:
    """Read a file of outcomes; return what it says of each row.

    Args:
        path: the file.
        origins: a gate's name to its log's origin.

    Raises:
        InvalidRequestError: it is no such file; the sentence names the line.
    """
    data = _bytes(path)
    try:
        rows = csv.DictReader(io.StringIO(data.decode("utf-8"), newline=""), strict=True)
        names = [name for name in rows.fieldnames or () if name not in _OWN]
        _require_columns(rows.fieldnames or (), names, path.name)
        facts: dict[Place, Fact] = {}
        for row in rows:
            where = f"{path.name}, line {rows.line_num}"
            place = _place(row, origins, where)
            if place in facts:
                raise InvalidRequestError(f"{where}: that row has an outcome already")
            if len(facts) == ROWS_MAX:
                raise InvalidRequestError(f"{path.name} has more than {ROWS_MAX} rows")
            facts[place] = _fact(row, names, where)
    except (csv.Error, UnicodeDecodeError) as error:
        raise InvalidRequestError(f"{path.name} is not a CSV file in UTF-8: {error}") from None
    return facts


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(BYTES_MAX + 1)
    except OSError as error:
        raise InvalidRequestError(f"cannot read {path.name}: {error.strerror}") from None
    if len(data) > BYTES_MAX:
        raise InvalidRequestError(f"{path.name} is over the limit of {BYTES_MAX} bytes")
    return data


def _require_columns(found: Sequence[str], names: list[str], where: str) -> None:
    if "index" not in found:
        raise InvalidRequestError(
            f"{where} needs a column `index`: the record's, as its receipt says"
        )
    if len(names) > GROUPS_MAX or any(not name or len(name) > NAME_CHARS_MAX for name in names):
        raise InvalidRequestError(
            f"{where} has at most {GROUPS_MAX} further columns, with names up to {NAME_CHARS_MAX}"
        )


def _place(row: Mapping[str, str | None], origins: Mapping[str, str], where: str) -> Place:
    log = row.get("log") or (next(iter(origins)) if len(origins) == 1 else "")
    if log not in origins:
        raise InvalidRequestError(f"{where}: `log` is one of {', '.join(sorted(origins))}")
    numbers = [row.get("index") or "", row.get("row") or "0"]
    if not all(number.isascii() and number.isdigit() and len(number) < 16 for number in numbers):
        raise InvalidRequestError(f"{where}: `index` and `row` are whole numbers from 0")
    return origins[log], int(numbers[0]), int(numbers[1])


def _fact(row: Mapping[str, str | None], names: list[str], where: str) -> Fact:
    told = (row.get("outcome") or "").strip()
    if told not in _OUTCOMES:
        raise InvalidRequestError(f"{where}: `outcome` is 1, 0 or empty, not {told[:20]!r}")
    groups = {name: (row.get(name) or "").strip()[:NAME_CHARS_MAX] for name in names}
    return Fact(_OUTCOMES[told], {name: value for name, value in groups.items() if value})
