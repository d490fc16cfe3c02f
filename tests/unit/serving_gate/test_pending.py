"""What the gate writes at speed is what the specification says, byte for byte."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from govern.domain.gate_record import GateRecord, receipt_header
from serving_gate.exchange import _receipt_parts
from serving_gate.heads import BadHeadError, _read_request, read_request
from serving_gate.pending import Pending, record_bytes

TEXT = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
BODY = st.none() | st.binary(max_size=60)
MORE = st.none() | st.dictionaries(st.sampled_from(["opened", "chunks", "a", "z"]), st.integers(0, 9))


def side(body: bytes | None, salt: bytes, more: dict[str, Any] | None) -> dict[str, Any]:
    committed = None
    if body is not None:
        committed = base64.b64encode(hashlib.sha256(salt + body).digest()).decode()
    return {"bytes": len(body or b""), "commitment": committed, **(more or {})}


@given(st.lists(TEXT, min_size=9, max_size=9), BODY, BODY, MORE, MORE, st.integers(0, 2**40))
def test_record_bytes_are_canonical(
    texts: list[str | None], request: bytes | None, response: bytes | None,
    request_more: dict[str, Any] | None, response_more: dict[str, Any] | None, seq: int,
) -> None:  # fmt: skip
    admission, caller, candidate, deployment, method, path, reason, trace, upstream = texts
    kind, at, salt = "error", "2026-11-25T00:00:00.000000Z", b"s" * 32
    same: dict[str, Any] = {
        "admission": admission, "caller": caller, "candidate": candidate, "deployment": deployment,
        "method": method or "", "path": path or "", "reason": reason, "trace": trace,
        "upstream": upstream, "kind": kind, "status": 502, "latency_us": seq // 7,
    }  # fmt: skip
    pending = Pending(
        done=lambda index, leaf: None, failed=lambda: None, request_body=request, response_body=response,
        request_more=request_more, response_more=response_more, **same,
    )  # fmt: skip
    record = GateRecord(
        seq=seq, at=at, request=side(request, salt, request_more),
        response=side(response, salt, response_more), **same,
    )  # fmt: skip
    assert record_bytes(pending, seq, at, salt) == record.to_bytes()


@given(st.integers(0, 2**48), st.binary(min_size=48, max_size=48), st.none() | st.just("sha256:" + "a" * 64))
def test_receipts_are_as_specified(index: int, leaf: bytes, admission: str | None) -> None:
    before, after = _receipt_parts("bank.example/gate", admission)
    line = b"%s%d; leaf=:%s:%s" % (before, index, base64.b64encode(leaf), after)
    assert line == f"govern-receipt: {receipt_header('bank.example/gate', index, leaf, admission)}\r\n".encode()


LINES = st.sampled_from([
    b"Host: g", b"Content-Length: 5", b"content-length:7", b"CONTENT-LENGTH: 5", b"Content-Length: 5, 5",
    b"Content-Length : 5", b" Content-Length: 5", b"Transfer-Encoding: chunked", b"traceparent: 00-a-b-01",
    b"Traceparent: x", b"X-Request-Id: 1", b"x-request-id: 2", b"Connection: close", b"Connection: x-request-id",
    b"Connection: content-length", b"Accept: */*", b"content-length: 5\rX: y", b"content-length: 5\nX: y",
    b"Expect: 100-continue", b"content-length:", b"x-content-length: 5", b"X: content-length: 5", b"",
])  # fmt: skip


@given(st.lists(LINES, max_size=6), st.sampled_from([b"HTTP/1.1", b"HTTP/1.0"]))
def test_reading_varying_lines_apart_changes_no_meaning(lines: list[bytes], version: bytes) -> None:
    data = b"\r\n".join([b"POST /predict/a " + version, *lines]) + b"\r\n\r\n"
    try:
        whole = _read_request(data)
    except BadHeadError:
        whole = None
    try:
        apart = read_request(data)
    except BadHeadError:
        apart = None
    if whole is None or apart is None:
        assert whole is apart
        return
    assert sorted(apart.headers) == sorted(whole.headers)
    for name in ("method", "target", "fields", "length", "chunked", "keep_alive", "expects_continue"):
        assert getattr(apart, name) == getattr(whole, name)
