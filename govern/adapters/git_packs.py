"""Policy packs as a git revision has them, read without a work tree.

Only ``git rev-parse``, ``ls-tree`` and ``show`` are run, with argument lists; a revision
that could be read as an option is refused.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from govern.errors import InvalidRequestError, MissingPartError
from govern.policy.document import PACK_BYTES_MAX, Pack, load_pack

SECONDS_MAX = 30
FILES_MAX = 1_000
_REVISION = re.compile(r"[A-Za-z0-9_@][A-Za-z0-9_@./{}^~+-]{0,199}")


def packs_at(revision: str, folder: Path) -> list[Pack]:
    """Return the packs that ``folder`` has at a revision.

    Args:
        revision: a branch, tag or commit.
        folder: a folder inside a git repository.

    Raises:
        InvalidRequestError: no repository, no such revision, or no packs there.
        MissingPartError: git is not installed.
        PolicyError: a pack cannot be read.
    """
    if not _REVISION.fullmatch(revision):
        raise InvalidRequestError(f"{revision!r} is neither a folder nor a git revision")
    commit = _git(folder, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}").strip()
    listed = _git(folder, "ls-tree", "-r", "-z", "--name-only", commit.decode(), ".")
    names = [name for name in listed.decode("utf-8").split("\0") if _is_pack(name)]
    if not 0 < len(names) <= FILES_MAX:
        raise InvalidRequestError(f"{revision} has {len(names)} policy packs in {folder.name}")
    return [_pack(folder, commit.decode(), name, revision) for name in names]


def _is_pack(name: str) -> bool:
    return name.count("/") == 1 and name.endswith("/policy.yaml")


def _pack(folder: Path, commit: str, name: str, revision: str) -> Pack:
    data = _git(folder, "show", f"{commit}:./{name}")
    return load_pack(data[: PACK_BYTES_MAX + 1], f"{revision}:{name}")


def _git(folder: Path, *arguments: str) -> bytes:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            check=False,
            timeout=SECONDS_MAX,
        )
    except FileNotFoundError:
        raise MissingPartError("git is not installed; compare folders instead") from None
    except subprocess.TimeoutExpired:
        raise InvalidRequestError(f"git took longer than {SECONDS_MAX} seconds") from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        why = said[-1] if said else "no such revision"
        raise InvalidRequestError(f"git {arguments[0]} in {folder}: {why}")
    return done.stdout
