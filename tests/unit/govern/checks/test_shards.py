"""How many shards the rows were cut into changes nothing: the same bits come out."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from govern.adapters.candidates.opening import open_candidate
from govern.adapters.candidates.process import Limits
from govern.checks import shapley
from govern.checks.counts import Groups, count, encode, total
from govern.checks.fairness import measure_counts
from govern.checks.fairness_findings import Rules
from govern.checks.pieces import SHARDS_MAX, Piece, Shard, cut, joined
from govern.checks.registry import CHECKS, CheckData, pieces_of
from tests.support.onnx_models import logistic

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
    card = {"format": "onnx", "inputs": [{"columns": ["a", "b", "c"]}]}
    data = logistic(model.coef_[0], float(model.intercept_[0]))
    files = {"model.onnx": data, "model.json": json.dumps(card).encode()}
    with open_candidate(files, limits=Limits(rows_per_batch=100)) as candidate:
        whole = candidate.predict(table)
        for shard in (100, 200, 300):
            parts = [candidate.predict(table[low : low + shard]) for low in range(0, SIZE, shard)]
            for place in (0, 1):
                assert np.concatenate([part[place] for part in parts]).tobytes() == whole[place].tobytes()


class Network:
    """A model whose batches are a few rows, so that every piece has several."""

    columns = ["a", "b", "c"]  # noqa: RUF012
    protected: list[str] = []  # noqa: RUF012
    device: dict[str, object] = {"rows_per_batch": 7}  # noqa: RUF012
    weights = np.random.default_rng(1).normal(size=(3, 8)).astype(np.float32)

    def predict(self, rows: np.ndarray, protected: object = None) -> tuple[np.ndarray, np.ndarray]:
        parts = [rows[low : low + 7].astype(np.float32) @ self.weights for low in range(0, len(rows), 7)]
        score = 1 / (1 + np.exp(-np.tanh(np.concatenate(parts)).sum(axis=1)))
        return (score >= 0.5).astype(np.int64), score


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("evaluations", [1, 50_000, 10**9])
def test_every_piece_of_every_check_is_the_same_bits_however_it_is_cut(check: str, evaluations: int) -> None:
    rows = pd.DataFrame(RANDOM.normal(size=(90, 3)), columns=Network.columns)
    people = pd.DataFrame({"race": RANDOM.choice(["x", "y"], 90)})
    data = CheckData(rows, LABELS[:90], people, rows.to_numpy()[:20], {}, {}, "sha256:0")
    pieces = {piece.name: piece for piece in pieces_of(check, Network(), data)}
    shards = cut(pieces.values(), evaluations)
    assert {shard.piece for shard in shards} == set(pieces)
    assert evaluations > 1 or len(shards) > len(pieces) or not pieces
    found = joined((shard, pieces[shard.piece].ask(slice(shard.low, shard.high))) for shard in reversed(shards))
    for name, piece in pieces.items():
        whole = piece.whole()
        for key in whole:
            assert found[name][key].tobytes() == whole[key].tobytes(), (name, key)


def test_a_shard_that_is_missing_is_not_passed_over() -> None:
    one = {"values": np.zeros(2)}
    with pytest.raises(ValueError, match="the rows 2 to 4 of answers are missing"):
        joined([(Shard("answers", 0, 2, 2), one), (Shard("answers", 4, 6, 2), one)])


def test_no_more_shards_than_may_be_kept() -> None:
    piece = Piece("answers", 10**7, 100, 1, lambda rows: {})
    shards = cut([piece], 1)
    assert len(shards) <= SHARDS_MAX and shards[-1].high == 10**7
    assert all(shard.low % 100 == 0 for shard in shards)
