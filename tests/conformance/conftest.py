"""Fixtures of the conformance tests: one genuine story, and where stock verifiers live."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from dossier_workshop import Story, tell  # noqa: E402


@pytest.fixture(scope="session")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """Return the genuine story; tests must copy ``files`` before changing them."""
    return tell(tmp_path_factory.mktemp("story"))
