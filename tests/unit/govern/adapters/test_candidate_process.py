"""Whatever a candidate does, the worker gets one sentence and lives."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest

from govern.adapters.candidates.card import Card
from govern.adapters.candidates.process import Limits, SandboxedModel
from govern.checks.registry import CheckData, run_check
from govern.errors import CandidateError

CARD = Card.read(json.dumps({"format": "onnx", "inputs": [{"columns": ["a", "b"]}]}).encode())
LIMITS = Limits(memory_bytes=1 << 30, load_seconds=30, predict_seconds=1.5)
ROWS = np.zeros((5, 2))


def hostile(what: str) -> SandboxedModel:
    return SandboxedModel(CARD, {}, limits=LIMITS, module=("tests.support.hostile", what))


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        ("nan", r"no number \(NaN\) as scores for 5 of 5 rows"),
        ("wrong shape", r"scores of shape \(5, 2\) for 5 rows; one number a row"),
        ("too few", r"labels of shape \(4,\) for 5 rows"),
        ("logits", r"scores from -3.5 to -3.5, which are not shares from 0 to 1; if they are logits"),
        ("classes", "labels other than 0 and 1"),
        ("text", "no numbers as labels"),
        ("objects", "the candidate failed: ValueError: an array of objects"),
        ("huge", "is over the limits"),
        ("hangs", "took longer than the time it has"),
        ("eats memory", "more memory than it may have"),
        ("exits", "ended by itself with exit code 7"),
        ("crashes", "ended with SIGSEGV"),
        ("lies", "over the limits"),
        ("raises", "ZeroDivisionError"),
        ("writes files", "PermissionError"),
        ("reads secrets", "PermissionError"),
        ("opens a socket", "PermissionError"),
        ("sends a datagram", "PermissionError"),
        ("starts a program", "PermissionError"),
        ("forks", "PermissionError"),
        ("kills the worker", "PermissionError"),
    ],
)
def test_a_hostile_candidate_gives_a_sentence(what: str, sentence: str) -> None:
    with hostile(what) as model, pytest.raises(CandidateError, match=sentence):
        model.predict(ROWS)


def test_what_a_candidate_prints_does_not_reach_the_messages() -> None:
    with hostile("talks") as model:
        labels, scores = model.predict(ROWS)
        assert labels.tolist() == [1] * 5 and scores.tolist() == [0.5] * 5


def test_a_hostile_candidate_gives_an_error_verdict_in_time() -> None:
    frame = pd.DataFrame(np.zeros((5, 2)), columns=["a", "b"])
    sensitive = pd.DataFrame({"race": ["x"] * 5})
    data = CheckData(frame, np.zeros(5, np.int64), sensitive, np.zeros((2, 2)), {}, {}, "sha256:" + "0" * 64)
    started = time.monotonic()
    with hostile("hangs") as model:
        result = run_check("repeatability", model=model, data=data, clock=lambda: "2026-11-25T00:00:00Z")
        assert not model.alive
    assert result.verdict == "error"
    assert "longer than the time" in result.findings[0].message
    assert time.monotonic() - started < 20


@pytest.fixture(scope="module")
def report() -> Iterator[dict]:
    with hostile("talks") as model:
        yield model.device["sandbox"]


def test_the_evidence_says_what_the_kernel_granted(report: dict) -> None:
    assert report["level"] == ("none" if not report["seccomp"] and not report["landlock_abi"] else report["level"])
    assert report["memory_bytes"] == 1 << 30
    assert (report["level"] == "full") == (report["lacks"] == [])
