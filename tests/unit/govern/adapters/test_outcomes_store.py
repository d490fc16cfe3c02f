"""Reported outcomes are kept whole or not at all, corrected by later ones, and joined by place."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from govern.adapters import outcomes_store
from govern.adapters.outcomes_store import OutcomesStore
from govern.errors import InvalidRequestError, StorageError
from govern.services.monitoring import Fact, digest_of_facts

ONE = {"demo": "bank.example/govern/gate/demo"}
FIRST = {"index": 3, "outcome": 1, "groups": {"race": "white"}}


def add(store: OutcomesStore, *rows: Any, deployment: str = "loans") -> int:
    return store.add(deployment, rows, sender="a@b.example", received_at="2026-11-25T00:00:00Z")


def test_what_was_added_is_read_and_a_later_line_corrects(tmp_path: Path) -> None:
    store = OutcomesStore(tmp_path)
    assert add(store, FIRST, {"index": 4, "row": 2}) == 2
    assert add(store, {**FIRST, "outcome": 0}) == 1
    facts = store.read("loans", ONE)
    assert facts == {
        (ONE["demo"], 3, 0): Fact(0, {"race": "white"}),
        (ONE["demo"], 4, 2): Fact(None, {}),
    }
    assert digest_of_facts(facts) == digest_of_facts(dict(reversed(list(facts.items()))))
    assert store.read("others", ONE) == {}


def test_rows_of_a_gate_that_is_not_here_are_left_out(tmp_path: Path) -> None:
    store = OutcomesStore(tmp_path)
    add(store, {**FIRST, "log": "far"}, {**FIRST, "log": "demo"})
    assert list(store.read("loans", ONE)) == [(ONE["demo"], 3, 0)]
    assert store.read("loans", {**ONE, "second": "x"}) == store.read("loans", ONE)


def test_the_folder_is_the_owners_alone(tmp_path: Path) -> None:
    add(OutcomesStore(tmp_path), FIRST)
    assert stat.S_IMODE((tmp_path / "outcomes").stat().st_mode) == 0o700


def test_a_line_that_a_crash_cut_short_is_forgotten(tmp_path: Path) -> None:
    store = OutcomesStore(tmp_path)
    add(store, FIRST)
    path = tmp_path / "outcomes" / "loans.jsonl"
    path.write_bytes(path.read_bytes() + b'{"log":"","ind')
    assert len(store.read("loans", ONE)) == 1
    add(store, {"index": 9})
    assert sorted(place[1] for place in store.read("loans", ONE)) == [3, 9]


@pytest.mark.parametrize(
    "row",
    [
        3, {}, {"index": -1}, {"index": True}, {"index": 1.0}, {"index": 10**15}, {"index": 1, "row": "0"},
        {"index": 1, "outcome": 2}, {"index": 1, "outcome": True}, {"index": 1, "log": 4},
        {"index": 1, "groups": []}, {"index": 1, "groups": {"race": 4}}, {"index": 1, "groups": {"": "x"}},
        {"index": 1, "groups": {str(n): "x" for n in range(17)}}, {"index": 1, "more": 1},
    ],
)  # fmt: skip
def test_a_row_that_is_none_keeps_none(tmp_path: Path, row: Any) -> None:
    store = OutcomesStore(tmp_path)
    with pytest.raises(InvalidRequestError, match="row 1: "):
        add(store, FIRST, row)
    assert store.read("loans", ONE) == {}


@pytest.mark.parametrize("name", ["../x", "a/b", "", "A", "." * 3, "x" * 65])
def test_a_deployment_that_is_a_path_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidRequestError):
        add(OutcomesStore(tmp_path), FIRST, deployment=name)
    assert not list(tmp_path.rglob("*.jsonl"))


def test_a_full_file_refuses_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = OutcomesStore(tmp_path)
    add(store, FIRST)
    monkeypatch.setattr(outcomes_store, "FILE_BYTES_MAX", 200)
    with pytest.raises(StorageError, match="has reached"):
        add(store, FIRST)
    assert len(store.read("loans", ONE)) == 1
