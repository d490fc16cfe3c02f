"""Who wrote and who approved the code of a run, read from event files of GitHub and GitLab.

Pure. Sources: GitHub, "Webhook events and payloads" (``push``, ``pull_request``,
``pull_request_review``); GitLab, "Webhook events" (``push``, ``merge_request``). Somebody who
was asked for a review has not given one; only an approval counts. A login is nobody until it is
tied to an e-mail address, by the event or by a list of people; until then it is a gap.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from govern.domain.source_run import SourceRun
from govern.errors import MalformedError

COMMITS_MAX = 10_000
PEOPLE_MAX = 1_000
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_NOBODY = frozenset(("users.noreply.github.com", "users.noreply.gitlab.com"))


@dataclass(frozen=True, slots=True)
class CodeReview:
    """What events say of one commit; people are e-mail addresses, or ``github:login``."""

    provider: str
    repository: str
    commit: str
    change: str | None = None
    authors: tuple[str, ...] = ()
    approved_by: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object that a run's environment holds as ``review``."""
        return {
            "provider": self.provider,
            "repository": self.repository,
            "commit": self.commit,
            "change": self.change,
            "authors": list(self.authors),
            "approved_by": list(self.approved_by),
        }


def read_review(events: Sequence[Any], people: Mapping[str, str]) -> CodeReview:
    """Put together what event files say of one commit.

    Args:
        events: the files' JSON, of one provider, repository and commit.
        people: login to e-mail address, for those whom the events name by login alone.

    Raises:
        MalformedError: an event is of no known kind, or they are about different commits.
    """
    found = [_read(event) for event in events]
    if not found:
        raise MalformedError("no event file was given")
    first = found[0]
    for other in found[1:]:
        if (other.repository, other.commit) != (first.repository, first.commit):
            raise MalformedError(
                f"the events are about {first.repository} {first.commit[:12]} "
                f"and {other.repository} {other.commit[:12]}"
            )
    return replace(
        first,
        change=next((one.change for one in found if one.change), None),
        authors=_known((name for one in found for name in one.authors), people),
        approved_by=_known((name for one in found for name in one.approved_by), people),
    )


def with_review(run: SourceRun, review: CodeReview) -> SourceRun:
    """Return a run with the review of its code, and what is unknown or does not fit about it."""
    code = run.environment.get("code")
    trained_on = code.get("commit") if isinstance(code, Mapping) else None
    gaps = [
        f"{name} is no e-mail address, so separation of duties cannot know them"
        for name in (*review.authors, *review.approved_by)
        if "@" not in name
    ]
    if not review.approved_by:
        gaps.append(f"no event says that anybody approved {review.commit[:12]}")
    if trained_on is None:
        gaps.append("whether the reviewed commit is the one that ran is not known")
    elif trained_on != review.commit:
        gaps.append(f"commit {trained_on[:12]} ran, and the events are about {review.commit[:12]}")
    own = sorted(set(review.authors) & set(review.approved_by))
    gaps += [f"{person} approved a change of their own" for person in own]
    environment = {**run.environment, "review": review.to_json()}
    return replace(run, environment=environment, gaps=(*run.gaps, *gaps))


def _read(event: Any) -> CodeReview:
    if isinstance(event, dict) and "object_kind" in event:
        return _gitlab(event)
    if isinstance(event, dict) and isinstance(event.get("repository"), dict):
        return _github(event)
    raise MalformedError("expected an event file of GitHub or GitLab")


def _github(event: Mapping[str, Any]) -> CodeReview:
    repository = _text(event["repository"], "full_name")
    if "pull_request" not in event:
        authors = [_person(row.get("author"), "github") for row in _commits(event)]
        authors += [_person(row.get("committer"), "github") for row in _commits(event)]
        commit = _commit(event.get("after"))
        return CodeReview("github", repository, commit, None, tuple(filter(None, authors)))
    pull = _object(event, "pull_request")
    review = _object(event, "review") if "review" in event else {}
    approved = str(review.get("state")).lower() == "approved"
    commit = _commit(_object(pull, "head").get("sha"))
    if approved and review.get("commit_id") != commit:
        raise MalformedError("the approval is about an older commit than the pull request's")
    author = _person(pull.get("user"), "github")
    reviewer = _person(review.get("user"), "github") if approved else None
    return CodeReview(
        "github", repository, commit, f"pull request {_number(pull, 'number')}",
        (author,) if author else (), (reviewer,) if reviewer else (),
    )  # fmt: skip


def _gitlab(event: Mapping[str, Any]) -> CodeReview:
    repository = _text(_object(event, "project"), "path_with_namespace")
    if event["object_kind"] == "push":
        people = [_person(row.get("author"), "gitlab") for row in _commits(event)]
        commit = _commit(event.get("checkout_sha") or event.get("after"))
        return CodeReview("gitlab", repository, commit, None, tuple(filter(None, people)))
    if event["object_kind"] != "merge_request":
        raise MalformedError(f"a GitLab event {event['object_kind']!r:.40} says nothing of reviews")
    told = _object(event, "object_attributes")
    last = _object(told, "last_commit")
    author = _person(last.get("author"), "gitlab")
    approved = told.get("action") in ("approved", "approval")
    reviewer = _person(event.get("user"), "gitlab") if approved else None
    return CodeReview(
        "gitlab", repository, _commit(last.get("id")), f"merge request {_number(told, 'iid')}",
        (author,) if author else (), (reviewer,) if reviewer else (),
    )  # fmt: skip


def _person(value: Any, provider: str) -> str | None:
    """Return an address where the event has one that means somebody, else the login."""
    if not isinstance(value, Mapping):
        return None
    mail = value.get("email")
    if isinstance(mail, str) and "@" in mail and mail.rpartition("@")[2] not in _NOBODY:
        return mail.lower()[:320]
    login = value.get("login") or value.get("username") or value.get("name")
    return f"{provider}:{login}"[:320] if isinstance(login, str) and login else None


def _known(names: Iterable[str], people: Mapping[str, str]) -> tuple[str, ...]:
    found = dict.fromkeys(people.get(name.partition(":")[2], name).lower() for name in names)
    if len(found) > PEOPLE_MAX:
        raise MalformedError(f"the events name more than {PEOPLE_MAX} people")
    return tuple(sorted(found))


def _commits(event: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    rows = event.get("commits", [])
    if not isinstance(rows, list) or len(rows) > COMMITS_MAX:
        raise MalformedError(f"a push has a list of at most {COMMITS_MAX} commits")
    return [row for row in rows if isinstance(row, dict)]


def _commit(value: Any) -> str:
    if not isinstance(value, str) or not _COMMIT.fullmatch(value):
        raise MalformedError("the event names no commit by its full hash")
    return value


def _object(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = value.get(key)
    if not isinstance(found, dict):
        raise MalformedError(f"the event has no {key}")
    return found


def _text(value: Mapping[str, Any], key: str) -> str:
    found = value.get(key)
    if not isinstance(found, str) or not 0 < len(found) <= 500:
        raise MalformedError(f"the event has no {key}")
    return found


def _number(value: Mapping[str, Any], key: str) -> int:
    found = value.get(key)
    if not isinstance(found, int):
        raise MalformedError(f"the event has no {key}")
    return found
