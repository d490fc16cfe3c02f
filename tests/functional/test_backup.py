"""The doctor on a real home, and a home brought back from its files alone (docs/how_to/back_up.md)."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.home import govern, new_home, record_dataset

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "how_to" / "back_up.md"
pytestmark = pytest.mark.functional


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("kept") / "home"
    application = new_home(home)
    for name in ("loans", "people"):
        record_dataset(application, name)
    application.close()
    return home


@pytest.fixture
def home(kept: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(kept, tmp_path / "home"))


def doctor(home: Path) -> tuple[int, dict[str, dict[str, str]]]:
    done = govern(home, "doctor", "--json")
    return done.returncode, {item["what"]: item for item in json.loads(done.stdout)}


def test_a_new_home_is_well(home: Path) -> None:
    code, found = doctor(home)
    assert code == 0, found
    assert {"key-files", "certificates", "log", "index", "clock", "disk", "packs"} <= set(found)


def test_each_thing_that_is_broken_is_found_and_hides_none_of_the_others(home: Path) -> None:
    next(iter((home / "keys").glob("*.key"))).chmod(0o644)
    next(iter(sorted((home / "log" / "lineage").rglob("*.json")))).unlink()
    (home / "packs").mkdir()
    code, found = doctor(home)
    assert code == 1
    failed = {name for name, item in found.items() if item["level"] == "fail"}
    assert {"key-files", "log"} <= failed and found["index"]["level"] == "ok"
    assert all(item["fix"] for item in found.values() if item["level"] != "ok")


def test_a_home_is_brought_back_from_its_files_alone(home: Path, tmp_path: Path) -> None:
    """Every command of the page, in its order."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    script = "\n".join(blocks)
    before = govern(home, "status", "--json").stdout
    environment = {"PATH": f"{ROOT / '.venv' / 'bin'}:/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=tmp_path, env=environment,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    after = json.loads(govern(tmp_path / "restored", "status", "--json").stdout)
    expected = json.loads(before)
    assert {**after, "home": ""} == {**expected, "home": ""}
    assert after["statements"] == after["log_size"] > 0
    code, found = doctor(tmp_path / "restored")
    assert code == 0, found


def test_a_backup_of_an_older_state_is_seen_where_the_database_is_newer(home: Path, tmp_path: Path) -> None:
    old = shutil.copytree(home / "log", tmp_path / "old-log")
    done = govern(home, "log", "tail", "--json")
    assert done.returncode == 0
    from govern.bootstrap import open_application
    from tests.support.home import settings_of

    application = open_application(settings_of(home))
    record_dataset(application, "later")
    application.close()
    shutil.rmtree(home / "log")
    shutil.copytree(old, home / "log")
    refused = govern(home, "status")
    assert refused.returncode == 16 and "rolled back" in refused.stderr
