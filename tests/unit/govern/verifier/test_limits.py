"""The table of limits says what the code holds, and every limit of the verifier is in it."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[4]
TABLE = (ROOT / "docs" / "reference" / "limits.md").read_text("utf-8")
ROWS = re.findall(r"^\| .* \| (\d+) \| \w+ \| `([\w.]+)\.(\w+)` \|$", TABLE, re.M)


@pytest.mark.parametrize(("value", "module", "name"), ROWS, ids=[f"{m}.{n}" for _, m, n in ROWS])
def test_documented_limit_is_the_codes(value: str, module: str, name: str) -> None:
    assert getattr(importlib.import_module(module), name) == int(value)


def test_every_limit_of_the_verifier_is_documented() -> None:
    named = {f"{module}.{name}" for _, module, name in ROWS}
    for path in (ROOT / "govern" / "verifier").glob("*.py"):
        for name in re.findall(r"^([A-Z][A-Z_]*_MAX) =", path.read_text("utf-8"), re.M):
            assert f"govern.verifier.{path.stem}.{name}" in named
