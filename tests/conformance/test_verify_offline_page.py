"""The page on verifying offline: its commands work with the packages it names, and no others.

Python starts without ``site-packages``; what the page asks for lies in a folder of its own
beside ``govern/``, and there is no network.
"""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest
from every_kind import Genuine
from stock import ROOT, offline

PAGE = (ROOT / "docs" / "how_to" / "verify_offline.md").read_text("utf-8")
CRYPTOGRAPHY = ("cryptography", "_cffi_backend")
POLICY = ("cel_expr_python", "google", "yaml", "_yaml")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A regulator's folder: the trust file, what was given, and ``govern/``."""
    folder = tmp_path_factory.mktemp("desk")
    genuine = Genuine(folder / "bank")
    (folder / "trust.json").write_bytes(genuine.shop.trust_bytes)
    (folder / "dossier.zip").write_bytes(genuine.zip.read_bytes())
    (folder / "report.pdf").write_bytes(genuine.report)
    (folder / "receipt.txt").write_bytes(genuine.header)
    (folder / "record.tlog-proof").write_bytes(genuine.proof)
    (folder / "vote.sigstore.json").write_bytes(genuine.item.votes[0].bundle)
    (folder / "govern").symlink_to(ROOT / "govern")
    return folder


def python(folder: Path, *packages: str) -> Path:
    """Write a ``python`` that finds these packages and nothing else that is installed."""
    held = folder / f"python-{len(packages)}"
    (held / "bin").mkdir(parents=True, exist_ok=True)
    for name in packages:
        found = importlib.util.find_spec(name)
        assert found is not None, f"{name} is not installed"
        places = list(found.submodule_search_locations or []) or [str(found.origin)]
        link = held / Path(places[0]).name
        if not link.exists():
            link.symlink_to(places[0])
    script = held / "bin" / "python"
    script.write_text(f'#!/bin/sh\nPYTHONPATH="{folder}:{held}" exec "{sys.executable}" -S "$@"\n')
    script.chmod(0o755)
    return script


def commands() -> list[str]:
    return re.findall(r"^    (.+)$", PAGE, re.MULTILINE)


def run(folder: Path, script: Path, command: str) -> subprocess.CompletedProcess[str]:
    return offline("sh", "-c", f'PATH="{script.parent}:$PATH"; {command}', cwd=folder)


def test_the_page_has_commands_for_each_kind() -> None:
    text = "\n".join(commands())
    assert len(commands()) >= 5
    assert all(name in text for name in ("dossier.zip", "report.pdf", "receipt.txt", "--as-of"))


@pytest.mark.parametrize("command", commands())
def test_every_command_of_the_page_works(command: str, desk: Path) -> None:
    done = run(desk, python(desk, *CRYPTOGRAPHY, *POLICY), command)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "sha256sum" in command or done.stdout.startswith("VERIFIED"), done.stdout


@pytest.mark.parametrize("name", ["vote.sigstore.json", "record.tlog-proof"])
def test_statement_and_receipt_need_cryptography_alone(name: str, desk: Path) -> None:
    script = python(desk, *CRYPTOGRAPHY)
    done = run(desk, script, f"python -m govern.verifier {name} --trust trust.json")
    assert done.returncode == 0, done.stdout + done.stderr


def test_replaying_without_the_policy_engine_says_what_to_install(desk: Path) -> None:
    script = python(desk, *CRYPTOGRAPHY)
    done = run(desk, script, "python -m govern.verifier dossier.zip --trust trust.json")
    assert done.returncode == 1 and "pip install cel-expr-python pyyaml" in done.stderr
    assert "Traceback" not in done.stderr


def test_nothing_else_is_within_reach(desk: Path) -> None:
    script = python(desk, *CRYPTOGRAPHY, *POLICY)
    for name in ("flask", "sqlalchemy", "sqlmodel", "celery", "numpy", "pandas", "weasyprint"):
        done = run(desk, script, f"python -c 'import {name}'")
        assert done.returncode == 1 and "ModuleNotFoundError" in done.stderr, name
