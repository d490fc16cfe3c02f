"""``govern init`` and ``govern key`` through the command line, on a home of one's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509

pytestmark = pytest.mark.functional
INIT = ("init", "--name", "Bank", "--domain", "bank.example", "--role", "author=ada@bank.example")


class Home:
    """Runs commands in one home."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder, self.root = folder / "home", folder / "root"
        self.environment = {"PATH": os.environ["PATH"], "GOVERN_HOME": str(self.folder), **settings}

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "govern.cli.main", *arguments],
            capture_output=True, text=True, env=self.environment, timeout=120,
        )  # fmt: skip

    def key(self, *arguments: str) -> dict[str, object]:
        done = self.run("key", *arguments, "--root-keys", str(self.root), "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def states(self) -> list[tuple[str, str]]:
        rows = json.loads(self.run("key", "list", "--json").stdout)
        return [(row["role"], row["status"]) for row in rows]


def revocations(home: Home) -> list[datetime]:
    """Return since when certificates are revoked, by the root's list, which it signed."""
    keys = home.folder / "keys"
    found = x509.load_der_x509_crl((keys / "root.crl").read_bytes())
    root = x509.load_pem_x509_certificate((keys / "root.pem").read_bytes())
    assert found.is_signature_valid(root.public_key())
    return [one.revocation_date_utc for one in found]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    found = Home(tmp_path)
    done = found.run(*INIT, "--root-keys", str(found.root))
    assert done.returncode == 0, done.stderr
    return found


def test_keys_rotate_and_the_trust_file_follows(home: Home, tmp_path: Path) -> None:
    old = tmp_path / "old.json"
    old.write_bytes((home.folder / "trust.json").read_bytes())
    for role in ("ca", "lineage-log", "tsa"):
        assert home.key("rotate", role, "--reason", "yearly")["role"] == role
    assert home.key("init", "second")["role"] == "gate-second"
    states = home.states()
    for role in ("ca", "lineage-log", "tsa"):
        assert states.count((role, "retired")) == states.count((role, "current")) == 1
    assert ("gate-second", "current") in states
    newer = str(home.folder / "trust.json")
    said = home.run("key", "trust", str(old), newer)
    assert said.returncode == 0 and "version 5" in said.stdout
    assert home.run("key", "trust", newer, str(old)).returncode == 13
    tail = home.run("log", "tail", "--json")
    assert tail.stdout.count("key-event") == 4, tail.stdout + tail.stderr


def test_the_root_is_rotated_and_each_file_in_between_is_needed(
    home: Home, tmp_path: Path
) -> None:
    first, second = tmp_path / "1.json", tmp_path / "2.json"
    first.write_bytes((home.folder / "trust.json").read_bytes())
    home.key("rotate", "root", "--new-root-keys", str(tmp_path / "next"))
    second.write_bytes((home.folder / "trust.json").read_bytes())
    done = home.run("key", "rotate", "tsa", "--root-keys", str(home.root))
    assert done.returncode == 1 and "the root's key is not here" in done.stderr
    home.root = tmp_path / "next"
    home.key("rotate", "tsa")
    newest = str(home.folder / "trust.json")
    skipped = home.run("key", "trust", str(first), newest)
    assert skipped.returncode == 12 and "the files in between" in skipped.stderr
    assert home.run("key", "trust", str(first), str(second), newest).returncode == 0
    assert home.run("log", "tail", "--json").stdout.count("key-event") == 2


def test_two_of_three_root_keys_must_sign(home: Home, tmp_path: Path) -> None:
    first = tmp_path / "1.json"
    first.write_bytes((home.folder / "trust.json").read_bytes())
    media = [str(tmp_path / f"medium-{number}") for number in range(3)]
    new = [part for medium in media for part in ("--new-root-keys", medium)]
    home.key("rotate", "root", *new, "--threshold", "2")
    second = (home.folder / "trust.json").read_bytes()
    home.root = Path(media[0])
    done = home.run("key", "rotate", "ca", "--root-keys", media[0])
    assert done.returncode == 1 and "2 of the root's 3 keys must sign, 1 is here" in " ".join(
        done.stderr.split()
    )
    assert (home.folder / "trust.json").read_bytes() == second
    home.key("rotate", "ca", "--root-keys", media[2])
    home.key("rotate", "report", "--root-keys", media[1])
    versions = [str(home.folder / "trust" / f"{number}.json") for number in range(2, 5)]
    assert home.run("key", "trust", str(first), *versions).returncode == 0
    assert [state for state in home.states() if state[0] == "root"] == [("root", "current")] * 3
    too_many = home.run("key", "rotate", "root", "--threshold", "2", "--root-keys", media[0])
    assert too_many.returncode == 2 and "--threshold is from 1" in too_many.stderr


def test_a_stolen_key_is_revoked_as_of_a_time(home: Home) -> None:
    home.key("rotate", "tsa")
    assert revocations(home) == []
    done = home.key("revoke", "ca", "--reason", "stolen", "--since", "2020-01-01T00:00:00Z")
    assert revocations(home) == [datetime(2020, 1, 1, tzinfo=UTC)]
    assert [row["kind"] for row in done["void"]] == ["key-event"]  # type: ignore[attr-defined]
    assert ("ca", "revoked") in home.states() and ("ca", "current") in home.states()
    # The event that the revoked key signed was refused and recorded again.
    assert home.run("log", "tail", "--json").stdout.count("key-event") == 3


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("rotate", "gate-main", "--pkcs11", "pkcs11:token=a;object=b"), "from a file"),
        (("rotate", "tsa", "--overlap", "-1"), "an overlap is from"),
        (("revoke", "ca", "--reason", "x", "--since", "yesterday"), "--since: expected a UTC"),
        (("revoke", "ca", "--reason", "x", "--since", "2999-01-01T00:00:00Z"), "or a time before"),
        (("init", "main"), "has a key already"),
        (("init", "Main!"), "a gate's name has"),
        (("rotate", "tsa", "--pkcs11", "pkcs11:token=a;object=b?pin-value=1"), "never by value"),
    ],
)
def test_bad_input_is_a_sentence_and_changes_nothing(
    home: Home, arguments: tuple[str, ...], sentence: str
) -> None:
    before = (home.folder / "trust.json").read_bytes()
    done = home.run("key", *arguments, "--root-keys", str(home.root))
    assert done.returncode == 2 and sentence in " ".join(done.stderr.split()), done.stderr
    assert "Traceback" not in done.stderr
    assert (home.folder / "trust.json").read_bytes() == before


