"""Bad input is exit 10 and one sentence, never a traceback, and never read without a limit."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from govern.adapters.first_keys import Organisation, create_keys

ROOT = Path(__file__).resolve().parents[4]


def sparse(size: int, head: bytes = b"") -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = folder / "sparse"
        with open(path, "wb") as file:
            file.write(head)
            file.truncate(size)
        return path

    return make


def holding(data: bytes, name: str = "input") -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / name).write_bytes(data)
        return folder / name

    return make


def pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe")
    return folder / "pipe"


def loop(folder: Path) -> Path:
    (folder / "loop").symlink_to(folder / "loop")
    return folder / "loop"


def link_inside(folder: Path) -> Path:
    (folder / "dossier").mkdir()
    (folder / "dossier" / "manifest.json").symlink_to("/etc/hostname")
    return folder / "dossier"


def deep_folders(folder: Path) -> Path:
    (folder / "deep" / "/".join("d" * 40)).mkdir(parents=True)
    return folder / "deep"


CASES = {
    "huge-statement": sparse(40 << 30),
    "huge-zip": sparse(40 << 30, b"PK\x03\x04"),
    "zip-of-zeros": sparse(6 << 30, b"PK\x03\x04"),
    "huge-report": sparse(40 << 30, b"%PDF-1.7\n"),
    "huge-receipt": sparse(40 << 30, b"c2sp.org/tlog-proof@v1\n"),
    "empty": holding(b""),
    "nested": holding(b"[" * 100_000),
    "nested-objects": holding(b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    "utf-16": holding('{"mediaType":"x"}'.encode("utf-16")),
    "bom": holding(b"\xef\xbb\xbf{}"),
    "latin-1": holding('{"name":"Zoë"}'.encode("latin-1")),
    "lone-surrogate": holding(b'{"mediaType":"\\ud800"}'),
    "crlf-receipt": holding(b"c2sp.org/tlog-proof@v1\r\nindex 1\r\n\r\nx\r\n"),
    "number-of-many-digits": holding(b'{"mediaType":' + b"9" * 50_000 + b"}"),
    "cut-zip": holding(b"PK\x03\x04" + b"\0" * 60, "d.zip"),
    "zip-end-that-promises-gigabytes": holding(
        b"PK\x05\x06" + b"\0" * 8 + b"\xfe\xff\xff\xff" + b"\0" * 6, "d.zip"
    ),
    "cut-pdf": holding(b"%PDF-1.7\nstartxref\n9\n"),
    "pipe": pipe,
    "link-to-itself": loop,
    "link-inside-a-dossier": link_inside,
    "deep-folders": deep_folders,
    "device": lambda folder: Path("/dev/zero"),
    "nothing-there": lambda folder: folder / "none",
    "name-too-long": lambda folder: folder / ("n" * 5000),
}


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trust")
    organisation = Organisation("Bank", "bank.example", "https://sso.bank.example", {}, ["demo"])
    data = create_keys(folder / "keys", organisation, datetime(2026, 11, 24, tzinfo=UTC))
    (folder / "trust.json").write_bytes(data)
    return folder / "trust.json"


def verify(path: Path, trust: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "govern.verifier", str(path), "--trust", str(trust)],
        cwd=ROOT, capture_output=True, text=True, timeout=60,
    )


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_exit_10_and_one_sentence(name: str, tmp_path: Path, trust: Path) -> None:
    done = verify(CASES[name](tmp_path), trust)
    assert done.returncode == 10, done.stderr
    assert "Traceback" not in done.stderr and len(done.stderr.splitlines()) == 2


@pytest.mark.parametrize("name", ["huge-statement", "empty", "nested", "utf-16", "pipe", "device"])
def test_bad_trust_file_is_exit_10_and_one_sentence(name: str, tmp_path: Path, trust: Path) -> None:
    done = verify(trust, CASES[name](tmp_path))
    assert done.returncode == 10, done.stderr
    assert "Traceback" not in done.stderr and len(done.stderr.splitlines()) == 1


def test_time_that_is_none_is_a_usage_error(trust: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "govern.verifier", "x", "--trust", str(trust), "--as-of", "soon"],
        cwd=ROOT, capture_output=True, text=True, timeout=60,
    )
    assert done.returncode == 2 and "--as-of" in done.stderr
