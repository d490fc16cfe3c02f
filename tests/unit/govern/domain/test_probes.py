"""Answers are compared by what the model says, and by nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from govern.domain.probes import PROBE_BYTES_MAX, PROBES_MAX, Probe, checked, probes_of
from govern.errors import MalformedError

pytestmark = pytest.mark.unit
NUMBERS = st.floats(-1e6, 1e6)


def oip(label: int = 1, score: float = 0.25, **more: Any) -> dict[str, Any]:
    score_row = {"name": "score", "datatype": "FP32", "shape": [1], "data": [score]}
    return {"outputs": [{"name": "label", "datatype": "INT64", "shape": [1], "data": [label]}, score_row], **more}


def difference(signed: Any, given: Any, tolerance: float = 1e-5) -> str | None:
    return Probe(b"{}", json.dumps(signed).encode()).difference(json.dumps(given).encode(), tolerance)


def test_names_versions_and_order_are_the_servers_affair() -> None:
    other = {"id": "9", "model_version": "3", "outputs": list(reversed(oip()["outputs"]))}
    assert difference(oip(model_name="a"), other) is None


@pytest.mark.parametrize(
    "given",
    [oip(label=0), oip(score=0.2501), {"outputs": oip()["outputs"][:1]}, {"error": "x"}, [], None,
     {"outputs": [*oip()["outputs"], {"name": "more"}]}, oip(score=None), oip(label=1.5), oip(label=True)],
)  # fmt: skip
def test_another_answer_is_another(given: Any) -> None:
    assert difference(oip(), given)


@given(NUMBERS, NUMBERS)
def test_numbers_within_the_tolerance_count_as_equal_and_others_do_not(one: float, other: float) -> None:
    close = abs(one - other) <= max(1e-5 * max(abs(one), abs(other)), 1e-5)
    assert (difference(oip(score=one), oip(score=other)) is None) == close


def test_answers_that_are_no_json_are_compared_byte_for_byte() -> None:
    assert Probe(b"", b"\x00\x01").difference(b"\x00\x01", 0) is None
    assert Probe(b"", b"\x00\x01").difference(b"\x00\x02", 0)
    assert Probe(b"", b"{}").difference(b"[" * 100_000, 0)
    assert Probe(b"", b"[0.5]").difference(b"[1%s]" % (b"0" * 400), 0), "a number beyond all floats"


def test_probes_come_back_as_they_were_signed() -> None:
    made = checked([Probe(b'{"a":1}', b'{"b":2}')], 0.5)
    assert probes_of({"kind": "oip", "probes": json.loads(json.dumps(made.to_json()))}) == made
    assert probes_of({"kind": "oip"}) is None


@pytest.mark.parametrize(
    "value",
    [{}, [], 7, {"items": [], "tolerance": 0}, {"items": [{"body": "e30="}], "tolerance": 0},
     {"items": [{"body": "!", "answer": "e30="}], "tolerance": 0}, {"items": [{"body": "e30=", "answer": "e30="}], "tolerance": 2},
     {"items": [{"body": "e30=", "answer": "e30="}], "tolerance": "much"},
     {"items": [{"body": "e30=", "answer": "e30="}] * (PROBES_MAX + 1), "tolerance": 0}],
)  # fmt: skip
def test_what_are_no_probes_is_refused(value: Any) -> None:
    with pytest.raises(MalformedError):
        probes_of({"probes": value})


def test_probes_have_a_size_limit() -> None:
    with pytest.raises(MalformedError, match="bytes together"):
        checked([Probe(b"x" * PROBE_BYTES_MAX, b"x")])
