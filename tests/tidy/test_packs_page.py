"""``docs/reference/packs.md`` says what the packs say."""

from __future__ import annotations

import importlib.util
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "packs_page.py"


def test_the_page_of_packs_is_current() -> None:
    spec = importlib.util.spec_from_file_location("packs_page", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.PAGE.read_text("utf-8") == module.page(), "run python scripts/packs_page.py"