def test_without_the_roots_key_nothing_changes(home: Home) -> None:
    before = (home.folder / "trust.json").read_bytes()
    done = home.run("key", "rotate", "ca")
    assert done.returncode == 1 and "--root-keys" in done.stderr
    assert (home.folder / "trust.json").read_bytes() == before


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        pytest.param(None, "GOVERN_PASSPHRASE_FILE", id="missing"),
        pytest.param("wrong", "the passphrase does not open it", id="wrong"),
        pytest.param("", "1 to 1024", id="empty"),
    ],
)
def test_encrypted_keys_want_their_passphrase(
    tmp_path: Path, content: str | None, sentence: str
) -> None:
    secret = tmp_path / "passphrase"
    secret.write_text("correct horse\n")
    home = Home(tmp_path)
    assert home.run(*INIT, "--passphrase-file", str(secret)).returncode == 0
    for file in (home.folder / "keys").glob("*.key"):
        assert b"ENCRYPTED" in file.read_bytes() and file.stat().st_mode & 0o077 == 0
    home.environment["GOVERN_PASSPHRASE_FILE"] = str(secret)
    assert home.run("key", "list").returncode == 0
    if content is None:
        del home.environment["GOVERN_PASSPHRASE_FILE"]
    else:
        secret.write_text(content)
    done = home.run("key", "list")
    assert done.returncode == 1 and sentence in done.stderr and "horse" not in done.stderr
