"""Messages between a worker and the process that runs a candidate.

A frame is: 4 bytes length of the header, 8 bytes length of the body (both big-endian), a JSON
header, and a body of parts one after the other. The header names each part and its length. A
part is either raw bytes (a model's file) or an array in NumPy's ``.npy`` format, read where
objects are refused: nothing that comes in is ever run. Everything has a limit.
"""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from govern.errors import MalformedError

HEADER_BYTES_MAX = 1 << 20
BODY_BYTES_MAX = 4 << 30
PARTS_MAX = 256
_LENGTHS = struct.Struct(">IQ")
Read = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Frame:
    """One message.

    Args:
        header: JSON values.
        arrays: arrays by name, dtypes without objects.
        files: bytes by name.
    """

    header: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)


def encode(frame: Frame) -> list[bytes | memoryview]:
    """Return a frame as pieces of bytes to write in order.

    Raises:
        ValueError: an array holds objects.
    """
    pieces: list[bytes | memoryview] = []
    named: list[list[Any]] = []
    for name, array in frame.arrays.items():
        head, data = _npy(array)
        pieces += [head, data]
        named.append(["array", name, len(head) + len(data)])
    for name, content in frame.files.items():
        pieces.append(content)
        named.append(["file", name, len(content)])
    header = json.dumps({"value": dict(frame.header), "parts": named}).encode()
    body = sum(length for _, _, length in named)
    return [_LENGTHS.pack(len(header), body), header, *pieces]


def decode(read: Read, *, body_bytes_max: int = BODY_BYTES_MAX) -> Frame:
    """Read one frame.

    Args:
        read: returns exactly that many bytes or raises.
        body_bytes_max: longest body that is taken.

    Raises:
        MalformedError: the bytes are no frame, or are over a limit.
    """
    header_bytes, body_bytes = _LENGTHS.unpack(read(_LENGTHS.size))
    if header_bytes > HEADER_BYTES_MAX or body_bytes > body_bytes_max:
        raise MalformedError(
            f"a message of {header_bytes} + {body_bytes} bytes is over the limits "
            f"{HEADER_BYTES_MAX} + {body_bytes_max}"
        )
    value, parts = _header(read(header_bytes))
    if sum(length for _, _, length in parts) != body_bytes:
        raise MalformedError("a message's parts are not as long as its body")
    arrays, files = {}, {}
    for kind, name, length in parts:
        data = read(length)
        if kind == "array":
            arrays[name] = _array(name, data)
        else:
            files[name] = data
    return Frame(value, arrays, files)


def _npy(array: np.ndarray) -> tuple[bytes, memoryview]:
    """Return an array's header and its numbers, without copying them."""
    if array.dtype.hasobject:
        raise ValueError("an array of objects is not sent")
    whole, head = np.asarray(array, order="C"), io.BytesIO()
    np.lib.format.write_array_header_1_0(head, np.lib.format.header_data_from_array_1_0(whole))
    return head.getvalue(), whole.reshape(-1).view(np.uint8).data


def _array(name: str, data: bytes) -> np.ndarray:
    """Return an array over the bytes that came, read-only."""
    source = io.BytesIO(data)
    try:
        if np.lib.format.read_magic(source) != (1, 0):
            raise ValueError("another version than 1.0")
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(source)
        if dtype.hasobject:
            raise ValueError("it holds objects")
        flat = np.frombuffer(data, dtype, offset=source.tell())
        return flat.reshape(shape, order="F" if fortran else "C")
    except Exception as error:
        raise MalformedError(f"{name} is no array: {str(error)[:120]}") from None


def _header(data: bytes) -> tuple[dict[str, Any], list[tuple[str, str, int]]]:
    try:
        header = json.loads(data)
        value, parts = header["value"], header["parts"]
        named = [(str(kind), str(name), length) for kind, name, length in parts]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise MalformedError("a message's header is not the JSON it should be") from None
    well = all(type(length) is int and length >= 0 for _, _, length in named)
    if not isinstance(value, dict) or len(named) > PARTS_MAX or not well:
        raise MalformedError(f"a message has an object and at most {PARTS_MAX} sized parts")
    return value, named
