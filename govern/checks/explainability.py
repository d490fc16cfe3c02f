"""What the model's scores are made of: globally, per group, and for single decisions.

Every run verifies our Shapley values on sixteen rows against shap. The rows of the global
figures are drawn at random; small groups are topped up for the figures by group alone. An
explanation never clears bias; the fairness check decides that.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from govern.checks import explanation_quality as quality
from govern.checks import group_scores, inner_values, shapley
from govern.checks.counts import Groups, encode
from govern.checks.explained import Explained, explainer, on_device, pieces, scorer, step_of
from govern.checks.pieces import Arrays, Parts
from govern.checks.registry import CheckData, Model, Outcome
from govern.domain.check import Finding
from govern.errors import CandidateError
from govern.transparency.digest import digest_of

__all__ = ("pieces", "run")
ORACLE_MAX = 0.03
ADDITIVITY_MAX = 1e-5
RANK_RHO_MIN = 0.9
DELETION_RATIO_MIN = 1.1
REASONS_MAX = 4
SAMPLES = 3
PROXIES_MAX = 8


def _attributions(arrays: Arrays, background: int, paths: int, batch: int) -> shapley.Attributions:
    values, errors, output = (arrays[name] for name in ("values", "errors", "output"))
    each = shapley.evaluations_of(values.shape[1], paths, batch)
    base = float(arrays["base"][0])
    return shapley.Attributions(values, errors, base, output, len(values) * each + background)


def run(
    model: Model, data: CheckData, seed: int, parameters: dict[str, Any], parts: Parts
) -> Outcome:
    """Judge the explanation of a sample of rows."""
    task, function = Explained.of(data, seed, parameters), scorer(model, data)
    filled, background, base, sample = task.filled, task.background, task.base, task.sample
    rows, paths = task.rows, task.paths
    first = _attributions(parts["first"], len(background), paths, step_of(model))
    second = _attributions(parts["second"], len(background), paths, step_of(model))
    halves = [parts[name]["values"] for name in sorted(parts) if name.startswith("half")]
    groups = [encode(name, data.sensitive[name].iloc[sample]) for name in data.sensitive]
    gaps = [gap for one in groups if (gap := _gap(model.columns, first, one))]
    metrics: dict[str, Any] = {
        "method": "antithetic permutation paths on the score"
        + (f", on {model.device.get('provider')} itself" if on_device(model) else ""),
        "background": {"rows": len(background), "digest": digest_of(background.tobytes())},
        "rows": len(base),
        "rows_with_groups": len(sample),
        "paths": paths,
        "evaluations": first.evaluations + second.evaluations,
        "additivity_error": first.additivity_error,
        "noise": quality.noise(first),
        "protected_share": _protected_share(model, data, rows, sample, first),
        "global": _global(model.columns, first, base),
        "by_group": {one.name: _by_group(model.columns, first, one) for one in groups},
        "gap": max(gaps, key=lambda gap: abs(gap["total"]), default=None),
        "gaps": gaps,
        "proxies": _proxies(model.columns, filled, data),
        "direction": quality.directions(model.columns, rows, first.values, data.directions or {}),
        "stability": quality.agreement(first.values[: len(second.values)], second.values),
        "background_stability": quality.background_stability(len(background), halves),
        "deletion": quality.deletion(function, rows, first, background, seed),
        "oracle": quality.oracle(explainer(model, data), function, rows, background, seed),
        "samples": _samples(model.columns, data, sample, rows, first),
        "inner": _inner(model, data, filled, background, seed),
    }
    found = _findings(metrics, _scale(data, first))
    return [*found, *_inner_findings(metrics["inner"])], metrics


def _inner(
    model: Model, data: CheckData, filled: np.ndarray, background: np.ndarray, seed: int
) -> dict[str, Any] | None:
    """Explain every row from inside the model, where it is of trees or linear; else None."""
    explain = getattr(model, "explain", None)
    if explain is None:
        return None
    size = len(filled)
    generator = np.random.default_rng(seed)
    chosen = generator.permutation(size)[: inner_values.ROWS_MAX]
    try:
        found = explain(filled[chosen], background)
    except CandidateError as why:
        return {"method": None, "why": str(why)}
    if found is None:
        return None
    chosen = chosen[: len(found.output)]
    groups = [encode(name, data.sensitive[name].iloc[chosen]) for name in data.sensitive]
    behind = {"rows": len(background), "digest": digest_of(background.tobytes())}
    return inner_values.measured(model.columns, found, groups, behind)


def _inner_findings(metrics: dict[str, Any] | None) -> list[Finding]:
    return [inner_values.finding(metrics)] if metrics and metrics["method"] else []


def _protected_share(
    model: Model,
    data: CheckData,
    rows: np.ndarray,
    sample: np.ndarray,
    found: shapley.Attributions,
) -> float:
    """Return how much protected inputs move the score, as a share of all attribution.

    The mean change of the score when each person's own group is given instead of the
    commonest one, over that change plus the mean sum of absolute attributions. A model
    that is given no protected attribute has a share of zero by construction.
    """
    if not model.protected:
        return 0.0
    own = model.predict(rows, data.protected_of(model, sample))[1].astype(float)
    moved = float(np.abs(own - found.output).mean())
    total = moved + float(np.abs(found.values).sum(axis=1).mean())
    return moved / total if total else 0.0


def _global(
    columns: list[str], found: shapley.Attributions, base: np.ndarray
) -> list[dict[str, Any]]:
    values, errors = found.values[: len(base)], found.errors[: len(base)]
    order = np.argsort(-np.abs(values).mean(axis=0), kind="stable")
    return [
        {
            "feature": columns[at],
            "mean_abs": np.abs(values[:, at]).mean(),
            "mean": values[:, at].mean(),
            "se": errors[:, at].mean(),
        }
        for at in order
    ]


def _by_group(columns: list[str], found: shapley.Attributions, groups: Groups) -> dict[str, Any]:
    top = np.argsort(-np.abs(found.values).mean(axis=0), kind="stable")[:10]
    return {
        group: [
            {"feature": columns[at], "mean": found.values[groups.member(group), at].mean()}
            for at in top
        ]
        for group in groups.names
        if groups.member(group).any()
    }


def _gap(columns: list[str], found: shapley.Attributions, groups: Groups) -> dict[str, Any] | None:
    """Decompose the largest score gap between two groups; the parts add up to it exactly."""
    sizes = {name: int(groups.member(name).sum()) for name in groups.names}
    usable = [name for name in groups.names if sizes[name] >= 2]
    if len(usable) < 2:
        return None
    means = {name: float(found.output[groups.member(name)].mean()) for name in usable}
    high, low = max(usable, key=means.__getitem__), min(usable, key=means.__getitem__)
    one, two = groups.member(high), groups.member(low)
    parts = found.values[one].mean(axis=0) - found.values[two].mean(axis=0)
    errors = np.sqrt(
        found.values[one].var(axis=0, ddof=1) / sizes[high]
        + found.values[two].var(axis=0, ddof=1) / sizes[low]
    )
    order = np.argsort(-np.abs(parts), kind="stable")
    return {
        "feature": groups.name,
        "groups": [high, low],
        "n": [sizes[high], sizes[low]],
        "total": means[high] - means[low],
        "by_feature": [
            {"feature": columns[at], "value": parts[at], "se": errors[at]} for at in order
        ],
    }


def _proxies(columns: list[str], rows: np.ndarray, data: CheckData) -> list[dict[str, Any]]:
    """AUC of each feature alone for telling a group from all others; 0.5 tells nothing.

    One ranking of a column serves all groups: the area follows from the sum of a group's ranks.
    """
    found: list[dict[str, Any]] = []
    for name in data.sensitive:
        groups = encode(name, data.sensitive[name])
        known = ~groups.unknown
        codes = groups.codes[known]
        sizes = np.bincount(codes, minlength=len(groups.names)).astype(float)
        others = sizes.sum() - sizes
        if not ((sizes > 0) & (others > 0)).any():
            continue
        for at, column in enumerate(columns):
            sums = np.bincount(codes, group_scores.midranks(rows[known, at]), len(sizes))
            with np.errstate(invalid="ignore", divide="ignore"):
                areas = (sums - sizes * (sizes + 1) / 2) / (sizes * others)
            areas = np.maximum(areas, 1 - areas)
            best = int(np.nanargmax(areas))
            found.append(
                {
                    "feature": column,
                    "attribute": name,
                    "group": groups.names[best],
                    "auc": float(areas[best]),
                }
            )
    return sorted(found, key=lambda item: -item["auc"])[:PROXIES_MAX]


def _samples(
    columns: list[str],
    data: CheckData,
    sample: np.ndarray,
    rows: np.ndarray,
    found: shapley.Attributions,
) -> list[dict[str, Any]]:
    """Three decisions: the lowest scores, with up to four principal reasons each."""
    result = []
    for at in np.argsort(found.output, kind="stable")[:SAMPLES]:
        worst = np.argsort(found.values[at], kind="stable")[:REASONS_MAX]
        reasons = [
            {
                "feature": columns[place],
                "value": rows[at, place],
                "contribution": found.values[at, place],
            }
            for place in worst
            if found.values[at, place] < 0
        ]
        row = _row_name(data.features, int(sample[at]))
        result.append({"row": row, "score": found.output[at], "reasons": reasons})
    return result


def _row_name(features: pd.DataFrame, at: int) -> int | str:
    name = features.index[at]
    return int(name) if isinstance(name, int | np.integer) else str(name)


def _scale(data: CheckData, found: shapley.Attributions) -> float:
    """Return what limits of 1 are in the score's unit: 1 for shares, its spread for numbers."""
    return (float(found.output.std()) or 1.0) if data.task.is_number else 1.0


