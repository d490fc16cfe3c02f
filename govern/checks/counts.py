"""Confusion counts per group: small tables that add up over shards, and figures of them.

A table is int64 ``[groups, 4]`` with the columns true negative, false positive, false
negative, true positive. Every rate is a share of two sums of its columns, so a shard of
the rows needs to send nothing else. Drawing whole tables from the multinomial distribution
over their cells is the same as drawing rows with replacement (Efron and Tibshirani, 1993,
section 6.3 for counts), without touching a row.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from govern.errors import InvalidRequestError

UNKNOWN = "unknown"
GROUPS_MAX = 1000  # groups of one feature or intersection
TN, FP, FN, TP = range(4)


@dataclass(frozen=True, slots=True)
class Rate:
    """A share of two sums of a table's columns: ``part / whole``."""

    name: str
    part: tuple[int, ...]
    whole: tuple[int, ...]

    def counts(self, table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return part and whole of tables ``[..., groups, 4]`` as float ``[..., groups]``."""
        return (
            table[..., list(self.part)].sum(-1).astype(float),
            table[..., list(self.whole)].sum(-1).astype(float),
        )

    def of(self, table: np.ndarray) -> np.ndarray:
        """Return the rate per group; NaN where nothing is in its denominator."""
        return share(*self.counts(table))


SELECTION = Rate("selection_rate", (FP, TP), (TN, FP, FN, TP))
TPR = Rate("tpr", (TP,), (FN, TP))
FPR = Rate("fpr", (FP,), (TN, FP))
RATES = (
    SELECTION,
    TPR,
    FPR,
    Rate("tnr", (TN,), (TN, FP)),
    Rate("fnr", (FN,), (FN, TP)),
    Rate("precision", (TP,), (FP, TP)),
    Rate("npv", (TN,), (TN, FN)),
    Rate("accuracy", (TN, TP), (TN, FP, FN, TP)),
)


def share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Return ``part / whole``, NaN where ``whole`` is zero."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(whole > 0, part / whole, np.nan)


@dataclass(frozen=True)
class Groups:
    """Which group each row belongs to.

    Args:
        name: of the feature or intersection.
        codes: int64 [n], the place in ``names``; -1 where the group is unknown.
        names: group names, sorted.
    """

    name: str
    codes: np.ndarray
    names: tuple[str, ...]

    @property
    def unknown(self) -> np.ndarray:
        """Bool [n]: whose group nobody knows."""
        return np.asarray(self.codes < 0)

    def member(self, group: str) -> np.ndarray:
        """Bool [n]: who belongs to ``group``."""
        return np.asarray(self.codes == self.names.index(group))


def encode(name: str, column: pd.Series) -> Groups:
    """Return one sensitive feature as codes; missing values and ``unknown`` are unknown.

    Raises:
        InvalidRequestError: more than ``GROUPS_MAX`` groups.
    """
    codes, levels = pd.factorize(column, sort=False, use_na_sentinel=True)
    texts = [str(level) for level in levels]
    kept = sorted({text for text in texts if text != UNKNOWN})
    if len(kept) > GROUPS_MAX:
        raise InvalidRequestError(
            f"{name} has {len(kept)} groups; at most {GROUPS_MAX} can be compared: "
            "declare a coarser grouping (such as age bands)"
        )
    place = {text: at for at, text in enumerate(kept)}
    table = np.array([*(place.get(text, -1) for text in texts), -1], np.int64)
    return Groups(name, table[codes], tuple(kept))


def intersect(features: Sequence[Groups]) -> Groups:
    """Return the intersection of features; unknown in one is unknown in all.

    Only combinations that occur are groups.
    """
    joined = np.zeros(len(features[0].codes), np.int64)
    unknown = np.zeros(len(joined), bool)
    for feature in features:
        joined = joined * max(1, len(feature.names)) + feature.codes
        unknown |= feature.unknown
    present = np.unique(joined[~unknown])
    codes = np.where(unknown, -1, np.searchsorted(present, joined))
    names = [_combined(features, int(code)) for code in present]
    title = " and ".join(feature.name for feature in features)
    if len(names) > GROUPS_MAX:
        raise InvalidRequestError(
            f"{title} has {len(names)} groups; at most {GROUPS_MAX} can be compared"
        )
    return _sorted(Groups(title, codes, tuple(names)))


def _combined(features: Sequence[Groups], code: int) -> str:
    parts = []
    for feature in reversed(features):
        code, at = divmod(code, max(1, len(feature.names)))
        parts.append(feature.names[at])
    return ", ".join(reversed(parts))


def _sorted(groups: Groups) -> Groups:
    order = sorted(range(len(groups.names)), key=groups.names.__getitem__)
    place = np.empty(len(order) + 1, np.int64)
    place[order] = np.arange(len(order))
    place[-1] = -1
    return Groups(groups.name, place[groups.codes], tuple(groups.names[at] for at in order))


@dataclass(frozen=True)
class GroupCounts:
    """The table of one feature: known groups, and those whose group nobody knows.

    Args:
        names: group names, [groups].
        table: int64 [groups, 4].
        unknown: int64 [4].
    """

    names: tuple[str, ...]
    table: np.ndarray
    unknown: np.ndarray

    def __add__(self, other: GroupCounts) -> GroupCounts:
        """Return the counts of both shards together."""
        names = sorted({*self.names, *other.names})
        table = np.zeros((len(names), 4), np.int64)
        for part in (self, other):
            table[[names.index(name) for name in part.names]] += part.table
        return GroupCounts(tuple(names), table, self.unknown + other.unknown)


def count(labels: np.ndarray, predicted: np.ndarray, groups: Groups) -> GroupCounts:
    """Count one shard.

    Args:
        labels: int [n], 1 is the positive outcome.
        predicted: int [n].
        groups: who belongs where.
    """
    size = len(groups.names) + 1
    cell = (groups.codes % size) * 4 + 2 * labels.astype(np.int64) + predicted.astype(np.int64)
    table = np.bincount(cell, minlength=4 * size).reshape(size, 4)
    return GroupCounts(groups.names, table[:-1], table[-1])


def total(shards: Iterable[GroupCounts]) -> GroupCounts:
    """Return the sum of shards; their order and number change nothing.

    Raises:
        ValueError: there is none.
    """
    whole: GroupCounts | None = None
    for shard in shards:
        whole = shard if whole is None else whole + shard
    if whole is None:
        raise ValueError("no shard was given")
    return whole


def bootstrap(table: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """Return ``draws`` resampled tables, int64 [draws, groups, 4]."""
    flat = table.reshape(-1)
    if flat.sum() == 0:
        return np.zeros((draws, *table.shape), np.int64)
    drawn = np.random.default_rng(seed).multinomial(flat.sum(), flat / flat.sum(), draws)
    return np.asarray(drawn.reshape(draws, *table.shape))
