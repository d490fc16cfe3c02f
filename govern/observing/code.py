"""Which code ran: the git commit, and the digest of what was not committed.

It runs ``git`` with argument lists and reads; it changes nothing and sends nothing. Outside a
repository, or without git, that is a gap and no guess.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from govern.transparency.digest import digest_of

GIT_SECONDS = 30
DIFF_BYTES_MAX = 256 << 20


@dataclass(frozen=True, slots=True)
class Code:
    """What is known of the code, as JSON values, and what is not."""

    facts: dict[str, Any]
    gaps: tuple[str, ...]


def code_in(folder: Path) -> Code:
    """Return commit, branch and state of the repository that a folder lies in.

    ``diff_digest`` is the SHA-256 over ``git diff HEAD --binary``. Files that git neither
    knows nor ignores are counted and a gap: the diff says nothing about them.
    """
    try:
        commit = _git(folder, "rev-parse", "HEAD").decode().strip()
        root = Path(_git(folder, "rev-parse", "--show-toplevel").decode().strip())
        branch = _git(folder, "rev-parse", "--abbrev-ref", "HEAD").decode().strip()
        diff = _git(root, "diff", "HEAD", "--binary", "--no-ext-diff", "--no-textconv")
        names = _git(root, "ls-files", "--others", "--exclude-standard", "-z").decode()
    except (OSError, subprocess.SubprocessError):
        return Code({}, ("the code lies in no git repository with a commit",))
    untracked = [name for name in names.split("\0") if name]
    facts: dict[str, Any] = {
        "commit": commit,
        "branch": branch,
        "dirty": bool(diff or untracked),
        "untracked_files": len(untracked),
    }
    if diff:
        facts["diff_digest"] = digest_of(diff)
    gaps = ("files that git does not know lay beside the code",) if untracked else ()
    return Code(facts, gaps)


def _git(folder: Path, *words: str) -> bytes:
    done = subprocess.run(
        ["git", "-C", str(folder), *words], capture_output=True, timeout=GIT_SECONDS, check=True
    )
    if len(done.stdout) > DIFF_BYTES_MAX:
        raise subprocess.SubprocessError("the diff is too long")
    return done.stdout
