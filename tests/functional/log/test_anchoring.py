"""`govern log anchor`: gates' states enter the lineage log, and one that went back does not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from govern.adapters.log_files import LogFiles
from govern.bootstrap import Application, anchor_gates
from govern.domain import predicates
from govern.domain.gate_archive import frames
from govern.worker import tasks
from tests.support.gate_records import write_gate
from tests.support.home import govern, new_home, settings_of

pytestmark = pytest.mark.functional
ROWS = [(None, "refusal"), (None, "anchor"), (None, "refusal")]


@pytest.fixture
def home(tmp_path: Path) -> Application:
    return new_home(tmp_path / "home")


def write(home: Application, rows: list[tuple[str | None, str]], *, caller: str = "teller") -> None:
    """Let the gate `main` have these records, whatever it had."""
    gate = home.home / "gates" / "main"
    shutil.rmtree(gate, ignore_errors=True)
    write_gate(gate, rows, segment_records=2, caller=caller)
    signer = home.keys.note_signer("gate-main", "bank.example/govern/gate/main")
    parts = sorted((gate / "payloads").glob("*.seg"))
    leaves = [frame.leaf for path in parts for frame in frames(path.read_bytes())]
    LogFiles.create(gate / "log", signer).append(leaves)


def anchors(home: Application) -> list[dict[str, object]]:
    found = home.operations.recorder.all(predicates.ANCHOR)
    return [dict(item.statement.predicate) for item in found]


def test_a_gate_is_anchored_when_it_grew(home: Application) -> None:
    write(home, ROWS)
    done = govern(home.home, "log", "anchor", "--json")
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)
    assert (row["gate"], row["records"], row["entry"]) == ("main", 3, 0)
    (said,) = anchors(home)
    assert (said["tree_size"], said["lineage_record"]) == (3, 1)
    assert anchor_gates(home)[0].entry is None
    write(home, [*ROWS, (None, "refusal")])
    assert anchor_gates(home)[0].records == 4
    assert [said["tree_size"] for said in anchors(home)] == [3, 4]


def test_an_anchor_of_an_anchor_is_no_news(home: Application) -> None:
    write(home, ROWS)
    tasks.anchor_gates(settings_of(home.home))
    write(home, [*ROWS, (None, "anchor")])
    tasks.anchor_gates(settings_of(home.home))
    assert [said["tree_size"] for said in anchors(home)] == [3]
    write(home, [*ROWS, (None, "anchor"), (None, "refusal")])
    tasks.anchor_gates(settings_of(home.home))
    assert [(said["tree_size"], said["lineage_record"]) for said in anchors(home)] == [(3, 1), (5, 3)]


@pytest.mark.parametrize(
    ("rows", "caller", "word"),
    [(ROWS[:2], "teller", "shows 2"), ([*ROWS, *ROWS], "someone else", "was rewritten")],
)
def test_a_gate_log_that_went_back_or_was_rewritten_is_refused(
    home: Application, rows: list[tuple[str | None, str]], caller: str, word: str
) -> None:
    write(home, ROWS)
    anchor_gates(home)
    write(home, rows, caller=caller)
    (row,) = anchor_gates(home)
    assert (row.entry, row.exit_code) == (None, 13)
    assert row.problem is not None and word in row.problem
    assert len(anchors(home)) == 1


def test_an_unknown_gate_is_one_sentence(home: Application) -> None:
    done = govern(home.home, "log", "anchor", "--gate", "nowhere")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "no gate 'nowhere'" in done.stderr
