"""Exchanges are read back as they were asked, in every protocol; anything else is refused."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from govern.adapters.candidates.asked import read_exchange
from govern.adapters.candidates.card import Card
from govern.adapters.candidates.remote import _PROTOCOLS, Server
from govern.errors import InvalidRequestError

PATHS = {
    "v2": "/v2/models/loans/infer", "v1": "/v1/models/loans:predict",
    "invocations": "/invocations/loans", "json": "/predict/loans",
}  # fmt: skip
ANSWERS: dict[str, Any] = {
    "v2": {"outputs": [{"name": "label", "data": [0, 1]}, {"name": "score", "data": [0.2, 0.9]}]},
    "v1": {"predictions": [0.2, 0.9]},
    "invocations": {"predictions": [0.2, 0.9]},
    "json": {"rows": [{"p": 0.2}, {"p": 0.9}]},
}
MAPPING = {"rows": "applicants", "row": "object", "score": "rows.*.p"}
ROWS, CODES = np.array([[1.5, np.nan], [-2.0, 3.25]]), {"race": np.array([1, 0])}


def card(**more: Any) -> Card:
    value = {
        "format": "onnx", "inputs": [{"columns": ["income", "debt"]}], "threshold": 0.5,
        "protected_inputs": ["race"], "categories": {"race": ["black", "white"]},
        "server": {"mapping": MAPPING}, **more,
    }  # fmt: skip
    return Card.read(json.dumps(value).encode())


def request(protocol: str) -> Any:
    server = Server(protocol, "", "loans", 10, MAPPING)
    return _PROTOCOLS[protocol][0](server, ["income", "debt"], ROWS, CODES)[1]


@pytest.mark.parametrize("protocol", sorted(PATHS))
def test_what_was_sent_is_read(protocol: str) -> None:
    bodies = json.dumps(request(protocol)).encode(), json.dumps(ANSWERS[protocol]).encode()
    found = read_exchange(PATHS[protocol], card(), *bodies)
    np.testing.assert_array_equal(found.rows, ROWS)
    assert found.protected == {"race": ["white", "black"]}
    assert found.labels.tolist() == [0, 1]
    assert found.scores.tolist() == [0.2, 0.9]


@pytest.mark.parametrize("protocol", sorted(PATHS))
def test_another_count_of_answers_or_columns_is_refused(protocol: str) -> None:
    asked, answered = json.dumps(request(protocol)).encode(), json.dumps(ANSWERS[protocol])
    with pytest.raises(InvalidRequestError, match="not rows of this candidate"):
        read_exchange(PATHS[protocol], card(), asked, answered.replace("0.2", '"x"').encode())
    with pytest.raises(InvalidRequestError, match="not rows of this candidate"):
        narrow = card(inputs=[{"columns": ["income", "debt", "age"]}])
        read_exchange(PATHS[protocol], narrow, asked, answered.encode())


@pytest.mark.parametrize("code", [-1, 2])
def test_a_category_without_a_name_is_refused(code: int) -> None:
    asked = request("v1")
    asked["instances"][0][2] = code
    with pytest.raises(InvalidRequestError, match="not rows of this candidate"):
        read_exchange(
            PATHS["v1"], card(), json.dumps(asked).encode(), json.dumps(ANSWERS["v1"]).encode()
        )


def test_a_path_of_no_known_protocol_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="cannot be read as rows"):
        read_exchange("/openai/v1/chat/completions", card(), b"{}", b"{}")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["inputs", "outputs", "name", "data", "shape", "instances", "predictions"]),
        inner, max_size=3,
    ),
    max_leaves=8,
)  # fmt: skip


@given(st.sampled_from(sorted(PATHS)), JSON, JSON)
def test_any_other_json_is_refused_in_one_sentence(protocol: str, asked: Any, answered: Any) -> None:
    with pytest.raises(InvalidRequestError):
        read_exchange(
            PATHS[protocol], card(), json.dumps(asked).encode(), json.dumps(answered).encode()
        )
