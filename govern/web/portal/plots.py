"""Which figures a candidate's page shows, drawn by ``reports``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import url_for

from reports import figures
from reports.drawing import Drawing
from reports.lineage_figure import lineage, natural_width

SAMPLES = 3


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
            }
        )
    return found


def explanations(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return the global figure, the gap figure and a few sample decisions."""
    gap = metrics.get("gap") or {}
    return {
        "overall": _draw(figures.attributions, metrics.get("global"), "Mean contribution"),
        "gap": figures.gap(gap["by_feature"], float(gap.get("total") or 0), _gap_title(gap))
        if gap.get("by_feature")
        else None,
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
