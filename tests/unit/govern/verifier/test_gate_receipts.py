"""Receipts of a bundle, written at once, are those written one by one."""

from __future__ import annotations

import os
from binascii import b2a_base64

import pytest

from govern.domain.gate_record import receipt_header
from govern.verifier.gates import _lines


@pytest.mark.parametrize("origin", ["bank.example/govern/gate/demo", "100%d/gate %s"])
@pytest.mark.parametrize("count", [1, 3, 256])
def test_the_template_writes_what_a_gate_writes(origin: str, count: int) -> None:
    leaves = [os.urandom(48) for _ in range(count)]
    letters = b2a_base64(b"".join(leaves), newline=False)
    digest = "sha256:" + "0c" * 32
    head, tail = f'v1; origin="{origin}"; index='.encode(), f'; admission="{digest}"'.encode()
    wanted = [receipt_header(origin, 512 + at, leaf, digest) for at, leaf in enumerate(leaves)]
    assert _lines(head, tail, 512, letters) == "".join(f"{row}\n" for row in wanted).encode()
