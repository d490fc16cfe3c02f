"""What became known of answers after they were given, as callers report it, one file a deployment.

A line is one JSON object: ``log`` (a gate's name, may be left out where there is one), ``index``,
``row``, ``outcome`` (1, 0 or null), ``groups``, ``sender``, ``received_at``. Lines are appended
durably; a later line about the same row replaces an earlier one. A line that a crash cut short was
never acknowledged and is left out. Groups are personal data: the folder is the owner's alone, and
whoever must be forgotten is taken out of the file; no statement names a row.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from govern.adapters.files import locked, sync_folder
from govern.errors import InvalidRequestError, StorageError
from govern.services.monitoring import Fact, Place

ROWS_MAX = 10_000
FILE_BYTES_MAX = 512 << 20
TAIL_BYTES = 64 << 20
GROUPS_MAX = 16
NAME_CHARS_MAX = 120
_FIELDS = {"log", "index", "row", "outcome", "groups"}
_DEPLOYMENT = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")
_NUMBER_MAX = 10**15


class OutcomesStore:
    """The outcomes of one home."""

    def __init__(self, home: Path) -> None:
        self._folder = home / "outcomes"

    def add(self, deployment: str, rows: Sequence[Any], *, sender: str, received_at: str) -> int:
        """Append rows, all or none; they are durable once this returns.

        Args:
            deployment: its name.
            rows: objects as the module says, without sender and time.
            sender: who reports them.
            received_at: when.

        Returns:
            how many there were.

        Raises:
            InvalidRequestError: the name or a row is none; the sentence names the row.
            StorageError: the file is full or the disk refused.
        """
        path = self._path(deployment)
        if not 0 < len(rows) <= ROWS_MAX:
            raise InvalidRequestError(f"send 1 to {ROWS_MAX} rows")
        more = {"sender": sender, "received_at": received_at}
        lines = [orjson.dumps(_checked(row, place) | more) for place, row in enumerate(rows)]
        self._append(path, b"".join(line + b"\n" for line in lines))
        return len(lines)

    def read(self, deployment: str, origins: Mapping[str, str]) -> dict[Place, Fact]:
        """Return what is known of each row; rows of gates that are not here are left out.

        Args:
            deployment: its name.
            origins: a gate's name to its log's origin.
        """
        try:
            data = self._path(deployment).read_bytes()
        except FileNotFoundError:
            return {}
        only = next(iter(origins)) if len(origins) == 1 else ""
        facts: dict[Place, Fact] = {}
        for line in data.split(b"\n")[:-1]:
            row = orjson.loads(line)
            origin = origins.get(row["log"] or only)
            if origin is not None:
                facts[origin, row["index"], row["row"]] = Fact(row["outcome"], row["groups"])
        return facts

    def _path(self, deployment: str) -> Path:
        if not _DEPLOYMENT.fullmatch(deployment):
            raise InvalidRequestError(f"{deployment[:80]!r} is no deployment's name")
        return self._folder / f"{deployment}.jsonl"

    def _append(self, path: Path, data: bytes) -> None:
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            with locked(self._folder / "lock"), path.open("a+b") as file:
                start = _whole_lines(file)
                if start + len(data) > FILE_BYTES_MAX:
                    raise StorageError(f"{path.name} has reached its {FILE_BYTES_MAX} bytes")
                _write(file.fileno(), data, start)
            sync_folder(self._folder)
        except OSError as error:
            raise StorageError(f"outcomes were not kept: {error.strerror}") from None


def _whole_lines(file: BinaryIO) -> int:
    """Cut off a last line that a crash left unfinished; return the size of the rest."""
    size = file.seek(0, os.SEEK_END)
    low = file.seek(max(0, size - TAIL_BYTES))
    tail = file.read()
    end = low + tail.rfind(b"\n") + 1
    if end < size:
        os.ftruncate(file.fileno(), end)
    return end


def _write(descriptor: int, data: bytes, start: int) -> None:
    """Write all and make it durable; what the disk cut short is taken back."""
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    except OSError:
        os.ftruncate(descriptor, start)
        raise


def _checked(row: Any, place: int) -> dict[str, Any]:
    """Return a row with every field.

    Raises:
        InvalidRequestError: it is none.
    """
    if not isinstance(row, dict) or set(row) - _FIELDS or "index" not in row:
        raise InvalidRequestError(
            f"row {place}: an object with `index`, and at will log, row, outcome, groups"
        )
    index, inner, log = row["index"], row.get("row", 0), row.get("log", "")
    if any(type(number) is not int or not 0 <= number < _NUMBER_MAX for number in (index, inner)):
        raise InvalidRequestError(f"row {place}: `index` and `row` are whole numbers from 0")
    outcome = row.get("outcome")
    if outcome is not None and (type(outcome) is not int or outcome not in (0, 1)):
        raise InvalidRequestError(f"row {place}: `outcome` is 1, 0 or null")
    if not isinstance(log, str) or len(log) > NAME_CHARS_MAX:
        raise InvalidRequestError(f"row {place}: `log` is a gate's name")
    groups = _groups(row.get("groups", {}), place)
    return {"log": log, "index": index, "row": inner, "outcome": outcome, "groups": groups}


def _groups(value: Any, place: int) -> dict[str, str]:
    well = isinstance(value, dict) and len(value) <= GROUPS_MAX
    texts = [*value, *value.values()] if well else [None]
    if not all(isinstance(text, str) and 0 < len(text) <= NAME_CHARS_MAX for text in texts):
        raise InvalidRequestError(
            f"row {place}: `groups` has at most {GROUPS_MAX} attributes, each with a group's name"
        )
    return dict(value)
