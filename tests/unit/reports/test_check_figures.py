"""The figures beside a check's verdict, from the check's own metrics, in portal and report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from govern.checks.fairness import measure
from govern.web.portal import plots
from reports.content import build_document
from reports.html import to_html

FACTS = Path(__file__).resolve().parents[2] / "support" / "report_facts.json"


@pytest.fixture(scope="module")
def fairness() -> dict[str, Any]:
    random = np.random.default_rng(0)
    groups = pd.Series(random.choice(["a", "b", "c"], 600), name="race")
    answers = (random.random(600) < groups.map({"a": 0.3, "b": 0.5, "c": 0.6})).astype(int).to_numpy()
    return {"rows": 600, "positive": "approve", "features": {"race": measure(random.integers(0, 2, 600), answers, groups, 0)}}


DELETION = {"area": 0.21, "random_area": 0.09, "ratio": 2.3}
INNER = {"scale": "margin", "rows": 600, "global": [{"feature": "income", "mean_abs": 0.4}],
         "interactions": {"pairs": [{"features": ["income", "debt"], "mean_abs": 0.05}]}}


def test_the_portal_draws_pairs_everybody_and_false_alarms_with_their_numbers_in_words(fairness: dict[str, Any]) -> None:
    drawn = plots.fairness(fairness)[0]
    found = fairness["features"]["race"]
    worst = found["pairwise"]["least_equal"][0]
    assert f"{worst['group']} / {worst['reference']}: {worst['ratio']:.3f}" in drawn["pairs"].description
    one = found["to_overall"][0]
    assert f"{one['group']}: {one['ratio']:.3f}" in drawn["against_all"].description
    alarm = plots.false_alarms(fairness)
    assert alarm is not None and f"race: {100 * found['false_alarm']['chance']:.1f}%" in alarm.description


def test_the_portal_draws_deletion_values_from_inside_and_reliability() -> None:
    explained = plots.explanations({"deletion": DELETION, "inner": INNER})
    assert "strongest first: 0.210; at random: 0.090" in explained["deletion"].description
    assert "income: 0.400" in explained["inner"].description
    assert "income x debt: 0.050" in explained["pairs"].description
    bins = [{"n": 5, "rate": 0.4, "mean_score": 0.5}]
    assert plots.performance({"reliability": bins}) is not None
    assert plots.performance({}) is None and plots.false_alarms({}) is None


def test_figures_are_left_out_where_the_figures_are_missing() -> None:
    old = {"features": {"race": {"groups": [], "comparisons": []}}}
    drawn = plots.fairness(old)[0]
    assert drawn["pairs"] is None and drawn["against_all"] is None
    assert plots.explanations({})["deletion"] is None


def test_the_report_prints_the_same_figures(fairness: dict[str, Any]) -> None:
    facts = json.loads(FACTS.read_text("utf-8"))
    facts["checks"]["fairness"]["result"]["metrics"] = fairness
    facts["checks"]["explainability"]["result"]["metrics"] |= {"deletion": DELETION, "inner": INNER}
    text = to_html(build_document(facts))
    for title in (
        "Least equal pairs by race", "Selection rate over everybody", "How often the worst group would fail by chance",
        "Score moved as features go", "Mean absolute contribution to the margin, over 600 rows",
        "Mean absolute interaction of two features",
    ):
        assert title in text
