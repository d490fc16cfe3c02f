"""Sensitive features from a table of their own, joined by subject id.

They never enter the model's inputs: the join happens beside the features, row by row, and a
feature of the same name is refused. Who is missing from the side table is ``unknown``, counted
and never guessed.
"""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd

from govern.checks.counts import UNKNOWN
from govern.errors import InvalidRequestError


def joined(subjects: pd.Series, side: pd.DataFrame, features: Collection[str]) -> pd.DataFrame:
    """Return sensitive features by row, text, ``unknown`` where nobody knows.

    Args:
        subjects: subject id of each row [n].
        side: sensitive features, indexed by subject id.
        features: names of the model's inputs.

    Raises:
        InvalidRequestError: an id stands twice in the side table, nobody of the rows is in it,
            or a sensitive feature is among the inputs.
    """
    inside = sorted({str(name) for name in side.columns} & set(features))
    if inside:
        raise InvalidRequestError(
            f"{inside[0]} is a sensitive feature and among the model's inputs; leave it out of "
            "the features, or declare it in the card's `protected_inputs`"
        )
    names, ids = subjects.astype(str), side.index.astype(str)
    twice = ids[ids.duplicated()]
    if len(twice):
        raise InvalidRequestError(f"the subject {twice[0]!r} stands twice in the side table")
    if len(names) and not names.isin(ids).any():
        raise InvalidRequestError(
            "no subject of the test table is in the side table; are these the same ids?"
        )
    found = side.set_axis(ids).reindex(names.to_numpy())
    text = found.astype(object).where(found.notna(), UNKNOWN).astype(str)
    return text.set_axis(subjects.index)