def _findings(metrics: dict[str, Any], scale: float) -> list[Finding]:
    additivity_max, oracle_max = ADDITIVITY_MAX * scale, ORACLE_MAX * scale
    error, oracle, stability = metrics["additivity_error"], metrics["oracle"], metrics["stability"]
    rho, deletion = stability["rank_rho"], metrics["deletion"]
    return [
        Finding(
            "additivity",
            "Attributions add up to the score",
            "pass" if error <= additivity_max else "fail",
            f"The largest gap is {error:.1e}.",
            value=error,
            threshold=additivity_max,
            unit="score",
        ),
        Finding(
            "oracle",
            "Attributions agree with shap",
            "pass" if oracle["max_abs_difference"] <= oracle_max else "uncertain",
            f"The largest difference over {oracle['rows']} rows is "
            f"{oracle['max_abs_difference']:.4f}.",
            value=float(oracle["max_abs_difference"]),
            threshold=oracle_max,
            unit="score",
        ),
        Finding(
            "stability",
            "The same reasons under another seed",
            "pass" if rho is not None and rho >= RANK_RHO_MIN else "uncertain",
            "Every feature matters alike, so there is no order to keep."
            if rho is None
            else f"Rank correlation {rho:.3f}; the top feature is the same for "
            f"{stability['top1_same']:.0%} of the rows.",
            value=rho,
            threshold=RANK_RHO_MIN,
            unit="correlation",
        ),
        Finding(
            "deletion",
            "Taking away what is named strongest moves the score most",
            "pass" if deletion["ratio"] >= DELETION_RATIO_MIN else "uncertain",
            f"The score moves {deletion['ratio']:.2f} times as far as in a random order.",
            value=deletion["ratio"],
            threshold=DELETION_RATIO_MIN,
            unit="ratio",
        ),
    ]
