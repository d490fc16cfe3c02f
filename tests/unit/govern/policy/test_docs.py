"""The how-to's pack is a pack, and it decides as the page says."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from govern.policy.document import load_pack
from govern.policy.evaluate import evaluate
from tests.support.packs import ROOT, shipped_evidence


def test_the_pack_of_the_how_to_decides() -> None:
    text = (ROOT / "docs" / "how_to" / "write_a_policy.md").read_text("utf-8")
    block = re.search(r"```yaml\n(.*?)```", text, re.S)
    assert block is not None
    pack = load_pack(block[1].encode())
    decision = evaluate([pack], shipped_evidence("credit-allowed"), datetime(2026, 12, 1, tzinfo=UTC))
    assert [rule.status for rule in decision.rules] == ["pass"]
