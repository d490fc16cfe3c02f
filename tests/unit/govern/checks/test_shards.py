"""How many shards the rows were cut into changes nothing: the same bits come out."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import skops.io
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from govern.adapters.candidates.opening import open_candidate
from govern.adapters.candidates.process import Limits
from govern.checks import shapley
from govern.checks.counts import Groups, count, encode, total
from govern.checks.fairness import measure_counts
from govern.checks.fairness_findings import Rules

RANDOM = np.random.default_rng(0)
SIZE = 600
LABELS, ANSWERS = RANDOM.integers(0, 2, SIZE), RANDOM.integers(0, 2, SIZE)
GROUPS = encode("race", pd.Series(RANDOM.choice(["x", "y", "z", "unknown"], SIZE)))
WHOLE = repr(measure_counts(count(LABELS, ANSWERS, GROUPS), 0, Rules(bootstraps=200)))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, SIZE - 1), max_size=12), st.randoms())
def test_every_fairness_figure_is_the_same_however_rows_are_cut_and_in_any_order(cuts: list[int], order: object) -> None:
    edges = [0, *sorted(set(cuts)), SIZE]
    parts = [slice(a, b) for a, b in pairwise(edges)]
    order.shuffle(parts)  # type: ignore[attr-defined]
    counted = total(
        count(LABELS[part], ANSWERS[part], Groups("race", GROUPS.codes[part], GROUPS.names)) for part in parts
    )
    assert repr(measure_counts(counted, 0, Rules(bootstraps=200))) == WHOLE


@pytest.mark.parametrize("shards", [1, 2, 3, 8])
def test_explanations_are_the_same_bits_however_rows_are_cut(shards: int) -> None:
    weights = RANDOM.normal(size=(5, 5))
    rows, background = np.arange(80.0).reshape(16, 5) / 40, np.arange(50.0).reshape(10, 5) / 25

    def function(table: np.ndarray) -> np.ndarray:
        return np.asarray(np.tanh((table[:, :, None] * weights).sum(axis=1)).sum(axis=1))

    whole = shapley.explain(function, rows, background, paths=40, seed=3)
    parts = [shapley.explain(function, part, background, paths=40, seed=3) for part in np.array_split(rows, shards)]
    assert np.concatenate([part.values for part in parts]).tobytes() == whole.values.tobytes()
    assert np.concatenate([part.errors for part in parts]).tobytes() == whole.errors.tobytes()
    assert {part.base for part in parts} == {whole.base}


def test_answers_of_a_real_candidate_are_the_same_bits_in_shards_of_whole_batches() -> None:
    table = RANDOM.normal(size=(SIZE, 3))
    model = LogisticRegression().fit(table, LABELS)
    card = {"format": "skops", "inputs": [{"columns": ["a", "b", "c"]}]}
    files = {"model.skops": skops.io.dumps(model), "model.json": json.dumps(card).encode()}
    with open_candidate(files, limits=Limits(rows_per_batch=100)) as candidate:
        whole = candidate.predict(table)
        for shard in (100, 200, 300):
            parts = [candidate.predict(table[low : low + shard]) for low in range(0, SIZE, shard)]
            for place in (0, 1):
                assert np.concatenate([part[place] for part in parts]).tobytes() == whole[place].tobytes()
