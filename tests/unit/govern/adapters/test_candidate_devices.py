"""Where a candidate runs is asked, asserted and compared with the CPU."""

from __future__ import annotations

import json

import numpy as np
import pytest
import skops.io
from sklearn.linear_model import LogisticRegression

from govern.adapters.candidates.card import Card
from govern.adapters.candidates.devices import cuda_here
from govern.adapters.candidates.equivalence import compared, with_equivalence
from govern.adapters.candidates.opening import open_candidate
from govern.errors import CandidateError, InvalidRequestError

ROWS = np.random.default_rng(1).normal(size=(300, 2))


def folder(**card: object) -> dict[str, bytes]:
    model = LogisticRegression().fit(ROWS, ROWS[:, 0] > 0)
    described = {"format": "skops", "inputs": [{"columns": ["a", "b"]}], **card}
    return {"model.skops": skops.io.dumps(model), "model.json": json.dumps(described).encode()}


def test_a_candidate_that_asks_for_cuda_and_runs_elsewhere_is_refused() -> None:
    with pytest.raises(CandidateError, match="cuda was asked for, it runs on cpu"):
        open_candidate(folder(device="cuda"))


def test_what_the_cpu_answers_to_a_sample_is_evidence_once() -> None:
    files = folder()
    with open_candidate(files) as model:
        with_equivalence(model, files, ROWS, {})
        assert "cpu_equivalence" not in model.device  # it runs on the CPU itself
        model.device["kind"] = "cuda"
        with_equivalence(model, files, ROWS, {})
        expected = {"rows": 256, "labels_changed": 0, "max_abs_score_difference": 0.0}
        assert model.device["cpu_equivalence"] == expected
        assert set(model.device["builds"]) == {"python", "numpy"}


def test_a_difference_between_devices_is_counted() -> None:
    one = (np.array([0, 1, 1]), np.array([0.1, 0.6, 0.7]))
    two = (np.array([0, 0, 1]), np.array([0.1, 0.4, 0.7]))
    found = compared(one, two)
    assert found["labels_changed"] == 1 and found["max_abs_score_difference"] == pytest.approx(0.2)


def test_an_unknown_device_is_refused_and_no_library_is_asked_whether_cuda_is_here() -> None:
    with pytest.raises(InvalidRequestError, match="cpu or cuda"):
        Card.read(folder(device="tpu")["model.json"])
    assert cuda_here() in (True, False)
