"""Records of a real ONNX model are asked again in its sandbox; each kind of outcome is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from govern.adapters.replay_hosts import ArchivedModel, open_archived
from govern.checks.replaying import Exchange, compare
from govern.domain.gate_archive import ArchivedRecord
from govern.errors import NotFoundError
from govern.services import replaying
from govern.services.replaying import Replay
from govern.transparency.digest import digest_of
from tests.support.gate_records import record

COLUMNS = 4
CANDIDATE = "sha256:" + "c" * 64
CARD = json.dumps(
    {"format": "onnx", "inputs": [{"columns": [f"c{place}" for place in range(COLUMNS)]}]}
).encode()


def onnx_model() -> bytes:
    """Return a logistic model."""
    nodes = [
        helper.make_node("MatMul", ["x", "weights"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["score"]),
        helper.make_node("Greater", ["score", "half"], ["positive"]),
        helper.make_node("Cast", ["positive"], ["label"], to=TensorProto.INT64),
    ]
    weights = np.array([0.5, -1.0, 2.0, 0.25], np.float32)
    constants = {"weights": weights, "half": np.array(0.5, np.float32)}
    graph = helper.make_graph(
        nodes, "logistic",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, COLUMNS])],
        [
            helper.make_tensor_value_info("label", TensorProto.INT64, [None]),
            helper.make_tensor_value_info("score", TensorProto.FLOAT, [None]),
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )  # fmt: skip
    opset = [helper.make_opsetid("", 18)]
    return bytes(helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString())


FILES = {"model.onnx": onnx_model(), "model.json": CARD}
BLOBS = {digest_of(data): data for data in FILES.values()}


@pytest.fixture(scope="module")
def model() -> Iterator[ArchivedModel]:
    listed = {name: digest_of(data) for name, data in FILES.items()}
    with ExitStack() as stack:
        yield open_archived(stack, type("Kept", (), {"get": BLOBS.__getitem__}), listed, "cpu")


def plain(rows: np.ndarray) -> list[float | None]:
    return [None if value != value else value for value in rows.ravel().tolist()]


def archived(seq: int, rows: np.ndarray, scores: list[float], **more: Any) -> ArchivedRecord:
    tensor = {"name": "x", "datatype": "FP32", "shape": list(rows.shape), "data": plain(rows)}
    label = [int(score > 0.5) for score in scores]
    answer = {"outputs": [{"name": "label", "data": label}, {"name": "score", "data": scores}]}
    one = replace(record(seq, "sha256:" + "a" * 64, "inference"), **more)
    return ArchivedRecord(
        b"", one.to_bytes(), b"", json.dumps({"inputs": [tensor]}).encode(), json.dumps(answer).encode()
    )


def told(model: ArchivedModel, items: list[ArchivedRecord | None], tolerance: float = 1e-6) -> Replay:
    def host(candidate: str) -> ArchivedModel:
        if candidate != CANDIDATE:
            raise NotFoundError("no blob has that digest")
        return model

    seen: list[int] = []
    outcome = replaying.replay(items, host, tolerance=tolerance, progress=seen.append)
    assert sum(seen) == len(items)
    return outcome


def answered(model: ArchivedModel, rows: np.ndarray) -> list[float]:
    return [float(score) for score in model.predict(rows, {})[1]]


def rows(seed: int, count: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, COLUMNS)).astype(np.float32).astype(float)


def test_what_the_model_answered_is_answered_again_to_the_bit(model: ArchivedModel) -> None:
    items = [archived(at, rows(at), answered(model, rows(at))) for at in range(40)]
    outcome = told(model, items)
    assert outcome.counts == {"exact": 40} and outcome.rows == 120 and outcome.worst == 0.0
    assert outcome.admissions == {"sha256:" + "a" * 64}
    assert outcome.devices[CANDIDATE]["provider"] == "CPUExecutionProvider"


def test_another_answer_diverges_and_is_named(model: ArchivedModel) -> None:
    items: list[ArchivedRecord | None] = [
        archived(at, rows(at), answered(model, rows(at))) for at in range(5)
    ]
    moved = answered(model, rows(9))
    items.append(archived(9, rows(9), [moved[0], 1 - moved[1], moved[2]]))
    outcome = told(model, items)
    assert outcome.counts == {"exact": 5, "divergent": 1}
    (found,) = outcome.divergent
    assert found["index"] == 9 and found["labels_changed"] == 1
    assert found["gap"] == pytest.approx(abs(1 - 2 * moved[1]), rel=1e-6)


def test_close_means_within_the_tolerance_and_the_same_label(model: ArchivedModel) -> None:
    scores = answered(model, rows(1))
    moved = [archived(1, rows(1), [score + 5e-5 for score in scores])]
    assert told(model, moved, tolerance=1e-4).counts == {"close": 1}
    assert told(model, moved, tolerance=1e-5).counts == {"divergent": 1}


def test_what_cannot_be_asked_again_is_counted_with_its_reason(model: ArchivedModel) -> None:
    good = answered(model, rows(1))
    no_body = replace(archived(2, rows(1), good), response_body=None)
    outcome = told(model, [
        None,
        no_body,
        archived(3, rows(1), good, candidate="sha256:" + "d" * 64),
        archived(4, rows(1), good, path="/openai/v1/completions"),
        archived(5, rows(1), good, kind="stream-open"),
        archived(6, rows(1), good, kind="refusal"),
        archived(7, rows(1), good),
    ])  # fmt: skip
    assert outcome.counts == {"exact": 1, "not replayed": 5}
    assert sum(outcome.reasons.values()) == 5 and len(outcome.reasons) == 5
    assert replaying.ERASED in outcome.reasons and replaying.NOT_KEPT in outcome.reasons
    assert any("no blob has that digest" in why for why in outcome.reasons)


def test_rows_that_the_model_fails_on_are_counted_and_the_others_asked(model: ArchivedModel) -> None:
    missing, good = rows(1).copy(), answered(model, rows(1))
    missing[0, 0] = np.nan
    outcome = told(model, [archived(1, missing, good), archived(2, rows(1), good)])
    assert outcome.counts == {"exact": 1, "not replayed": 1}
    assert "no number (NaN)" in next(iter(outcome.reasons))


def test_a_score_that_is_no_number_diverges() -> None:
    asked = Exchange(np.zeros((1, 1)), {}, np.array([0]), np.array([0.5]))
    (found,) = compare([asked], np.array([0]), np.array([np.nan], np.float32), 1.0)
    assert found.verdict == "divergent" and found.gap == np.inf
