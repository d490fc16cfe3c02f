"""Write a gate's payload segments as a gate does, without running one."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from govern.domain.gate_archive import (
    HEADER_BYTES,
    PayloadKey,
    erased_frame,
    frames,
    keyring_line,
    make_frame,
    pack_payload,
    segment_header,
)
from govern.domain.gate_record import GateRecord, commitment, make_leaf

KEY = PayloadKey(b"k" * 8, "teller", b"K" * 32)
SIDE = {"commitment": "x" * 44, "bytes": 400, "content_type": "application/json"}


def record(seq: int, admission: str | None, kind: str, caller: str = "teller") -> GateRecord:
    """Return one record."""
    return GateRecord(
        seq=seq, at="2026-11-25T00:00:00.000000Z", kind=kind, deployment="mortgage-approval",
        admission=admission, candidate="sha256:" + "c" * 64, caller=caller, method="POST",
        path="/v2/models/mortgage-approval/infer", request=SIDE, response=SIDE, status=200,
        reason=None, latency_us=900, upstream="onnx", trace=None,
    )  # fmt: skip


def write_gate(
    gate: Path,
    rows: Iterable[tuple[str | None, str]],
    *,
    erased: Iterable[int] = (),
    segment_records: int = 1_000,
    body: bytes = b"{}",
    caller: str = "teller",
) -> None:
    """Write records (admission and kind each) into a gate's folder."""
    payloads, gone = gate / "payloads", set(erased)
    payloads.mkdir(parents=True)
    (payloads / "keyring").write_bytes(keyring_line(KEY))
    cipher, parts, first = AESGCM(KEY.key), [segment_header(0)], 0
    for seq, (admission, kind) in enumerate(rows):
        if seq and seq % segment_records == 0:
            (payloads / f"{first:016d}.seg").write_bytes(b"".join(parts))
            parts, first = [segment_header(seq)], seq
        data, salt, nonce = record(seq, admission, kind, caller).to_bytes(), seq.to_bytes(32, "big"), seq.to_bytes(12, "big")
        leaf = make_leaf(seq, seq, commitment(salt, data))
        sealed = cipher.encrypt(nonce, pack_payload(salt, data, body, body), leaf)
        made = make_frame(leaf, KEY.key_id, nonce, sealed)
        parts.append(made if seq not in gone else _erase(made))
    (payloads / f"{first:016d}.seg").write_bytes(b"".join(parts))


def _erase(made: bytes) -> bytes:
    (frame,) = frames(bytes(HEADER_BYTES) + made)
    return erased_frame(frame)
