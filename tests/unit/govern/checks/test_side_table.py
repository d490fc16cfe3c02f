"""Sensitive features by subject id: never guessed, never doubled, never among the inputs."""

from __future__ import annotations

import pandas as pd
import pytest

from govern.adapters.check_data import read_labels
from govern.checks.side_table import joined
from govern.checks.tasks import Task
from govern.errors import InvalidRequestError


def side(**columns: list[str]) -> pd.DataFrame:
    return pd.DataFrame(columns, index=["1", "2", "3"])


def test_rows_are_joined_by_id_whatever_their_order_and_the_missing_are_unknown() -> None:
    subjects = pd.Series([3, 1, 9, 1], index=[10, 11, 12, 13])
    found = joined(subjects, side(race=["a", "b", "c"]), ["x"])
    assert found["race"].tolist() == ["c", "a", "unknown", "a"] and found.index.tolist() == [10, 11, 12, 13]


def test_a_missing_value_is_unknown() -> None:
    table = side(race=["a", "b", "c"])
    table.loc["1", "race"] = None
    assert joined(pd.Series(["1", "2"]), table, [])["race"].tolist() == ["unknown", "b"]


@pytest.mark.parametrize(
    ("subjects", "table", "features", "sentence"),
    [
        (["1"], side(race=["a", "b", "c"]), ["race"], "among the model's inputs"),
        (["1"], side(race=["a", "b", "c"]).set_axis(["1", "1", "2"]), [], "'1' stands twice"),
        (["7"], side(race=["a", "b", "c"]), [], "are these the same ids"),
    ],
)
def test_what_cannot_be_joined_is_refused(subjects: list[str], table: pd.DataFrame, features: list[str], sentence: str) -> None:
    with pytest.raises(InvalidRequestError, match=sentence):
        joined(pd.Series(subjects), table, features)


@pytest.mark.parametrize(
    ("card", "labels", "sentence"),
    [
        ({}, [0, 2], "the label '2' is not 0 or 1"),
        ({"task": "regression"}, ["1.5", "many"], "the label 'many' is not a number"),
        ({"task": "multiclass", "classes": ["a", "b"]}, ["a", "c"], "'c' is none of the card's classes"),
    ],
)
def test_labels_that_are_not_the_tasks_are_refused(card: dict, labels: list, sentence: str) -> None:
    with pytest.raises(InvalidRequestError, match=sentence):
        read_labels(pd.Series(labels), Task.read(card))


@pytest.mark.parametrize(
    ("card", "sentence"),
    [
        ({"task": "clustering"}, "is not known"),
        ({"task": "multiclass"}, "needs `classes`"),
        ({"task": "multiclass", "classes": ["a", "a"]}, "different names"),
        ({"task": "multiclass", "classes": ["a", "b"], "positive": "c"}, "none of its `classes`"),
        ({"task": "ranking", "top": 0}, "1 or more"),
    ],
)
def test_a_card_that_cannot_be_meant_is_refused(card: dict, sentence: str) -> None:
    with pytest.raises(InvalidRequestError, match=sentence):
        Task.read(card)
