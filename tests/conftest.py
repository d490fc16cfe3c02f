"""What every test shares: markers by folder, and a clean GOVERN_ environment.

A test's kind follows from its folder, so that nobody can forget the marker.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MARKERS = ("unit", "functional", "integration", "conformance", "bench", "soak", "heavy")
# Workers take whole files in the order of collection (``--dist loadfile``): what takes longest
# goes first, so that no worker begins a long file when the other has nothing left.
LONGEST_FIRST = (
    "functional/test_demo.py",
    "integration/test_report_pdf.py",
    "functional/gate/",
    "conformance/test_forgeries.py",
    "functional/test_portal_",
    "integration/",
    "functional/",
    "properties/",
    "conformance/",
)


def place(item: pytest.Item) -> int:
    """Return how early a test's file is handed out, 0 first."""
    name = item.path.relative_to(ROOT / "tests").as_posix()
    found = (at for at, start in enumerate(LONGEST_FIRST) if name.startswith(start))
    return next(found, len(LONGEST_FIRST))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test after the folder it lives in; put the longest files first."""
    tests = ROOT / "tests"
    items.sort(key=place)
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
