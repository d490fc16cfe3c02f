"""One installation for the tests of a module; each test has a gate folder of its own."""

from __future__ import annotations

import pytest

from tests.support.gate_lab import GateLab


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> GateLab:
    return GateLab(tmp_path_factory.mktemp("lab") / "a home")


@pytest.fixture
def lab(installed: GateLab) -> GateLab:
    installed.renew()
    return installed
