"""Read event files of GitHub and GitLab: what a pipeline finds on its disk, or a hook received.

GitHub Actions names its file in ``GITHUB_EVENT_PATH``. Nothing is fetched, and no token read.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from govern.domain.code_review import PEOPLE_MAX, CodeReview, read_review
from govern.errors import InvalidRequestError, MalformedError, NotFoundError
from govern.transparency.canonical import parse_json

FILES_MAX = 20
FILE_BYTES_MAX = 8 << 20


def review_in(events: Sequence[Path], people: Path | None) -> CodeReview:
    """Return what event files say of a commit.

    Raises:
        NotFoundError, MalformedError: a file is missing, too long, or no event of one commit.
        InvalidRequestError: too many files.
    """
    if len(events) > FILES_MAX:
        raise InvalidRequestError(f"give at most {FILES_MAX} event files")
    known = {} if people is None else _json(people)
    if not isinstance(known, dict) or len(known) > PEOPLE_MAX or not all(
        isinstance(mail, str) and "@" in mail for mail in known.values()
    ):  # fmt: skip
        raise MalformedError(f"the list of people is an object of up to {PEOPLE_MAX} login: e-mail")
    return read_review([_json(path) for path in events], known)


def _json(path: Path) -> Any:
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise MalformedError(f"{path.name} is larger than the limit of {FILE_BYTES_MAX} bytes")
        return parse_json(path.read_bytes())
    except FileNotFoundError:
        raise NotFoundError(f"{path} is missing") from None
