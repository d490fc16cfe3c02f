"""Evaluation tables as blobs, so that any worker can run any check from digests alone."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from govern.adapters.blobs_files import BlobFiles
from govern.checks.registry import CheckData
from govern.checks.splits import Part
from govern.checks.tasks import BINARY, Task
from govern.errors import InvalidRequestError
from govern.transparency.canonical import canonical_json, parse_json

_TABLES = ("features", "labels", "sensitive", "background", "strata", "subjects")
PARTS = ("train", "validation", "recent")


def store_evaluation(
    blobs: BlobFiles,
    *,
    features: pd.DataFrame,
    labels: np.ndarray,
    sensitive: pd.DataFrame,
    background: pd.DataFrame,
    profile: Mapping[str, Any],
    directions: Mapping[str, str],
    positive: str,
    strata: pd.DataFrame | None = None,
    subjects: pd.Series | None = None,
    parts: Mapping[str, Mapping[str, pd.DataFrame | pd.Series]] | None = None,
) -> str:
    """Store what checks need to look at a candidate; return one digest for all of it.

    Args:
        parts: for each of ``PARTS`` that is given its ``features``, ``labels``, ``subjects``.
    """
    value = {
        **({} if strata is None else {"strata": blobs.put(_csv(strata))}),
        **({} if subjects is None else {"subjects": blobs.put(_csv(_named(subjects)))}),
        **{
            name: {kind: blobs.put(_csv(_named(table))) for kind, table in tables.items()}
            for name, tables in (parts or {}).items()
        },
        "features": blobs.put(_csv(features)),
        "labels": blobs.put(_csv(pd.DataFrame({"label": labels}, index=features.index))),
        "sensitive": blobs.put(_csv(sensitive)),
        "background": blobs.put(_csv(background)),
        "profile": dict(profile),
        "directions": dict(directions),
        "positive": positive,
    }
    return blobs.put(canonical_json(value))


def load_evaluation(
    blobs: BlobFiles, digest: str, candidate: str, task: Task = BINARY, columns: Sequence[str] = ()
) -> CheckData:
    """Load an evaluation for one candidate; every table is checked against its digest.

    Args:
        blobs: where it lies.
        digest: of the evaluation.
        candidate: the candidate's digest.
        task: what the candidate answers; labels are read so.
        columns: the model's inputs in its order; as stored where none is named.

    Raises:
        InvalidRequestError: the labels are not those of the task, or an input is missing.
    """
    value = parse_json(blobs.get(digest))
    tables = {name: value[name] for name in _TABLES if name in value}
    frames = {name: _frame(blobs.get(stored)) for name, stored in tables.items()}
    named = {name: value[name] for name in PARTS if name in value}
    digests = {
        f"evaluation {name} {kind}": stored
        for name, kinds in named.items()
        for kind, stored in kinds.items()
    }
    return CheckData(
        features=_ordered(frames["features"], columns),
        labels=read_labels(frames["labels"]["label"], task),
        sensitive=frames["sensitive"],
        background=_ordered(frames["background"], columns).to_numpy(dtype=float),
        profile=value["profile"],
        digests={f"evaluation {name}": stored for name, stored in tables.items()} | digests,
        candidate=candidate,
        positive=value["positive"],
        directions=value["directions"],
        strata=frames.get("strata"),
        task=task,
        subjects=_subjects(frames.get("subjects")),
        parts={name: _part(blobs, stored, task, columns) for name, stored in named.items()},
    )


def _part(blobs: BlobFiles, stored: Mapping[str, str], task: Task, columns: Sequence[str]) -> Part:
    tables = {kind: _frame(blobs.get(digest)) for kind, digest in stored.items()}
    labels = tables.get("labels")
    return Part(
        _ordered(tables["features"], columns),
        None if labels is None else read_labels(labels.iloc[:, 0], task),
        _subjects(tables.get("subjects")),
    )


def _subjects(table: pd.DataFrame | None) -> pd.Series | None:
    return None if table is None else table.iloc[:, 0].astype(str)


def _named(table: pd.DataFrame | pd.Series) -> pd.DataFrame:
    return table.to_frame("value") if isinstance(table, pd.Series) else table


def _ordered(table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Return the model's inputs in its order; the table's own order proves nothing."""
    lacking = [name for name in columns if name not in table]
    if lacking:
        raise InvalidRequestError(
            f"the evaluation has no column {lacking[0]!r}, which the candidate's card names"
        )
    return table[list(columns)] if columns else table


def read_labels(column: pd.Series, task: Task) -> np.ndarray:
    """Return labels as checks read them: 0 and 1, places of classes, or numbers.

    Raises:
        InvalidRequestError: one is none of these.
    """
    if task.classes:
        places = {name: place for place, name in enumerate(task.classes)}
        found = column.astype(str).map(places)
        if found.isna().any():
            other = column[found.isna()].iloc[0]
            raise InvalidRequestError(
                f"the label {str(other)!r} is none of the card's classes {', '.join(task.classes)[:200]}"
            )
        return np.asarray(found, np.int64)
    numbers = np.asarray(pd.to_numeric(column, errors="coerce"), float)
    usual = np.isfinite(numbers) if task.is_number else np.isin(numbers, (0, 1))
    if not usual.all():
        what = "a number" if task.is_number else "0 or 1"
        raise InvalidRequestError(
            f"the label {str(column[~usual].iloc[0])!r} is not {what}; the card's task is {task.kind}"
        )
    return numbers if task.is_number else numbers.astype(np.int64)


def _csv(table: pd.DataFrame) -> bytes:
    return str(table.to_csv(index_label="row", lineterminator="\n")).encode()


def _frame(data: bytes) -> pd.DataFrame:
    return pd.read_csv(io.BytesIO(data), index_col="row")
