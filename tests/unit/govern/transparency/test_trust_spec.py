"""The page about the trust file names every member that a trust file has, and no other."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

from govern.adapters.first_keys import Organisation, create_keys
from govern.transparency.canonical import parse_json

PAGE = Path(__file__).resolve().parents[4] / "docs" / "specs" / "trust_file.md"
SOMETIMES = {"witnesses", "revoked"}


def test_every_member_is_documented(tmp_path: Path) -> None:
    bank = Organisation("Bank", "bank.example", "https://sso", {}, ["main"])
    value = parse_json(create_keys(tmp_path, bank, datetime(2026, 11, 24, tzinfo=UTC)))
    named = set(re.findall(r"^\| `(\w+)` \|", PAGE.read_text("utf-8"), re.M))
    assert named == set(value) | SOMETIMES
