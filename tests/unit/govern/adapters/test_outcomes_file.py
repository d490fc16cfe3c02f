"""Outcome files are read row by row; a wrong line is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from govern.adapters.outcomes_file import read_outcomes
from govern.errors import InvalidRequestError
from govern.services.monitoring import Fact

ONE = {"demo": "bank.example/govern/gate/demo"}
TWO = {**ONE, "other": "bank.example/govern/gate/other"}


def written(folder: Path, text: str) -> Path:
    path = folder / "outcomes.csv"
    path.write_bytes(text.encode())
    return path


def test_outcomes_and_groups_are_read(tmp_path: Path) -> None:
    text = "index,row,outcome,race\n3,0,1,white\n3,1,,black\n4,,0,\n"
    facts = read_outcomes(written(tmp_path, text), ONE)
    assert facts == {
        (ONE["demo"], 3, 0): Fact(1, {"race": "white"}),
        (ONE["demo"], 3, 1): Fact(None, {"race": "black"}),
        (ONE["demo"], 4, 0): Fact(0, {}),
    }


def test_with_two_gates_the_log_is_named(tmp_path: Path) -> None:
    facts = read_outcomes(written(tmp_path, "log,index,outcome\nother,3,1\n"), TWO)
    assert list(facts) == [(TWO["other"], 3, 0)]
    with pytest.raises(InvalidRequestError, match="`log` is one of demo, other"):
        read_outcomes(written(tmp_path, "index,outcome\n3,1\n"), TWO)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "needs a column `index`"),
        ("row,outcome\n1,1\n", "needs a column `index`"),
        ("index,outcome\n-1,1\n", "line 2: `index` and `row` are whole numbers"),
        ("index,outcome\n1,1\n1,0\n", "line 3: that row has an outcome already"),
        ("index,outcome\n1,yes\n", "line 2: `outcome` is 1, 0 or empty, not 'yes'"),
        ('index,outcome\n1,"1\n', "is not a CSV file"),
        ("index,outcome," + ",".join(f"g{n}" for n in range(17)) + "\n", "at most 16 further columns"),
    ],
)
def test_what_is_no_outcome_file_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InvalidRequestError, match=said):
        read_outcomes(written(tmp_path, text), ONE)


def test_other_bytes_and_no_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "latin.csv").write_bytes(b"index,outcome\n1,\xe9\n")
    for name in ("latin.csv", "missing.csv"):
        with pytest.raises(InvalidRequestError):
            read_outcomes(tmp_path / name, ONE)
