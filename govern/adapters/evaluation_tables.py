"""Evaluation tables from CSV files: inputs, labels, sensitive features by subject id."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from govern.checks import profiling
from govern.checks.counts import UNKNOWN
from govern.checks.side_table import joined
from govern.errors import InvalidRequestError

TABLE_BYTES_MAX = 2 << 30
ROWS_MAX = 5_000_000
BACKGROUND_ROWS = 400
SEED = 0


@dataclass(frozen=True, slots=True)
class Roles:
    """What each column of the tables is.

    Args:
        label: the recorded outcome.
        subject: the subject id; None where there is none.
        groups: sensitive columns of the test table itself.
        leaking: columns known only afterwards.
        strata: columns inside which groups are compared again.
        sentinels: column to the value that means missing.
    """

    label: str
    subject: str | None = None
    groups: tuple[str, ...] = ()
    leaking: tuple[str, ...] = ()
    strata: tuple[str, ...] = ()
    sentinels: Mapping[str, float] | None = None


def prepared(
    test: Path, sensitive: Path | None, roles: Roles, parts: Mapping[str, Path] | None = None
) -> dict[str, Any]:
    """Return the tables that ``check_data.store_evaluation`` stores.

    Args:
        test: CSV with one row a case.
        sensitive: CSV of sensitive features by subject id, or None.
        roles: what each column is.
        parts: CSVs of further tables with the same columns: train, validation, recent.

    Raises:
        InvalidRequestError: a column is missing or no number, or nothing is sensitive.
    """
    table = _read(test)
    _require(table, roles, test)
    features, sentinels = _inputs(table, roles)
    people = _sensitive(table, sensitive, roles, [str(name) for name in features.columns])
    size = min(BACKGROUND_ROWS, len(features))
    profile = profiling.profile(
        features, table[roles.label], people, sentinels=sentinels, leaking=roles.leaking
    )
    return {
        "features": features,
        "labels": table[roles.label].to_numpy(),
        "sensitive": people,
        "background": features.sample(size, random_state=SEED),
        "profile": profile,
        "strata": table[list(roles.strata)].astype(str) if roles.strata else None,
        "subjects": table[roles.subject].astype(str) if roles.subject else None,
        "parts": {name: _part(path, roles) for name, path in (parts or {}).items()},
    }


def _part(path: Path, roles: Roles) -> dict[str, pd.DataFrame | pd.Series]:
    """Return inputs, and labels and subjects where their columns are there."""
    table = _read(path)
    found: dict[str, pd.DataFrame | pd.Series] = {"features": _inputs(table, roles)[0]}
    if roles.label in table:
        found["labels"] = table[roles.label]
    if roles.subject in table:
        found["subjects"] = table[roles.subject].astype(str)
    return found


def _read(path: Path) -> pd.DataFrame:
    try:
        if path.stat().st_size > TABLE_BYTES_MAX:
            raise InvalidRequestError(f"{path} is larger than {TABLE_BYTES_MAX} bytes")
        table = pd.read_csv(path, nrows=ROWS_MAX + 1)
    except FileNotFoundError:
        raise InvalidRequestError(f"{path} is missing") from None
    except (ValueError, OSError) as error:
        raise InvalidRequestError(f"{path} is no CSV table: {str(error)[:160]}") from None
    if len(table) > ROWS_MAX:
        raise InvalidRequestError(
            f"{path} has more than {ROWS_MAX} rows; draw a sample of that size at random: the "
            "intervals are narrow by then"
        )
    if table.empty:
        raise InvalidRequestError(f"{path} has no rows")
    return table


def _require(table: pd.DataFrame, roles: Roles, path: Path) -> None:
    named = [roles.label, roles.subject, *roles.groups, *roles.strata, *(roles.sentinels or {})]
    for name in named:
        if name is not None and name not in table:
            raise InvalidRequestError(f"{path} has no column {name!r}")
    if table[roles.label].isna().any():
        raise InvalidRequestError(f"{path} has rows without a {roles.label}")


def _inputs(table: pd.DataFrame, roles: Roles) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    """Return the inputs as numbers, and which sentinels became missing."""
    aside = {roles.label, roles.subject, *roles.groups, *roles.leaking}
    features = table[[name for name in table.columns if name not in aside]]
    strange = [name for name in features if not pd.api.types.is_numeric_dtype(features[name])]
    texts = [name for name in strange if name in roles.strata]
    features = features.drop(columns=texts)
    if set(strange) - set(texts):
        first = next(name for name in strange if name not in texts)
        raise InvalidRequestError(
            f"{first} is no number; encode it as the model takes it, or say what it is "
            "(--group, --leaking, --stratum)"
        )
    features, found = features.astype(float), []
    for name, value in (roles.sentinels or {}).items():
        if name not in features:
            continue
        hits = features[name] == value
        features[name] = features[name].mask(hits)
        found.append({"column": name, "value": value, "count": int(hits.sum())})
    return features, found


def _sensitive(
    table: pd.DataFrame, side: Path | None, roles: Roles, inputs: list[str]
) -> pd.DataFrame:
    own = table[list(roles.groups)].astype(object)
    found = own.where(own.notna(), UNKNOWN).astype(str)
    if side is not None:
        if roles.subject is None:
            raise InvalidRequestError("a table of sensitive features needs --subject")
        people = _read(side)
        if roles.subject not in people:
            raise InvalidRequestError(f"{side} has no column {roles.subject!r}")
        more = joined(table[roles.subject], people.set_index(roles.subject), inputs)
        found = pd.concat([found, more], axis=1)
    if found.shape[1] == 0:
        raise InvalidRequestError(
            "no sensitive feature is named; give --group, or --sensitive and --subject"
        )
    return found
