"""What the gate reads of a gRPC message is what Google's parser reads, or it is refused."""

from __future__ import annotations

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from serving_gate import problem
from serving_gate.grpc_wire import CODES, SERVICE, BadMessageError, http_status, model_of
from tests.support.grpc_lab import MESSAGES, request

pytestmark = pytest.mark.unit
INFER = SERVICE + "ModelInfer"
PIECES = st.sampled_from([
    b"\x0a\x04iris", b"\x0a\x05other", b"\x8a\x00\x05other", b"\x8a\x80\x80\x80\x80\x01\x05other", b"\x0a\x84\x00iris",
    b"\x12\x00", b"\x12\x012", b"\x1a\x01a", b"\x08\x01", b"\x0b\x0c", b"\x1b\x0a\x05other\x1c", b"\x42\x00", b"\x00", b"\x0a",
    b"\x3a\x02xy", b"\xff", b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", b"\x0a\x02\xff\xfe",
])  # fmt: skip


@given(st.one_of(st.lists(PIECES, max_size=5).map(b"".join), st.binary(max_size=40)))
def test_an_accepted_message_has_one_meaning(message: bytes) -> None:
    try:
        model = model_of(INFER, message)
    except BadMessageError:
        return
    try:
        read = MESSAGES["InferRequest"].FromString(message)
    except DecodeError:
        return  # no parser reads it as another model
    assert (read.model_name, read.model_version) == (model, "")


@given(st.text(max_size=30), st.binary(max_size=30))
def test_what_clients_send_is_accepted(model: str, row: bytes) -> None:
    asked = request(model, identity="7")
    asked.raw_input_contents.append(row)
    data = asked.SerializeToString()
    if b"shared_memory" not in data:
        assert model_of(INFER, data) == model


def test_every_reason_is_a_status_that_is_no_answer() -> None:
    assert set(CODES) == set(problem.REASONS)
    assert all(http_status(code) >= 400 for code in CODES.values())
