"""The mitigation bench: what Fairlearn's reductions and thresholds would cost, and whom.

Every attempt is fitted on one half of an evaluation table and measured on the other, so its
figures are of people it has not seen. It assesses; it promises nothing, and no attempt is a
candidate until it is registered, checked and approved as one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from govern.checks import comparing
from govern.checks.counts import SELECTION, Groups, bootstrap, count, encode
from govern.errors import InvalidRequestError

BOUNDS = (0.1, 0.05, 0.02, 0.01)
ITERATIONS = 30
BOOTSTRAPS = 1000
ROWS_MIN = 100
ROWS_MAX = 200_000
Answer = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Table:
    """What attempts are fitted and measured on; people of unknown group are left out.

    Args:
        rows: float [n, features], no value missing, standardised.
        labels: int [n], 1 positive.
        groups: of the attribute that is looked at.
        left_out: how many people's group is unknown.
    """

    rows: np.ndarray
    labels: np.ndarray
    groups: Groups
    left_out: int


@dataclass(frozen=True)
class Attempt:
    """One way of training: its name, what must be said of it, and what it answers."""

    name: str
    method: str
    needs_attribute: bool
    random: bool
    fit: Callable[[Table], Answer]


def prepare(features: pd.DataFrame, labels: np.ndarray, attribute: pd.Series) -> Table:
    """Fill, standardise and leave out who cannot be compared.

    Raises:
        InvalidRequestError: too few or too many rows, one class or one group.
    """
    groups = encode(str(attribute.name), attribute)
    known = ~groups.unknown
    if not ROWS_MIN <= known.sum() <= ROWS_MAX:
        raise InvalidRequestError(
            f"expected {ROWS_MIN} to {ROWS_MAX} rows with a known {groups.name}, got {known.sum()}"
        )
    if len(np.unique(labels[known])) < 2 or len(groups.names) < 2:
        raise InvalidRequestError(
            "nothing can be compared: the table has one class or one group only"
        )
    rows = features.to_numpy(dtype=float)[known]
    rows = np.where(np.isnan(rows), np.nan_to_num(np.nanmedian(rows, axis=0)), rows)
    spread = rows.std(axis=0)
    rows = (rows - rows.mean(axis=0)) / np.where(spread == 0, 1, spread)
    kept = Groups(groups.name, groups.codes[known], groups.names)
    return Table(rows, labels[known], kept, int((~known).sum()))


def compare(table: Table, seed: int) -> Iterator[dict[str, Any]]:
    """Yield one row per attempt, the unmitigated one first.

    Args:
        table: of ``prepare``.
        seed: of the split, of random answers and of the intervals.
    """
    fitted, measured = _halves(table, seed)
    before: np.ndarray | None = None
    for attempt in attempts(seed):
        answers = attempt.fit(fitted)(measured.rows, measured.groups.codes)
        before = answers if before is None else before
        yield {
            "name": attempt.name,
            "method": attempt.method,
            "needs_attribute": attempt.needs_attribute,
            "random": attempt.random,
            **_figures(measured, answers, before, seed),
        }


def _halves(table: Table, seed: int) -> tuple[Table, Table]:
    from sklearn.model_selection import train_test_split

    strata = 2 * table.groups.codes + table.labels
    rare = np.isin(strata, np.flatnonzero(np.bincount(strata) < 2))
    one, two = train_test_split(
        np.arange(len(table.labels)),
        test_size=0.5,
        random_state=seed,
        stratify=np.where(rare, table.labels, strata),
    )
    return _part(table, one), _part(table, two)


def _part(table: Table, rows: np.ndarray) -> Table:
    groups = Groups(table.groups.name, table.groups.codes[rows], table.groups.names)
    return Table(table.rows[rows], table.labels[rows], groups, 0)


def _figures(table: Table, answers: np.ndarray, before: np.ndarray, seed: int) -> dict[str, Any]:
    counts = count(table.labels, answers, table.groups)
    seen = counts.table.sum(1) > 0
    names = tuple(name for name, here in zip(counts.names, seen, strict=True) if here)
    kept = counts.table[seen]
    ratio = comparing.ratio(names, kept, bootstrap(kept, BOOTSTRAPS, seed))
    return {
        "n": len(answers),
        "accuracy": float((answers == table.labels).mean()),
        "selection_rate": float(answers.mean()),
        "ratio": ratio,
        "rates": dict(zip(names, SELECTION.of(kept).tolist(), strict=True)),
        "moved": [_moved(table, name, answers, before) for name in names],
    }


def _moved(table: Table, name: str, answers: np.ndarray, before: np.ndarray) -> dict[str, Any]:
    member = table.groups.member(name)
    return {
        "group": name,
        "n": int(member.sum()),
        "gain": int(((answers == 1) & (before == 0) & member).sum()),
        "lose": int(((answers == 0) & (before == 1) & member).sum()),
    }


def attempts(seed: int) -> list[Attempt]:
    """Return what is tried, in the order of the table."""
    parity = [
        Attempt(
            f"demographic parity, bound {bound:g}",
            "ExponentiatedGradient(DemographicParity), majority of its members",
            needs_attribute=False,
            random=False,
            fit=_bounded("DemographicParity", bound, None),
        )
        for bound in BOUNDS
    ]
    return [
        Attempt("as it is", "LogisticRegression", needs_attribute=False, random=False, fit=_plain),
        *parity,
        Attempt(
            "true positive rates, bound 0.02",
            "ExponentiatedGradient(TruePositiveRateParity), majority of its members",
            needs_attribute=False,
            random=False,
            fit=_bounded("TruePositiveRateParity", 0.02, None),
        ),
        Attempt(
            "demographic parity, randomised",
            "ExponentiatedGradient(DemographicParity), bound 0.02, as it answers",
            needs_attribute=False,
            random=True,
            fit=_bounded("DemographicParity", 0.02, seed),
        ),
        Attempt(
            "thresholds per group",
            "ThresholdOptimizer(demographic_parity)",
            needs_attribute=True,
            random=True,
            fit=lambda table: _thresholds(table, seed),
        ),
    ]


def _logistic() -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=2000)


def _plain(table: Table) -> Answer:
    model = _logistic().fit(table.rows, table.labels)
    return lambda rows, _: np.asarray(model.predict(rows), np.int64)


def _bounded(constraint: str, bound: float, seed: int | None) -> Callable[[Table], Answer]:
    return lambda table: _reduction(table, constraint, bound, seed)


def _reduction(table: Table, constraint: str, bound: float, seed: int | None) -> Answer:
    """Fit a reduction; without a seed its members vote by weight, so answers repeat."""
    import warnings

    from fairlearn import reductions

    model = reductions.ExponentiatedGradient(
        _logistic(),
        getattr(reductions, constraint)(difference_bound=bound),
        max_iter=ITERATIONS,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(table.rows, table.labels, sensitive_features=table.groups.codes)
    if seed is not None:
        return lambda rows, _: np.asarray(model.predict(rows, random_state=seed), np.int64)
    members = [
        (weight, model.predictors_[at]) for at, weight in model.weights_.items() if weight > 0
    ]
    return lambda rows, _: _vote(members, rows)


def _vote(members: list[tuple[float, Any]], rows: np.ndarray) -> np.ndarray:
    share = sum(weight * np.asarray(model.predict(rows), float) for weight, model in members)
    return np.asarray(np.asarray(share) >= 0.5, np.int64)


def _thresholds(table: Table, seed: int) -> Answer:
    from fairlearn.postprocessing import ThresholdOptimizer

    model = ThresholdOptimizer(
        estimator=_logistic(),
        constraints="demographic_parity",
        predict_method="predict_proba",
    )
    model.fit(table.rows, table.labels, sensitive_features=table.groups.codes)
    return lambda rows, groups: np.asarray(
        model.predict(rows, sensitive_features=groups, random_state=seed), np.int64
    )
