"""Run stock verifiers with networking off."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
VENV = ROOT / ".venv-verifiers" / "bin"
NOWHERE = "http://127.0.0.1:9"
HOW = "run tests/conformance/setup.sh"


def tool(name: str) -> str:
    """Return the path of a stock tool; fail with how to get it."""
    path = str(VENV / name) if (VENV / name).exists() else shutil.which(name)
    if path is None:
        pytest.fail(f"{name} is missing: {HOW}")
    return path


def offline(*command: str | Path, cwd: Path = HERE) -> subprocess.CompletedProcess[str]:
    """Run a command without a network and return what it said.

    Where the kernel does not let us cut the network off, every proxy points at nothing, and
    ``test_networking_is_off`` says that this is weaker.
    """
    cut = ["unshare", "-rn"] if can_cut() else []
    environment = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(cwd),
        "PYTHONWARNINGS": "ignore",
        **({} if cut else dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), NOWHERE)),
    }
    return subprocess.run(
        [*cut, *map(str, command)],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=cwd,
        env=environment,
        check=False,
    )


def can_cut() -> bool:
    """Say whether a process can be started in a network of its own, with nothing in it."""
    found = shutil.which("unshare")
    return found is not None and (
        subprocess.run([found, "-rn", "true"], capture_output=True, check=False).returncode == 0
    )
