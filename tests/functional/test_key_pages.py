"""The pages about keys: every command works in its order; every key's theft has a sentence."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from govern.adapters.first_keys import ROLES

pytestmark = pytest.mark.functional
DOCS = Path(__file__).resolve().parents[2] / "docs"


def run(script: str, folder: Path, **more: str) -> str:
    """Run a script as a person would, with this installation's ``govern`` first in the path."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", f"set -euo pipefail\n{script}"], cwd=folder, capture_output=True, text=True,
        env={"PATH": path, "HOME": str(folder), "COLUMNS": "200", **more}, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def blocks(page: str) -> list[str]:
    text = (DOCS / "how_to" / page).read_text("utf-8")
    return re.findall(r"^```sh\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def test_the_key_ceremony(tmp_path: Path) -> None:
    assert shutil.which("softhsm2-util"), "SoftHSM2 is missing: apt install softhsm2"
    (tmp_path / "tokens").mkdir()
    (tmp_path / "softhsm2.conf").write_text(f"directories.tokendir = {tmp_path / 'tokens'}\n")
    found = blocks("key_ceremony.md")
    assert len(found) == 5
    said = run("\n".join(found), tmp_path, SOFTHSM2_CONF=str(tmp_path / "softhsm2.conf"))
    assert "token token=bank;object=report" in said and "encrypted file" in said
    assert not (tmp_path / "root").exists() and (tmp_path / "medium-2" / "root.key").exists()


def test_rotation_and_revocation(tmp_path: Path) -> None:
    found = blocks("rotate_keys.md")
    assert len(found) == 7
    init = (
        "govern init --name Bank --domain bank.example --gate main "
        "--role author=ada@bank.example --root-keys root"
    )
    home = str(tmp_path / "home")
    said = run("\n".join([init, *found]), tmp_path, GOVERN_HOME=home)
    assert "is replaced by version" in said and "key-event" in said
    assert (tmp_path / "home" / "keys" / "gate-second.key").exists()


def test_a_reviewers_own_key(tmp_path: Path) -> None:
    found = blocks("sign_votes_with_your_own_key.md")
    init = (
        "govern init --name Bank --domain bank.example --gate main "
        "--role reviewer=rosa@bank.example --root-keys root"
    )
    said = run("\n".join([init, *found]), tmp_path, GOVERN_HOME=str(tmp_path / "home"))
    assert "reviewer:rosa@bank.example" in said


def test_every_keys_theft_has_a_sentence() -> None:
    text = (DOCS / "concepts" / "trust.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| (.+?) \| (.+?) \|$", text, re.M))
    named = " ".join(rows)
    wanted = {*ROLES, "root", "gate-NAME", "reviewer", "witness", "statement"} - {"lineage-log"}
    assert {name for name in wanted if name not in named} == set()
    assert "lineage log" in named and all(len(said) > 20 for said in list(rows.values())[2:])
