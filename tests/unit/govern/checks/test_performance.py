"""Performance: intervals that cover, one class said in a sentence, inputs that move."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score, brier_score_loss

from govern.checks import performance, robustness
from govern.checks.registry import CheckData, run_check


class Threshold:
    columns = ["x", "idle"]  # noqa: RUF012
    protected: list[str] = []  # noqa: RUF012
    device: dict[str, object] = {}  # noqa: RUF012

    def predict(self, rows: np.ndarray, protected: object = None) -> tuple[np.ndarray, np.ndarray]:
        if np.isnan(rows[:, 0]).any():
            raise ValueError("x is missing")
        score = 1 / (1 + np.exp(-4 * rows[:, 0]))
        return (score >= 0.5).astype(np.int64), score.astype(np.float32)


def table(labels: np.ndarray | None = None) -> CheckData:
    random = np.random.default_rng(0)
    features = pd.DataFrame({"x": random.normal(size=400), "idle": random.normal(size=400)})
    noisy = (features["x"] + random.normal(size=400) > 0).to_numpy().astype(np.int64)
    return CheckData(
        features=features, labels=noisy if labels is None else labels,
        sensitive=pd.DataFrame({"sex": random.choice(["f", "m"], 400)}),
        background=features.to_numpy()[:50], profile={}, digests={}, candidate="sha256:0",
    )


def test_headline_metrics_equal_scikit_learn() -> None:
    data = table()
    predicted, score = Threshold().predict(data.rows)
    found = performance.overall(data.labels, predicted, score, 0)
    assert found["balanced_accuracy"]["value"] == pytest.approx(balanced_accuracy_score(data.labels, predicted), abs=1e-12)
    assert found["brier"]["value"] == pytest.approx(brier_score_loss(data.labels, score), abs=1e-6)
    for row in found.values():
        assert row["low"] <= row["value"] <= row["high"]


def test_one_class_is_an_error_with_a_sentence() -> None:
    result = run_check("performance", model=Threshold(), data=table(np.ones(400, np.int64)), clock=lambda: "2026-01-01T00:00:00Z")
    assert result.verdict == "error"
    assert any("on one class" in finding.message for finding in result.findings)


def test_an_input_without_effect_changes_nothing_and_a_needed_one_is_named() -> None:
    data = table()
    predicted, _ = Threshold().predict(data.rows)
    found = robustness.measure(Threshold(), data, predicted, 0)
    rows = {row["feature"]: row for row in found["missing"]}
    assert rows["idle"]["changed"] == 0.0
    assert rows["x"]["changed"] is None and "x is missing" in rows["x"]["refused"]
    assert 0 < found["changed"]["value"] < 0.1


def test_a_library_error_is_an_error_verdict_and_no_traceback() -> None:
    class Broken(Threshold):
        def predict(self, rows: np.ndarray, protected: object = None) -> tuple[np.ndarray, np.ndarray]:
            raise MemoryError("no room")

    result = run_check("performance", model=Broken(), data=table(), clock=lambda: "2026-01-01T00:00:00Z")
    assert result.verdict == "error" and "no room" in result.findings[0].message
