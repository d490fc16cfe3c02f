"""Read files from disk for ``govern lineage record``: digests by streaming, names by path."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from govern.adapters.hashing import hash_files
from govern.domain import predicates
from govern.errors import InvalidRequestError, NotFoundError
from govern.services import tracing
from govern.services.recalling import lineage_graph, resolve
from govern.transparency.digest import check_digest, folder_digest

if TYPE_CHECKING:
    from govern.bootstrap import Application

FILES_MAX = 100_000
NAME_CHARS_MAX = 200
PARAMETERS_MAX = 200
_BUILDS = {"features": predicates.BUILD_FEATURES, "training": predicates.BUILD_TRAINING}


def record(
    application: Application,
    kind: str,
    name: str,
    paths: Sequence[Path],
    read: Sequence[str],
    parameters: Sequence[str],
    by: str,
) -> dict[str, Any]:
    """Record one step.

    Args:
        kind: ``dataset``, ``features`` or ``training``.
        paths: files and folders that were made.
        read: digests or names of what was read.
        parameters: ``key=value`` texts.

    Returns:
        The digest of what was made, the statement's digest, and warnings.

    Raises:
        InvalidRequestError: an argument does not fit.
    """
    if not 0 < len(name) <= NAME_CHARS_MAX:
        raise InvalidRequestError(f"--name has 1 to {NAME_CHARS_MAX} characters")
    chosen = _parameters(parameters)
    files = digests_of(paths)
    dependencies, warnings = _dependencies(application, read)
    recorder = application.operations.recorder
    if kind == "dataset":
        if read:
            raise InvalidRequestError("a data set reads nothing; record what made it as features")
        for _, path, digest in files:
            application.blobs.put_file(path, digest)
        named = [(file_name, digest) for file_name, _, digest in files]
        made = tracing.record_dataset_digests(recorder, name, named, chosen, signer=by)
    else:
        if not read:
            raise InvalidRequestError(f"say what the {kind} step read: --from DIGEST")
        made = tracing.record_build(
            recorder,
            build_type=_BUILDS[kind],
            subject=(name, made_digest(paths, files)),
            dependencies=dependencies,
            parameters=chosen,
            internal={"trained_by": by} if kind == "training" else {},
            signer=by,
        )
    subject = made.statement.subject
    return {"digest": subject, "statement": made.digest, "files": len(files), "warnings": warnings}


def made_digest(paths: Sequence[Path], files: Sequence[tuple[str, Path, str]]) -> str:
    """Return the digest of what was made: a single file's own, else the folder's root."""
    if len(paths) == 1 and paths[0].is_file():
        return files[0][2]
    return folder_digest((name, digest) for name, _, digest in files)


def digests_of(paths: Sequence[Path]) -> list[tuple[str, Path, str]]:
    """Return name, path and digest of every file; names are relative to a given folder.

    Raises:
        InvalidRequestError: a path is missing or a link, names collide, or none or too many.
    """
    found: dict[str, Path] = {}
    for given in paths:
        if given.is_symlink() or not given.exists():
            raise InvalidRequestError(f"{given} is not a file or folder")
        inside = sorted(path for path in given.rglob("*") if not path.is_dir())
        for path in inside if given.is_dir() else [given]:
            name = path.relative_to(given).as_posix() if given.is_dir() else path.name
            if path.is_symlink() or not path.is_file():
                raise InvalidRequestError(f"{path} is a link or no plain file")
            if name in found:
                raise InvalidRequestError(f"two files are called {name}; give their folder")
            found[name] = path
    if not 0 < len(found) <= FILES_MAX:
        raise InvalidRequestError(f"record 1 to {FILES_MAX} files, got {len(found)}")
    return [(file.name, file.path, file.digest) for file in hash_files(found)]


def _parameters(texts: Sequence[str]) -> dict[str, str]:
    if len(texts) > PARAMETERS_MAX:
        raise InvalidRequestError(f"at most {PARAMETERS_MAX} parameters")
    found = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise InvalidRequestError(f"--param is key=value, got {text[:80]!r}")
        found[key] = value
    return found


def _dependencies(
    application: Application, read: Sequence[str]
) -> tuple[list[tuple[str, str]], list[str]]:
    recorder = application.operations.recorder
    graph = lineage_graph(recorder)
    found, warnings = [], []
    for text in read:
        try:
            target = resolve(recorder, graph, text)
        except NotFoundError:
            if not text.startswith("sha256:"):
                raise
            found.append(("material", check_digest(text)))
            warnings.append(f"{text} is not recorded; the lineage has a gap there")
            continue
        node = graph.nodes.get(target.digest)
        digest = target.digest if node is None else node.subjects[0]
        label = graph.nodes[sorted(target.seeds)[0]].label
        found.append((label, digest))
    return found, warnings
