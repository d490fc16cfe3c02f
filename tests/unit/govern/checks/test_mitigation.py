"""The mitigation bench on data with a planted gap: it narrows, and says what it costs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from govern.checks import mitigation
from govern.errors import InvalidRequestError


def planted(rows: int = 1200) -> tuple[pd.DataFrame, np.ndarray, pd.Series]:
    random = np.random.default_rng(4)
    group = random.choice(["a", "b", "unknown"], rows, p=[0.6, 0.35, 0.05])
    skill, proxy = random.normal(size=rows), (group == "b") + 0.3 * random.normal(size=rows)
    labels = (skill - 1.2 * (group == "b") + 0.4 + 0.5 * random.normal(size=rows) > 0).astype(int)
    return pd.DataFrame({"skill": skill, "proxy": proxy}), labels, pd.Series(group, name="group")


def test_a_tighter_bound_narrows_the_gap_and_the_cost_is_said() -> None:
    table = mitigation.prepare(*planted())
    rows = {row["name"]: row for row in mitigation.compare(table, 0)}
    plain, tight = rows["as it is"], rows["demographic parity, bound 0.01"]
    assert tight["ratio"]["value"] > plain["ratio"]["value"] + 0.2
    assert tight["accuracy"] < plain["accuracy"]
    moved = {item["group"]: item for item in tight["moved"]}
    assert moved["b"]["gain"] > moved["b"]["lose"]
    assert rows["thresholds per group"]["needs_attribute"] and rows["thresholds per group"]["random"]
    assert table.left_out > 0


def test_the_same_seed_gives_the_same_table() -> None:
    table = mitigation.prepare(*planted(400))
    assert repr(list(mitigation.compare(table, 1))) == repr(list(mitigation.compare(table, 1)))


@pytest.mark.parametrize("broken", ["one class", "one group", "too few"])
def test_what_cannot_be_compared_is_refused(broken: str) -> None:
    features, labels, group = planted(400)
    if broken == "one class":
        labels = np.ones_like(labels)
    elif broken == "one group":
        group = pd.Series(["a"] * 400, name="group")
    else:
        features, labels, group = features[:20], labels[:20], group[:20]
    with pytest.raises(InvalidRequestError):
        mitigation.prepare(features, labels, group)
