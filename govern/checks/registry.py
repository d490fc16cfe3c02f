"""Which checks there are, what they are given, and how one is run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Protocol

import numpy as np
import pandas as pd

from govern.checks.pieces import Parts, Piece
from govern.checks.splits import Part
from govern.checks.tasks import BINARY, Task
from govern.domain.check import CheckResult, Finding
from govern.errors import GovernError

CHECKS = ("data", "performance", "fairness", "explainability", "repeatability")
VERSION = "2"
_OF_OTHER_TASKS = ("performance", "fairness")


class Model(Protocol):
    """A candidate that answers batches."""

    columns: list[str]
    protected: list[str]
    device: dict[str, object]

    def predict(
        self, rows: np.ndarray, protected: Mapping[str, Any] | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return labels int64 [n] and scores float32 [n]."""


@dataclass(frozen=True)
class CheckData:
    """What checks look at; sensitive features lie apart and never enter the model's inputs.

    Args:
        features: test rows [n, features], columns in the model's order.
        labels: int64 [n], 1 is the positive outcome; float64 where the task is a number, the
            class's place where it is one of several.
        sensitive: sensitive features by row, text; ``unknown`` where nobody knows.
        background: reference rows for explanations [m, features].
        profile: the data set's profile.
        digests: name to digest of each table above.
        candidate: the candidate digest.
        positive: what the positive outcome is called.
        directions: feature to declared direction, ``+`` or ``-``.
        strata: declared variables, text by row, inside which differences are looked at again.
        task: what the candidate answers, as its card declares.
        subjects: subject id by row, text.
        parts: ``train``, ``validation``, ``recent``: further tables, where they are given.
    """

    features: pd.DataFrame
    labels: np.ndarray
    sensitive: pd.DataFrame
    background: np.ndarray
    profile: Mapping[str, Any]
    digests: Mapping[str, str]
    candidate: str
    positive: str = "approve"
    directions: Mapping[str, str] | None = None
    strata: pd.DataFrame | None = None
    task: Task = BINARY
    subjects: pd.Series | None = None
    parts: Mapping[str, Part] = field(default_factory=dict)

    @property
    def rows(self) -> np.ndarray:
        """The features as float64 [n, features]."""
        return np.asarray(self.features.to_numpy(dtype=float))

    def protected_of(self, model: Model, rows: slice | np.ndarray | None = None) -> dict[str, Any]:
        """Return what a model that needs protected attributes must be given."""
        table = self.sensitive if rows is None else self.sensitive.iloc[rows]
        return {name: table[name].to_numpy() for name in model.protected}

    def answers(self, given: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        """Return what counts as the answer of labels and scores: the score where it is a number."""
        return given[1] if self.task.is_number else given[0]


Outcome = tuple[list[Finding], dict[str, Any]]


def run_check(
    name: str,
    *,
    model: Model,
    data: CheckData,
    seed: int = 0,
    parameters: Mapping[str, Any] | None = None,
    clock: Callable[[], str],
    parts: Callable[[], Parts] | None = None,
) -> CheckResult:
    """Run one check; whatever goes wrong inside is an ``error`` verdict, never a pass.

    Args:
        name: one of ``CHECKS``.
        clock: returns the time as RFC 3339 text.
        parts: returns what shards of this check brought back; the model is asked here where
            there were none.
    """
    if name not in CHECKS:
        raise KeyError(f"no check {name!r}; there are {', '.join(CHECKS)}")
    started = clock()
    chosen = dict(parameters or {})
    module = import_module(f"govern.checks.{module_of(name, data.task)}")
    try:
        if parts is None:
            asked = {one.name: one.whole() for one in module.pieces(model, data, seed, chosen)}
        else:
            asked = dict(parts())
        findings, metrics = module.run(model, data, seed, chosen, asked)
        metrics = _plain(metrics)
    except Exception as error:  # A candidate may do anything; the worker must live.
        findings, metrics = [_error(name, error)], {}
    return CheckResult(
        check=name,
        version=VERSION,
        candidate=data.candidate,
        materials=tuple({"name": key, "digest": value} for key, value in data.digests.items()),
        parameters=chosen,
        seed=seed,
        device=dict(model.device),
        started_at=started,
        finished_at=clock(),
        findings=tuple(findings),
        metrics=metrics,
    )


def unusable(
    name: str, *, model: Model, candidate: str, digest: str, why: GovernError, now: str
) -> CheckResult:
    """Return the ``error`` verdict of a check whose tables cannot be used.

    Args:
        digest: of the evaluation.
        now: RFC 3339 text.
    """
    return CheckResult(
        check=name,
        version=VERSION,
        candidate=candidate,
        materials=({"name": "evaluation", "digest": digest},),
        parameters={},
        seed=0,
        device=dict(model.device),
        started_at=now,
        finished_at=now,
        findings=(_error(name, why),),
        metrics={},
    )


def _error(name: str, error: Exception) -> Finding:
    kind = "" if isinstance(error, GovernError) else f"{type(error).__name__}: "
    message = f"The check could not finish: {kind}{str(error)[:300]}"
    return Finding(f"{name}-error", "Check failed", "error", message)


def pieces_of(
    name: str,
    model: Model,
    data: CheckData,
    seed: int = 0,
    parameters: Mapping[str, Any] | None = None,
) -> list[Piece]:
    """Return what a check asks the model, cut so that it can be asked apart."""
    module = import_module(f"govern.checks.{module_of(name, data.task)}")
    return list(module.pieces(model, data, seed, dict(parameters or {})))


def module_of(name: str, task: Task) -> str:
    """Return the module that runs a check for a task."""
    return f"other_{name}" if task != BINARY and name in _OF_OTHER_TASKS else name


def _plain(value: Any) -> Any:
    """Return plain JSON data: numpy scalars as numbers, NaN and infinities as None."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return value
