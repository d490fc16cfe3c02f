"""What the model's scores are made of: globally, per group, and for single decisions.

Every run verifies our Shapley values on sixteen rows against shap's permutation
explainer. An explanation never clears bias; the fairness check decides that.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from govern.checks import shapley
from govern.checks.registry import CheckData, Model, Outcome
from govern.domain.check import Finding
from govern.transparency.digest import digest_of

ROWS = 120
PATHS_PER_ROW = 400
ORACLE_ROWS = 16
ORACLE_BACKGROUND = 25
ORACLE_PERMUTATIONS = 60
ORACLE_MAX = 0.03
ADDITIVITY_MAX = 1e-5
REASONS_MAX = 4


def run(model: Model, data: CheckData, seed: int, parameters: dict[str, Any]) -> Outcome:
    """Explain a sample of rows and judge the explanation's quality."""
    generator = np.random.default_rng(seed)
    filled, background = _filled(data)
    sample = np.sort(generator.choice(len(filled), min(ROWS, len(filled)), replace=False))
    rows, groups = filled[sample], data.sensitive.iloc[sample]
    function = _scorer(model, data)
    paths = -(-PATHS_PER_ROW // len(background)) * len(background)
    first = shapley.explain(function, rows, background, paths=paths, seed=seed)
    second = shapley.explain(function, rows[:40], background, paths=paths, seed=seed + 1)
    metrics: dict[str, Any] = {
        "method": "antithetic permutation paths on the score",
        "background": {"rows": len(background), "digest": digest_of(background.tobytes())},
        "rows": len(rows),
        "paths": paths,
        "evaluations": first.evaluations + second.evaluations,
        "additivity_error": first.additivity_error,
        "protected_share": _protected_share(model, data, filled[sample], sample, first),
        "global": _global(model.columns, first),
        "by_group": _by_group(model.columns, first, groups),
        "gap": _gap(model.columns, first, groups),
        "proxies": _proxies(model.columns, filled, data),
        "direction": _direction(model.columns, rows, first, data.directions or {}),
        "stability": _stability(first.values[:40], second.values),
        "oracle": _oracle(function, rows[:ORACLE_ROWS], background[:ORACLE_BACKGROUND], seed),
        "samples": _samples(model.columns, data, sample, rows, first),
    }
    return _findings(metrics), metrics


def _filled(data: CheckData) -> tuple[np.ndarray, np.ndarray]:
    """Fill missing values with the background's median, as the models do inside."""
    median = np.nanmedian(data.background, axis=0)
    return (
        np.where(np.isnan(data.rows), median, data.rows),
        np.where(np.isnan(data.background), median, data.background),
    )


def _scorer(model: Model, data: CheckData) -> shapley.Function:
    """Return the score as a function of features; protected inputs held at the first group."""
    fixed = {name: data.sensitive[name].mode().iloc[0] for name in model.protected}

    def score(rows: np.ndarray) -> np.ndarray:
        protected = {name: np.full(len(rows), value, object) for name, value in fixed.items()}
        return model.predict(rows, protected)[1].astype(float)

    return score


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


def _global(columns: list[str], found: shapley.Attributions) -> list[dict[str, Any]]:
    order = np.argsort(-np.abs(found.values).mean(axis=0))
    return [
        {
            "feature": columns[at],
            "mean_abs": np.abs(found.values[:, at]).mean(),
            "mean": found.values[:, at].mean(),
            "se": found.errors[:, at].mean(),
        }
        for at in order
    ]


def _by_group(columns: list[str], found: shapley.Attributions, groups: Any) -> dict[str, Any]:
    top = np.argsort(-np.abs(found.values).mean(axis=0))[:10]
    result: dict[str, Any] = {}
    for name in groups:
        values = groups[name].to_numpy()
        result[name] = {
            str(group): [
                {"feature": columns[at], "mean": found.values[values == group, at].mean()}
                for at in top
            ]
            for group in np.unique(values)
        }
    return result


def _gap(columns: list[str], found: shapley.Attributions, groups: Any) -> dict[str, Any]:
    """Decompose the score gap between two groups by feature; the parts add up exactly."""
    race = groups["race"].to_numpy()
    one, two = race == "white", race == "black"
    parts = found.values[one].mean(axis=0) - found.values[two].mean(axis=0)
    order = np.argsort(-np.abs(parts))[:10]
    return {
        "feature": "race",
        "groups": ["white", "black"],
        "total": found.output[one].mean() - found.output[two].mean(),
        "by_feature": [{"feature": columns[at], "value": parts[at]} for at in order],
    }


def _proxies(columns: list[str], rows: np.ndarray, data: CheckData) -> list[dict[str, Any]]:
    """AUC of each feature alone for telling whether someone is black; 0.5 tells nothing."""
    from scipy.stats import rankdata

    member = (data.sensitive["race"] == "black").to_numpy()
    inside, outside = member.sum(), (~member).sum()
    found = []
    for at, name in enumerate(columns):
        ranks = rankdata(rows[:, at])
        auc = (ranks[member].sum() - inside * (inside + 1) / 2) / (inside * outside)
        found.append({"feature": name, "attribute": "race", "auc": max(auc, 1 - auc)})
    return sorted(found, key=lambda item: -item["auc"])[:8]


def _direction(
    columns: list[str], rows: np.ndarray, found: shapley.Attributions, declared: Any
) -> list[dict[str, Any]]:
    result = []
    for name, sign in sorted(declared.items()):
        at = columns.index(name)
        spread = np.cov(rows[:, at], found.values[:, at])[0, 1]
        observed = "+" if spread > 0 else "-" if spread < 0 else "none"
        agrees = None if observed == "none" else observed == sign
        result.append({"feature": name, "declared": sign, "observed": observed, "agrees": agrees})
    return result


def _stability(one: np.ndarray, two: np.ndarray) -> dict[str, float]:
    from scipy.stats import spearmanr

    same = np.abs(one).argmax(axis=1) == np.abs(two).argmax(axis=1)
    ranks = spearmanr(np.abs(one).mean(axis=0), np.abs(two).mean(axis=0))
    return {"top1_same": same.mean(), "rank_rho": float(ranks.statistic)}


def _oracle(
    function: shapley.Function, rows: np.ndarray, background: np.ndarray, seed: int
) -> dict[str, Any]:
    """Compare with shap's permutation explainer over the same background."""
    import shap

    paths = 64 * len(background)
    ours = shapley.explain(function, rows, background, paths=paths, seed=seed)
    masker = shap.maskers.Independent(background, max_samples=len(background))
    explainer = shap.explainers.Permutation(function, masker, seed=seed)
    theirs = explainer(rows, max_evals=ORACLE_PERMUTATIONS * (2 * rows.shape[1] + 1), silent=True)
    gap = np.abs(ours.values - theirs.values)
    return {
        "library": f"shap {shap.__version__}",
        "rows": len(rows),
        "max_abs_difference": gap.max(),
        "mean_abs_difference": gap.mean(),
    }


def _samples(
    columns: list[str],
    data: CheckData,
    sample: np.ndarray,
    rows: np.ndarray,
    found: shapley.Attributions,
) -> list[dict[str, Any]]:
    """Three decisions: the lowest scores, with up to four principal reasons each."""
    result = []
    for at in np.argsort(found.output, kind="stable")[:3]:
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
        row = int(data.features.index[sample[at]])
        result.append({"row": row, "score": found.output[at], "reasons": reasons})
    return result


def _findings(metrics: dict[str, Any]) -> list[Finding]:
    error, oracle, stability = metrics["additivity_error"], metrics["oracle"], metrics["stability"]
    return [
        Finding(
            "additivity",
            "Attributions add up to the score",
            "pass" if error <= ADDITIVITY_MAX else "fail",
            f"The largest gap is {error:.1e}.",
            value=error,
            threshold=ADDITIVITY_MAX,
            unit="score",
        ),
        Finding(
            "oracle",
            "Attributions agree with shap",
            "pass" if oracle["max_abs_difference"] <= ORACLE_MAX else "uncertain",
            f"The largest difference over {oracle['rows']} rows is "
            f"{oracle['max_abs_difference']:.4f}.",
            value=float(oracle["max_abs_difference"]),
            threshold=ORACLE_MAX,
            unit="score",
        ),
        Finding(
            "stability",
            "The same reasons under another seed",
            "pass" if stability["rank_rho"] >= 0.9 else "uncertain",
            f"Rank correlation {stability['rank_rho']:.3f}; the top feature is the same for "
            f"{stability['top1_same']:.0%} of the rows.",
            value=stability["rank_rho"],
            threshold=0.9,
            unit="correlation",
        ),
    ]
