"""What a tool said about one run: inputs, feature builds, a model, parameters, and its gaps.

Every source of lineage (``govern.sources``) is read into this shape, and ``govern.services.
importing`` signs it. Pure. A fact is kept with where it comes from and how far it can be
believed:

* ``observed``: govern's own recorder saw it happen, in the process that did it;
* ``signed``: the source signed it, and the signature verified under a key given by hand;
* ``declared``: somebody or some tool says so.

What a source does not know is a gap with a name; nothing here is ever guessed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from govern.errors import MalformedError
from govern.transparency.digest import check_digest
from govern.transparency.encoding import format_time, parse_time

PREDICATE = "urn:govern:run:v1"  # of a run that its source signed; never in our log
MEDIA_TYPE = "application/vnd.govern.run.v1+json"
LEVELS = ("declared", "signed", "observed")
STATES = ("completed", "failed", "running", "aborted")
NAME_CHARS_MAX = 500
ITEMS_MAX = 10_000
CLOCK_SKEW = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Bytes:
    """Something with a name and, where it is known, a digest.

    Args:
        name: what it is called.
        digest: of a file, or of a folder's root; None where the source does not know it.
        files: name and digest of each file; empty where ``digest`` is a value's own.
        profile: what is known of the content: rows, columns, missing values, groups.
        path: where it lay; read at import and never signed.
    """

    name: str
    digest: str | None = None
    files: tuple[tuple[str, str], ...] = ()
    profile: Mapping[str, Any] = field(default_factory=dict)
    path: str | None = None


@dataclass(frozen=True, slots=True)
class Build:
    """A feature build: what it made, from which names, with which parameters."""

    made: Bytes
    reads: tuple[str, ...]
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SourceRun:
    """One run as a source tells it.

    Args:
        source: the source's name and version, such as ``recorder 0.1.0``.
        level: one of ``LEVELS``.
        run_id: the source's own id of the run, the same however often it is told.
        job: what was run, in the source's words.
        state: one of ``STATES``.
        started_at: RFC 3339 by the source's clock; None where it does not say.
        ended_at: as ``started_at``.
        data: data sets that were read.
        builds: feature builds inside the run.
        model: what was trained, if anything.
        reads: names of data and builds that the training read.
        parameters: what a person chose.
        environment: what the machine added: code, packages, seeds, device, metrics.
        gaps: what the source does not know, each in a sentence.
    """

    source: str
    level: str
    run_id: str
    job: str
    state: str = "completed"
    started_at: str | None = None
    ended_at: str | None = None
    data: tuple[Bytes, ...] = ()
    builds: tuple[Build, ...] = ()
    model: Bytes | None = None
    reads: tuple[str, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    gaps: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object, without the level: how far to believe it is not its own to say."""
        return {
            "mediaType": MEDIA_TYPE,
            "source": self.source,
            "run_id": self.run_id,
            "job": self.job,
            "state": self.state,
            "started_at": self.started_at,
            "ended_at": self.ended_at,
            "data": [_bytes_json(item) for item in self.data],
            "builds": [
                {"made": _bytes_json(one.made), "reads": list(one.reads),
                 "parameters": dict(one.parameters)}
                for one in self.builds
            ],
            "model": None if self.model is None else _bytes_json(self.model),
            "reads": list(self.reads),
            "parameters": dict(self.parameters),
            "environment": dict(self.environment),
            "gaps": list(self.gaps),
        }  # fmt: skip


