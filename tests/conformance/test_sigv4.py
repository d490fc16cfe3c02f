"""Signature Version 4 against the test suite that AWS publishes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from serving_gate.heads import BadHeadError, read_request
from serving_gate.sigv4 import canonical_request, parse, sign, string_to_sign

SUITE = json.loads((Path(__file__).parent / "vectors" / "aws_sigv4.json").read_text("utf-8"))
NEVER_READ = {"get-header-value-multiline", "get-space", "get-utf8", "get-vanilla-utf8-query"}
"""Requests that the gate's grammar refuses before anybody looks at a signature."""


@pytest.mark.parametrize("vector", SUITE["vectors"], ids=lambda vector: vector["name"])
def test_published_vector(vector: dict[str, Any]) -> None:
    lines, _, body = vector["request"].partition("\n\n")
    lines = lines.rstrip("\n")
    if vector["name"] == "get-vanilla-with-session-token":  # its client adds the token
        lines += "\n" + next(row for row in vector["canonical"].split("\n") if "token:" in row)
    data = (lines.replace("\n", "\r\n") + "\r\n\r\n").encode()
    if vector["name"] in NEVER_READ:
        with pytest.raises(BadHeadError):
            read_request(data)
        return
    head = read_request(data)
    signed = parse(vector["authorization"].replace("AKIDEXAMPLE", "A" * 20).encode())
    assert signed is not None
    canonical = canonical_request(head, signed.headers, body.encode())
    assert canonical.decode() == vector["canonical"]
    string = string_to_sign(signed, head.fields[b"x-amz-date"].decode(), canonical)
    assert string == vector["string_to_sign"]
    assert sign(SUITE["secret"], signed, string) == signed.signature
