"""Frames come back as they went, and what is no frame is refused before memory is asked for."""

from __future__ import annotations

import io
import json
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from govern.adapters.candidates.frames import Frame, decode, encode
from govern.errors import MalformedError

ANY_ARRAY = arrays.arrays(
    st.sampled_from([np.float32, np.float64, np.int64, np.bool_]),
    arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5),
)


def taken(data: bytes) -> Frame:
    return decode(io.BytesIO(data).read, body_bytes_max=10_000)


@given(ANY_ARRAY, st.binary(max_size=50))
@settings(max_examples=60, deadline=None)
def test_a_frame_comes_back_as_it_went(array: np.ndarray, data: bytes) -> None:
    found = taken(b"".join(encode(Frame({"n": 1}, {"a": array}, {"f": data}))))
    assert found.header == {"n": 1} and found.files == {"f": data}
    assert found.arrays["a"].dtype == array.dtype and found.arrays["a"].shape == array.shape
    np.testing.assert_array_equal(found.arrays["a"], array)


def made(header: object, body: bytes = b"", length: int | None = None) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack(">IQ", len(text), len(body) if length is None else length) + text + body


def pickled() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.array([{}], object), allow_pickle=True)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        struct.pack(">IQ", 1 << 30, 0),
        struct.pack(">IQ", 2, 1 << 60) + b"{}",
        made([]),
        made({"value": [], "parts": []}),
        made({"value": {}, "parts": [["array", "a", -1]]}),
        made({"value": {}, "parts": [["array", "a", 5]]}, b"hello", 4),
        made({"value": {}, "parts": [["array", "a", 5]]}, b"hello"),
        made({"value": {}, "parts": [["file", "f", 0]] * 300}),
        made({"value": {}, "parts": [["array", "a", len(pickled())]]}, pickled()),
    ],
)
def test_what_is_no_frame_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedError):
        taken(data)


def test_an_array_of_objects_is_not_sent() -> None:
    with pytest.raises(ValueError, match="objects"):
        encode(Frame({}, {"a": np.array([{}], object)}))
