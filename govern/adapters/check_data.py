"""Evaluation tables as blobs, so that any worker can run any check from digests alone."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from govern.adapters.blobs_files import BlobFiles
from govern.checks.registry import CheckData
from govern.transparency.canonical import canonical_json, parse_json

_TABLES = ("features", "labels", "sensitive", "background", "strata")


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
) -> str:
    """Store what checks need to look at a candidate; return one digest for all of it."""
    value = {
        **({} if strata is None else {"strata": blobs.put(_csv(strata))}),
        "features": blobs.put(_csv(features)),
        "labels": blobs.put(_csv(pd.DataFrame({"label": labels}, index=features.index))),
        "sensitive": blobs.put(_csv(sensitive)),
        "background": blobs.put(_csv(background)),
        "profile": dict(profile),
        "directions": dict(directions),
        "positive": positive,
    }
    return blobs.put(canonical_json(value))


def load_evaluation(blobs: BlobFiles, digest: str, candidate: str) -> CheckData:
    """Load an evaluation for one candidate; every table is checked against its digest."""
    value = parse_json(blobs.get(digest))
    tables = {name: value[name] for name in _TABLES if name in value}
    frames = {name: _frame(blobs.get(stored)) for name, stored in tables.items()}
    return CheckData(
        features=frames["features"],
        labels=frames["labels"]["label"].to_numpy().astype(np.int64),
        sensitive=frames["sensitive"],
        background=frames["background"].to_numpy(dtype=float),
        profile=value["profile"],
        digests={f"evaluation {name}": stored for name, stored in tables.items()},
        candidate=candidate,
        positive=value["positive"],
        directions=value["directions"],
        strata=frames.get("strata"),
    )


def _csv(table: pd.DataFrame) -> bytes:
    return str(table.to_csv(index_label="row", lineterminator="\n")).encode()


def _frame(data: bytes) -> pd.DataFrame:
    return pd.read_csv(io.BytesIO(data), index_col="row", float_precision="round_trip")