def from_json(value: Any, level: str) -> SourceRun:
    """Read a run.

    Args:
        value: the JSON object.
        level: how far it can be believed, one of ``LEVELS``; the reader knows how it came.

    Raises:
        MalformedError: it is none; the sentence names the field.
    """
    if not isinstance(value, dict) or value.get("mediaType") != MEDIA_TYPE:
        raise MalformedError(f"not a run: expected an object with mediaType {MEDIA_TYPE}")
    state = _text(value, "state")
    if state not in STATES:
        raise MalformedError(f"a run's state is one of {', '.join(STATES)}")
    model = value.get("model")
    return SourceRun(
        source=_text(value, "source"),
        level=level,
        run_id=_text(value, "run_id"),
        job=_text(value, "job"),
        state=state,
        started_at=_time(value, "started_at"),
        ended_at=_time(value, "ended_at"),
        data=tuple(_bytes(item) for item in _rows(value, "data")),
        builds=tuple(_build(item) for item in _rows(value, "builds")),
        model=None if model is None else _bytes(model),
        reads=_texts(value, "reads"),
        parameters=_object(value, "parameters"),
        environment=_object(value, "environment"),
        gaps=_texts(value, "gaps"),
    )


def clock_marks(run: SourceRun, now: datetime) -> tuple[str, ...]:
    """Name what cannot be right about a run's times, seen from ``now``; nothing is corrected."""
    marks = []
    started = None if run.started_at is None else parse_time(run.started_at)
    ended = None if run.ended_at is None else parse_time(run.ended_at)
    if started and ended and ended < started:
        marks.append(f"the source's clock says that it ended {started - ended} before it began")
    newest = max((moment for moment in (started, ended) if moment), default=now)
    if newest - now > CLOCK_SKEW:
        ahead = str(newest - now).partition(".")[0]
        marks.append(f"the source's clock is {ahead} ahead of the time it was recorded at")
    return tuple(marks)


def _bytes_json(item: Bytes) -> dict[str, Any]:
    return {
        "name": item.name,
        "digest": item.digest,
        "files": [{"name": name, "digest": digest} for name, digest in item.files],
        "profile": dict(item.profile),
        "path": item.path,
    }


def _bytes(value: Any) -> Bytes:
    if not isinstance(value, dict):
        raise MalformedError("a run's data and model are objects with name and digest")
    digest, path = value.get("digest"), value.get("path")
    if path is not None and not isinstance(path, str):
        raise MalformedError("a path is a text")
    files = tuple((_file(row), check_digest(row.get("digest"))) for row in _rows(value, "files"))
    return Bytes(
        _text(value, "name"),
        None if digest is None else check_digest(digest),
        files,
        _object(value, "profile"),
        path,
    )


def _file(row: Mapping[str, Any]) -> str:
    name = _text(row, "name")
    parts = name.split("/")
    if "\\" in name or any(part in ("", ".", "..") for part in parts):
        raise MalformedError(
            f"a file's name is a relative path inside its folder, not {name!r:.80}"
        )
    return name


def _build(value: Any) -> Build:
    if not isinstance(value, dict):
        raise MalformedError("a feature build is an object with made, reads and parameters")
    return Build(_bytes(value.get("made")), _texts(value, "reads"), _object(value, "parameters"))


def _text(value: Mapping[str, Any], key: str) -> str:
    found = value.get(key)
    if not isinstance(found, str) or not 0 < len(found) <= NAME_CHARS_MAX:
        raise MalformedError(f"the field {key!r} is a text of 1 to {NAME_CHARS_MAX} characters")
    return found


def _time(value: Mapping[str, Any], key: str) -> str | None:
    found = value.get(key)
    return None if found is None else format_time(parse_time(found))


def _list(value: Mapping[str, Any], key: str) -> Sequence[Any]:
    found = value.get(key, [])
    if not isinstance(found, list) or len(found) > ITEMS_MAX:
        raise MalformedError(f"the field {key!r} is a list of at most {ITEMS_MAX} items")
    return found


def _rows(value: Mapping[str, Any], key: str) -> Sequence[Any]:
    rows = _list(value, key)
    if not all(isinstance(row, dict) for row in rows):
        raise MalformedError(f"the field {key!r} is a list of objects")
    return rows


def _texts(value: Mapping[str, Any], key: str) -> tuple[str, ...]:
    rows = _list(value, key)
    if not all(isinstance(row, str) for row in rows):
        raise MalformedError(f"the field {key!r} is a list of texts")
    return tuple(rows)


def _object(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = value.get(key, {})
    if not isinstance(found, dict):
        raise MalformedError(f"the field {key!r} is an object")
    return found
