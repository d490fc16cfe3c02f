"""Event files of GitHub and GitLab in the shapes that their documentation gives."""

from __future__ import annotations

from typing import Any

import pytest

from govern.domain.code_review import read_review, with_review
from govern.domain.source_run import SourceRun
from govern.errors import MalformedError

SHA, OLD = "a" * 40, "b" * 40
REPOSITORY = {"full_name": "bank/models"}
PULL = {"number": 12, "head": {"sha": SHA}, "user": {"login": "ada"}}


def approval(commit: str = SHA, login: str = "rosa", state: str = "approved") -> dict[str, Any]:
    review = {"state": state, "commit_id": commit, "user": {"login": login}}
    return {"action": "submitted", "review": review, "pull_request": PULL, "repository": REPOSITORY}


PUSH = {
    "after": SHA, "repository": REPOSITORY,
    "commits": [{"id": SHA, "author": {"name": "Ada", "email": "Ada@Bank.example"}, "committer": {"name": "GitHub", "email": "noreply@users.noreply.github.com", "username": "web-flow"}}],
}  # fmt: skip
MERGE = {
    "object_kind": "merge_request", "project": {"path_with_namespace": "bank/models"},
    "user": {"username": "rosa", "email": "rosa@bank.example"},
    "object_attributes": {"iid": 3, "action": "approved", "last_commit": {"id": SHA, "author": {"name": "Ada", "email": "ada@bank.example"}}},
}  # fmt: skip
PEOPLE = {"ada": "ada@bank.example", "rosa": "rosa@bank.example"}


def test_github_push_and_review_name_author_and_reviewer() -> None:
    found = read_review([PUSH, approval()], PEOPLE)
    assert (found.commit, found.change) == (SHA, "pull request 12")
    assert found.authors == ("ada@bank.example", "github:web-flow")
    assert found.approved_by == ("rosa@bank.example",)


def test_gitlab_merge_request_names_author_and_approver() -> None:
    push = {"object_kind": "push", "checkout_sha": SHA, "project": MERGE["project"], "commits": [{"author": {"email": "tim@bank.example"}}]}
    found = read_review([MERGE, push], {})
    assert found.authors == ("ada@bank.example", "tim@bank.example") and found.approved_by == ("rosa@bank.example",)
    assert found.change == "merge request 3"


@pytest.mark.parametrize("event", [approval(state="commented"), approval(state="changes_requested"), {"pull_request": PULL, "repository": REPOSITORY}, {**MERGE, "object_attributes": {**MERGE["object_attributes"], "action": "update"}}])
def test_being_asked_or_commenting_is_no_approval(event: dict[str, Any]) -> None:
    assert read_review([event], PEOPLE).approved_by == ()


def test_a_login_that_nobody_knows_is_a_gap() -> None:
    run = with_review(SourceRun("s 1", "declared", "r", "j", environment={"code": {"commit": SHA}}), read_review([approval()], {}))
    assert [gap for gap in run.gaps if "github:rosa is no e-mail address" in gap]
    assert run.environment["review"]["authors"] == ["github:ada"]


def test_another_commit_and_a_self_approval_are_named() -> None:
    run = SourceRun("s 1", "declared", "r", "j", environment={"code": {"commit": OLD}})
    gaps = with_review(run, read_review([approval(login="ada")], PEOPLE)).gaps
    assert "ada@bank.example approved a change of their own" in gaps
    assert f"commit {OLD[:12]} ran, and the events are about {SHA[:12]}" in gaps
    assert "whether the reviewed commit is the one that ran is not known" in with_review(SourceRun("s", "declared", "r", "j"), read_review([PUSH], {})).gaps


@pytest.mark.parametrize(
    "events",
    [[], [7], [{}], [{"object_kind": "pipeline", "project": MERGE["project"]}], [{"repository": {}}], [{**PUSH, "after": "short"}], [PUSH, {**PUSH, "after": OLD}],
     [{**PUSH, "commits": 7}], [approval(commit=OLD)], [{**MERGE, "object_attributes": []}], [{**MERGE, "project": None}]],
)  # fmt: skip
def test_bad_or_mixed_events_are_a_sentence(events: list[Any]) -> None:
    with pytest.raises(MalformedError):
        read_review(events, {})
