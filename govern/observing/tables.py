"""Fingerprint tables by streaming: bytes, schema, counts, missing values, groups, a profile.

CSV and Parquet files are read with pyarrow a batch at a time; memory does not grow with the
data. The digest of a file is over its bytes. A value in memory (NumPy array, pandas frame) has
a digest of its own: SHA-256 over its canonical header (column names, types, shape) and then
each column's bytes, so that the same values give the same digest in another process.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from govern.errors import InvalidRequestError, MissingPartError
from govern.transparency.canonical import canonical_json

BATCH_ROWS = 1 << 16
GROUP_VALUES_MAX = 1_000
COLUMNS_MAX = 10_000
TABLES = (".csv", ".parquet", ".arrow")  # .arrow: a Hugging Face data set on disk


def profile_files(paths: Sequence[Path], groups: Sequence[str] = ()) -> dict[str, Any]:
    """Profile the tables among files as one data set.

    Args:
        paths: files; those that are no tables (``TABLES``) are counted and left unread.
        groups: columns whose values are counted.

    Returns:
        ``rows``, ``columns`` (type, missing, for numbers least, greatest and mean) and
        ``groups`` (value to count).

    Raises:
        MissingPartError: pyarrow is not installed.
        InvalidRequestError: a file is no table, tables differ in columns, or a group's column
            is missing or has too many values.
    """
    tables = [path for path in paths if path.suffix in TABLES]
    other = len(paths) - len(tables)
    profile: dict[str, Any] = {"files": len(paths)} | ({"unprofiled": other} if other else {})
    return profile | (_Profile(groups).add_all(tables) if tables else {})


def batches(path: Path) -> Iterator[Any]:
    """Yield a table's record batches.

    Raises:
        MissingPartError, InvalidRequestError: see ``profile_files``.
    """
    arrow = _arrow()
    try:
        if path.suffix == ".parquet":
            with arrow.parquet.ParquetFile(path) as file:
                yield from file.iter_batches(BATCH_ROWS)
        elif path.suffix == ".arrow":
            with arrow.OSFile(str(path)) as file:
                yield from arrow.ipc.open_stream(file)
        else:
            yield from arrow.csv.open_csv(path)
    except arrow.ArrowException as error:
        said = str(error).splitlines()[0][:160]
        raise InvalidRequestError(f"{path.name} cannot be read as a table: {said}") from None


def _arrow() -> Any:
    try:
        for part in ("compute", "csv", "ipc", "parquet"):
            import_module(f"pyarrow.{part}")
        return import_module("pyarrow")
    except ModuleNotFoundError:
        raise MissingPartError(
            "tables are profiled with pyarrow, which is not here; pip install 'govern[tables]'"
        ) from None


class _Profile:
    """Adds up batches of equal columns."""

    def __init__(self, groups: Sequence[str]) -> None:
        self._groups: dict[str, dict[str, int]] = {name: {} for name in groups}
        self._columns: dict[str, dict[str, Any]] = {}
        self._rows = 0

    def add_all(self, paths: Sequence[Path]) -> dict[str, Any]:
        for path in paths:
            for batch in batches(path):
                self._add(batch, path.name)
        return self._finished()

    def _add(self, batch: Any, name: str) -> None:
        if not self._columns:
            self._begin(batch.schema, name)
        found = {field.name: str(field.type) for field in batch.schema}
        if found.keys() != self._columns.keys():
            odd = sorted(found.keys() ^ self._columns.keys())[0]
            raise InvalidRequestError(
                f"{name} has other columns than the files before: {odd!r:.80}"
            )
        self._rows += batch.num_rows
        for column, values in zip(batch.schema.names, batch.columns, strict=True):
            _add_column(self._columns[column], values)
        for column, counts in self._groups.items():
            _count(counts, batch.column(column), column)

    def _begin(self, schema: Any, name: str) -> None:
        if not 0 < len(schema.names) <= COLUMNS_MAX or len(set(schema.names)) < len(schema.names):
            raise InvalidRequestError(
                f"{name} needs 1 to {COLUMNS_MAX} columns with different names"
            )
        for field in schema:
            self._columns[field.name] = {"type": str(field.type), "missing": 0}
        lacking = sorted(self._groups.keys() - self._columns.keys())
        if lacking:
            raise InvalidRequestError(f"{name} has no column {lacking[0]!r:.80} to count groups by")

    def _finished(self) -> dict[str, Any]:
        for column in self._columns.values():
            total, count = column.pop("_sum", None), column.pop("_count", 0)
            if count:
                column["mean"] = total / count
        found: dict[str, Any] = {"rows": self._rows, "columns": self._columns}
        return found | ({"groups": self._groups} if self._groups else {})


def _add_column(column: dict[str, Any], values: Any) -> None:
    arrow = _arrow()
    column["missing"] += values.null_count
    kind = values.type
    if not (arrow.types.is_integer(kind) or arrow.types.is_floating(kind)):
        return
    compute = arrow.compute
    if arrow.types.is_floating(kind):
        holes = compute.is_nan(values)
        if holes.true_count:
            column["missing"] += holes.true_count
            values = values.filter(compute.invert(holes))
    count = len(values) - values.null_count
    if not count:
        return
    ends = compute.min_max(values).as_py()
    column["least"] = plain(min(ends["min"], column.get("least", ends["min"])))
    column["greatest"] = plain(max(ends["max"], column.get("greatest", ends["max"])))
    whole = compute.sum(values.cast("float64", safe=False)).as_py()
    column["_sum"] = column.get("_sum", 0.0) + whole
    column["_count"] = column.get("_count", 0) + count


def _count(counts: dict[str, int], values: Any, column: str) -> None:
    for row in values.value_counts().to_pylist():
        value = "" if row["values"] is None else str(row["values"])
        counts[value] = counts.get(value, 0) + row["counts"]
    if len(counts) > GROUP_VALUES_MAX:
        raise InvalidRequestError(
            f"{column!r:.80} has more than {GROUP_VALUES_MAX} values; it is no group"
        )


def value_digest(value: Any) -> tuple[str, dict[str, Any]]:
    """Return digest and shape of an array, a frame or a series in memory.

    Raises:
        InvalidRequestError: it is none of these.
    """
    columns = list(_columns_of(value))
    header = [
        {"name": name, "type": array.dtype.newbyteorder("<").str, "shape": list(array.shape)}
        for name, array in columns
    ]
    engine = hashlib.sha256(b"govern table v1\n" + canonical_json(header) + b"\n")
    for _, array in columns:
        for piece in _pieces(array):
            engine.update(piece)
    shape = [int(size) for size in value.shape]
    profile = {"shape": shape, "columns": [name for name, _ in columns]}
    return "sha256:" + engine.hexdigest(), profile


def _columns_of(value: Any) -> Iterable[tuple[str, Any]]:
    import numpy as np

    if isinstance(value, np.ndarray):
        return [("", value)]
    if hasattr(value, "to_numpy"):
        if hasattr(value, "columns"):
            return [(str(name), value[name].to_numpy()) for name in value.columns]
        return [(str(value.name or ""), value.to_numpy())]
    if hasattr(value, "detach"):
        return [("", value.detach().cpu().numpy())]
    raise InvalidRequestError(
        f"give a file, a NumPy array, a pandas table or a tensor, not {type(value).__name__}"
    )


def _pieces(array: Any) -> Iterator[bytes]:
    """Yield an array's bytes in C order, little-endian, some rows at a time; objects as JSON."""
    rows = max(1, BATCH_ROWS // max(1, math.prod(array.shape[1:])))
    for start in range(0, len(array) if array.ndim else 1, rows):
        part = array[start : start + rows] if array.ndim else array
        if part.dtype.kind in "OUST":
            yield "".join(json.dumps(str(item)) + "\n" for item in part.ravel()).encode()
        else:
            yield part.astype(part.dtype.newbyteorder("<"), copy=False).tobytes()


def plain(value: Any) -> Any:
    """Return a value as JSON can say it: NumPy scalars as numbers, what is not finite as text."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    return _number(value)


def _number(value: Any) -> Any:
    found = value.item() if hasattr(value, "item") and getattr(value, "size", 2) == 1 else value
    if isinstance(found, bool):
        return found
    if isinstance(found, int):
        return found if abs(found) < 1 << 53 else str(found)
    if isinstance(found, float):
        return found if math.isfinite(found) else str(found)
    return _words(found)


def _words(value: Any) -> str:
    """Name anything else without its address in memory, which would differ at each run."""
    text = getattr(value, "__qualname__", None) or str(value)
    return text.partition(" at 0x")[0][:500]
