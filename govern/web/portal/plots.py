"""Which figures a candidate's page shows, drawn by ``reports``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import url_for

from reports import figures
from reports.drawing import Drawing
from reports.lineage_figure import lineage, natural_width

SAMPLES = 3
PAIRS_SHOWN = 12


def fairness(metrics: Mapping[str, Any], threshold: float = 0.8) -> list[dict[str, Any]]:
    """Return one entry per protected feature: its groups, rates figure and ratio figure."""
    found = []
    for name, feature in metrics.get("features", {}).items():
        groups = [group for group in feature.get("groups", []) if not group.get("excluded")]
        rows = [
            {
                "label": f"{item['group']} / {item['reference']}",
                "value": item.get("ratio"),
                "low": item.get("ratio_low"),
                "high": item.get("ratio_high"),
            }
            for item in feature.get("comparisons", [])
        ]
        found.append(
            {
                "name": name,
                "feature": feature,
                "groups": feature.get("groups", []),
                "rates": figures.group_rates(groups, f"Selection rate by {name}")
                if groups
                else None,
                "ratios": figures.ratio_forest(
                    rows, f"Selection-rate ratio by {name}", threshold=threshold
                )
                if rows
                else None,
                "pairs": _pairs(name, feature, threshold),
                "against_all": _against_all(name, feature, threshold),
            }
        )
    return found


def _pairs(name: str, feature: Mapping[str, Any], threshold: float) -> Drawing | None:
    """Draw the least equal pairs, where there are more than those with the best-off group."""
    pairs = feature.get("pairwise", {}).get("least_equal", [])
    if len(pairs) <= len(feature.get("comparisons", [])):
        return None
    rows = figures.ratio_rows(pairs[:PAIRS_SHOWN], "reference")
    return figures.ratio_forest(rows, f"Least equal pairs by {name}", threshold=threshold)


def _against_all(name: str, feature: Mapping[str, Any], threshold: float) -> Drawing | None:
    rows = feature.get("to_overall", [])
    if len(rows) < 2:
        return None
    title = f"Selection rate over everybody's, by {name}"
    return figures.ratio_forest(figures.ratio_rows(rows, ""), title, threshold=threshold)


def false_alarms(metrics: Mapping[str, Any]) -> Drawing | None:
    """Draw how often chance alone would put the worst group under the threshold."""
    rows = figures.alarm_rows(metrics.get("features", {}))
    title = "How often the worst group would fail by chance"
    return figures.bars(rows, title, fmt=figures.share) if rows else None


def performance(metrics: Mapping[str, Any]) -> Drawing | None:
    """Draw the reliability curve."""
    bins = metrics.get("reliability")
    return figures.reliability(bins, "Score against observed rate") if bins else None


def explanations(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return the global figure, the gap figure and a few sample decisions."""
    gap = metrics.get("gap") or {}
    return {
        "overall": _draw(figures.attributions, metrics.get("global"), "Mean contribution"),
        "gap": figures.gap(gap["by_feature"], float(gap.get("total") or 0), _gap_title(gap))
        if gap.get("by_feature")
        else None,
        "deletion": figures.deletion(metrics["deletion"], "Score moved as features go")
        if metrics.get("deletion")
        else None,
        "inner": _draw(
            figures.attributions,
            (metrics.get("inner") or {}).get("global"),
            "From inside the model",
        ),
        "pairs": _draw(
            figures.attributions,
            figures.pair_rows(metrics.get("inner") or {}),
            "Interactions of two features",
        ),
        "samples": [
            {
                "row": sample.get("row"),
                "score": sample.get("score"),
                "reasons": sample.get("reasons", []),
                "figure": _draw(
                    figures.reasons, sample.get("reasons"), f"Reasons for row {sample.get('row')}"
                ),
            }
            for sample in metrics.get("samples", [])[:SAMPLES]
        ],
    }


def _gap_title(gap: Mapping[str, Any]) -> str:
    groups = gap.get("groups") or ["", ""]
    return f"What makes the score gap between {groups[0]} and {groups[-1]}"


def _draw(how: Any, rows: Any, title: str) -> Drawing | None:
    drawing: Drawing | None = how(rows, title) if rows else None
    return drawing


def lineage_figure(view: Mapping[str, Any]) -> Drawing | None:
    """Return the lineage graph with links to the statements."""
    if not view["nodes"]:
        return None
    return lineage(
        view["nodes"],
        view["edges"],
        "Lineage, from data to serving",
        href=lambda node: url_for("logs.statement", digest=node["digest"]),
        missing=view["missing"],
        width=natural_width(view["nodes"], view["missing"]),
    )
