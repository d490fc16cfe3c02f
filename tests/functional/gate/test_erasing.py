"""Erasing: what a gate kept of somebody is gone, the log and every proof stay, and it is on record."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from govern.adapters.gate_erasing import Erasing, GateEraser
from govern.adapters.log_reading import open_published
from govern.domain.gate_archive import parse_keyring
from govern.transparency.merkle import leaf_hash
from govern.transparency.tree import Tree
from serving_gate.archive import read_all
from serving_gate.journal import frames_from
from tests.support.gate_checks import wait_until
from tests.support.gate_lab import DEPLOYMENT, INFER, Running, ask, infer_body, started
from tests.support.home import govern_here as govern
from tests.support.home import new_home

FAST = {"GOVERN_GATE_PUBLISH_SECONDS": "0.1"}
WHY = ("--by", "carla@bank.example", "--reason", "Art. 17 GDPR")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    new_home(tmp_path / "home").close()
    return tmp_path / "home"


@pytest.fixture
def gate(home: Path) -> Iterator[Running]:
    with started(["serving_gate", "--home", str(home), "--name", "main", "--port", "0"], FAST) as running:
        yield running


def call(gate: Running, subject: str, times: int = 3) -> None:
    """Ask for a deployment that is not admitted: a refusal, recorded under the subject."""
    for _ in range(times):
        assert ask(gate.port, "POST", INFER, infer_body(), {"govern-subject": subject}).status == 503


def readable(home: Path) -> list[bool]:
    return [item is not None for item in read_all(home / "gates" / "main")]


def keys(home: Path) -> dict[str, bytes]:
    found = parse_keyring((home / "gates" / "main" / "payloads" / "keyring").read_bytes())
    return {item.subject: item.key for item in found.values()}


def check_log(home: Path) -> None:
    """Every leaf in the segments leads to the published checkpoint."""
    log = open_published(home, "main")[0]
    leaves = [frame.leaf for frame in frames_from(home / "gates" / "main" / "payloads", 0)]
    tree, checkpoint = Tree(), log.checkpoint()
    tree.append([leaf_hash(leaf) for leaf in leaves])
    assert tree.root(checkpoint.size) == checkpoint.root


def statements(home: Path) -> list[dict[str, Any]]:
    done = govern(home, "log", "tail", "--json")
    rows = [row for row in json.loads(done.stdout) if row["kind"] == "erasure"]
    return [
        json.loads(govern(home, "log", "show", str(row["index"]), "--json").stdout)["statement"] for row in rows
    ]


def test_a_subject_is_erased_while_the_gate_runs(home: Path, gate: Running) -> None:
    for subject in ("maria", "ivan", "maria"):
        call(gate, subject)
    wait_until(lambda: open_published(home, "main")[0].checkpoint().size == 9, "published")
    before = open_published(home, "main")[0].checkpoint()
    key = keys(home)["subject:maria"]
    done = govern(home, "log", "erase", "maria", *WHY, "--json")
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)
    assert (row["gate"], row["records"]) == ("main", 6)
    assert (row["size"], row["root"]) == (9, f"sha256:{before.root.hex()}")
    assert readable(home) == [False] * 3 + [True] * 3 + [False] * 3
    call(gate, "maria", 1)
    assert readable(home)[9], "the gate uses a new key for what comes now"
    assert keys(home)["subject:maria"] != key
    check_log(home)
    for path in home.rglob("*"):
        assert not path.is_file() or key not in path.read_bytes()
    (statement,) = statements(home)
    assert statement["predicate"]["indexes"] == [0, 1, 2, 6, 7, 8]
    assert "maria" not in json.dumps(statement)
    leaves = [frame.leaf for frame in frames_from(home / "gates" / "main" / "payloads", 0)]
    assert [item["digest"]["sha256"] for item in statement["subject"]] == [
        leaf_hash(leaves[index]).hex() for index in statement["predicate"]["indexes"]
    ]
    again = govern(home, "log", "erase", "maria", *WHY, "--json")
    assert json.loads(again.stdout)[0]["records"] == 1


def test_one_record_is_erased_and_can_still_be_proved(home: Path, gate: Running) -> None:
    call(gate, "maria", 3)
    wait_until(lambda: open_published(home, "main")[0].checkpoint().size == 3, "published")
    done = govern(home, "log", "erase", "--index", "1", "--log", "main", *WHY)
    assert done.returncode == 0, done.stderr
    assert readable(home) == [True, False, True]
    proof = ask(gate.port, "GET", "/gate/receipt/1").body
    path = home / "one.tlog-proof"
    path.write_bytes(proof)
    verified = govern(home, "verify", str(path), "--trust", str(home / "trust.json"))
    assert verified.returncode == 0, verified.stdout + verified.stderr
    check_log(home)


def test_an_erasure_cut_off_before_its_statement_is_finished_by_the_next(home: Path, gate: Running) -> None:
    call(gate, "maria", 2)
    call(gate, "ivan", 1)
    wait_until(lambda: open_published(home, "main")[0].checkpoint().size == 3, "published")
    eraser = GateEraser(home / "gates" / "main")
    cut = Erasing(tuple(item.key_id.hex() for item in eraser.keys_of("subject:maria")), (), "cut", "carla@x.example")
    eraser.begin(cut)
    eraser.erase(cut)
    assert statements(home) == []
    done = govern(home, "log", "erase", "ivan", *WHY, "--json")
    assert done.returncode == 0, done.stderr
    assert [row["records"] for row in json.loads(done.stdout)] == [2, 1]
    assert [item["predicate"]["reason"] for item in statements(home)] == ["cut", "Art. 17 GDPR"]
    assert eraser.unfinished() is None


def test_what_a_deployment_no_longer_needs_is_erased_by_age(home: Path, gate: Running) -> None:
    call(gate, "maria", 2)
    assert ask(gate.port, "POST", "/predict/other", b"{}").status == 503
    wait_until(lambda: open_published(home, "main")[0].checkpoint().size == 3, "published")
    eraser = GateEraser(home / "gates" / "main")
    now = datetime.now(UTC)
    assert eraser.indexes_of(DEPLOYMENT, now - timedelta(days=1)) == []
    assert eraser.indexes_of(DEPLOYMENT, now + timedelta(days=1)) == [0, 1]
    done = govern(home, "log", "erase", "--deployment", DEPLOYMENT, "--older-than", "1", *WHY, "--json")
    assert (done.returncode, json.loads(done.stdout)) == (0, []), "nothing is that old"
    old = Erasing((), (0, 1), "kept long enough", "carla@x.example")
    eraser.begin(old)
    assert [index for index, _ in eraser.erase(old)] == [0, 1]
    assert readable(home) == [False, False, True]
    assert eraser.indexes_of(DEPLOYMENT, now + timedelta(days=1)) == [], "once is enough"
    check_log(home)


def test_wrong_words_are_refused(home: Path, gate: Running) -> None:
    call(gate, "maria", 1)
    cases = {
        ("nobody",): 1, ("maria", "--log", "other"): 1, (): 2, ("--index", "1"): 2,
        ("--deployment", "x"): 2, ("maria", "--deployment", "x", "--older-than", "1"): 2,
        ("--deployment", "x", "--older-than", "0"): 2, ("--older-than", "1"): 2,
        ("maria", "--index", "0", "--log", "main"): 2, ("--index", "7", "--log", "main"): 1,
    }  # fmt: skip
    for arguments, code in cases.items():
        done = govern(home, "log", "erase", *arguments, *WHY)
        assert done.returncode == code, (arguments, done.stderr)
        assert "Traceback" not in done.stderr
    assert readable(home) == [True]
