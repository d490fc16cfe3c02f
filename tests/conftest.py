"""What every test shares: markers by folder, and a clean GOVERN_ environment.

A test's kind follows from its folder, so that nobody can forget the marker.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MARKERS = ("unit", "functional", "integration", "conformance", "bench", "soak")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test after the folder it lives in."""
    tests = ROOT / "tests"
    for item in items:
        if item.path.is_relative_to(tests):
            folder = item.path.relative_to(tests).parts[0]
            if folder in MARKERS:
                item.add_marker(folder)


@pytest.fixture(autouse=True, scope="session")
def _clean_environment() -> None:
    """Keep a developer's GOVERN_ settings out of the tests."""
    for name in [name for name in os.environ if name.startswith("GOVERN_")]:
        del os.environ[name]


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the repository's root."""
    return ROOT
