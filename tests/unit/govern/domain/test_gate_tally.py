"""Records are counted by admission; what is missing, changed or erased is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from govern.adapters.gate_tallies import count_gates
from govern.services.ports import GateCount
from tests.support.gate_records import KEY, write_gate

ONE, TWO = "sha256:" + "1" * 64, "sha256:" + "2" * 64
ROWS = [(ONE, "inference"), (ONE, "refusal"), (TWO, "inference"), (None, "refusal"), (ONE, "timeout"), (ONE, "stream-open"), (ONE, "stream-close")]


def count(gate: Path) -> GateCount:
    (found,) = count_gates([(gate, "bank/gate")])
    return found


def test_counts_by_admission_and_kind(tmp_path: Path) -> None:
    write_gate(tmp_path / "g", ROWS, segment_records=3)
    found = count(tmp_path / "g")
    assert found.problem is None and found.tally.records == 7 and found.tally.erased == 0
    assert found.tally.under(ONE) == {"records": 5, "answers": 2, "refusals": 1, "failures": 1}
    assert found.tally.under(TWO)["answers"] == 1
    assert found.tally.admissions() == {ONE, TWO}


def test_several_processes_count_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_gate(tmp_path / "g", ROWS * 20, segment_records=25)
    alone = count(tmp_path / "g")
    monkeypatch.setattr("govern.adapters.gate_tallies.PARALLEL_BYTES_MIN", 0)
    assert count_gates([(tmp_path / "g", "bank/gate")], workers=2) == [alone]


def test_an_erased_record_is_counted_and_attributed_to_nobody(tmp_path: Path) -> None:
    write_gate(tmp_path / "g", ROWS, erased=[0])
    tally = count(tmp_path / "g").tally
    assert (tally.records, tally.erased, tally.under(ONE)["answers"]) == (7, 1, 1)


def test_a_caller_with_quotes_in_the_name_changes_no_count(tmp_path: Path) -> None:
    write_gate(tmp_path / "g", ROWS, caller=f'x","kind":"refusal","admission":"{TWO}\\')
    assert count(tmp_path / "g").tally.under(ONE)["answers"] == 2


def test_a_changed_record_is_named(tmp_path: Path) -> None:
    from govern.domain.gate_archive import HEADER_BYTES, frames, make_frame

    write_gate(tmp_path / "g", ROWS)
    (path,) = (tmp_path / "g" / "payloads").glob("*.seg")
    data = path.read_bytes()
    frame = list(frames(data, HEADER_BYTES))[2]
    changed = frame.sealed[:-1] + bytes([frame.sealed[-1] ^ 1])
    path.write_bytes(data[: frame.start] + make_frame(frame.leaf, KEY.key_id, frame.nonce, changed) + data[frame.end :])
    assert "record 2 was changed" in str(count(tmp_path / "g").problem)


@pytest.mark.parametrize(("gone", "words"), [("0000000000000000.seg", "first record"), ("0000000000000003.seg", "record 3 is missing"), ("keyring", "keyring is missing")])
def test_a_missing_file_is_said(tmp_path: Path, gone: str, words: str) -> None:
    write_gate(tmp_path / "g", ROWS, segment_records=3)
    (tmp_path / "g" / "payloads" / gone).unlink()
    assert words in str(count(tmp_path / "g").problem)


def test_a_keyring_of_rubbish_is_said(tmp_path: Path) -> None:
    write_gate(tmp_path / "g", ROWS)
    (tmp_path / "g" / "payloads" / "keyring").write_bytes(b"rubbish\n")
    assert "keyring cannot be read" in str(count(tmp_path / "g").problem)
