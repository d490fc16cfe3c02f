"""OpenLineage events, read strictly; and a run put together from them, in any order.

Pure. Source: OpenLineage 2-0-2, ``OpenLineage.json``, ``RunEvent``. An event is data from
outside: sizes are limited, and only facets known here are kept, the rest by name. Events have
no digest of bytes. A data set is known by its identity, the SHA-256 over namespace, name and,
where a ``version`` facet gives one, version; its bytes are known only where the facet
``govern_content`` gives their digest. What is not known is a gap; what does not fit is a mark.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from govern.errors import MalformedError
from govern.transparency.canonical import canonical_json
from govern.transparency.digest import check_digest, digest_of
from govern.transparency.encoding import format_time

EVENT_BYTES_MAX = 1 << 20
PREDICATE_BYTES_MAX = 4 << 20
DATASETS_MAX = 1_000
NAME_CHARS_MAX = 1_024
FIELDS_MAX = 5_000
EVENTS_MAX = 10_000
CLOCK_SKEW = timedelta(hours=1)
ENDS = ("COMPLETE", "FAIL", "ABORT")
TYPES = ("START", "RUNNING", *ENDS, "OTHER")
_RUN_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)")
_KNOWN = {
    "run": ("parent", "nominalTime", "processing_engine"),
    "job": ("jobType", "ownership"),
    "dataset": (
        "schema", "version", "lifecycleStateChange", "ownership", "columnLineage",
        "dataQualityMetrics", "outputStatistics", "inputStatistics", "govern_content",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Event:
    """One event: its digest, the run it is about, and when it was received and from whom."""

    digest: str
    run_id: str
    kind: str
    at: datetime
    job: str
    received_at: datetime
    sender: str
    value: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PipelineRun:
    """A run as its events tell it.

    Args:
        predicate: what is signed, about ``subjects``.
        record: the events themselves as canonical JSON; the first subject is its digest.
    """

    run_id: str
    job: str
    state: str
    predicate: Mapping[str, Any]
    subjects: tuple[tuple[str, str], ...]
    record: bytes


def read_event(value: Any, *, received_at: datetime, sender: str) -> Event:
    """Read a run event.

    Raises:
        MalformedError: it is none; the sentence names the field.
    """
    run_id, kind, moment, job = check_event(value)
    digest = digest_of(canonical_json(value))
    return Event(digest, run_id, kind, moment, job, received_at, sender, value)


def check_event(value: Any) -> tuple[str, str, datetime, str]:
    """Return run id, type, time and job of a run event, without its digest, which takes longer.

    Raises:
        MalformedError: see ``read_event``.
    """
    if not isinstance(value, dict):
        raise MalformedError("an OpenLineage event is a JSON object")
    kind = value.get("eventType", "OTHER")
    if kind not in TYPES:
        raise MalformedError(f"eventType is one of {', '.join(TYPES)}")
    run_id = _object(value, "run").get("runId")
    if not isinstance(run_id, str) or not _RUN_ID.fullmatch(run_id.lower()):
        raise MalformedError("run.runId is a UUID")
    for side in ("inputs", "outputs"):
        _check_datasets(value, side)
    job = _named(_object(value, "job"), "job")
    return run_id.lower(), kind, _moment(value.get("eventTime")), job


def identity(namespace: str, name: str, version: str | None = None) -> str:
    """Return a data set's identity: a digest of what it is called, and not of its bytes."""
    called = {"namespace": namespace, "name": name}
    return digest_of(canonical_json(called | ({"version": version} if version else {})))


def run_digest(run_id: str) -> str:
    """Return the digest that a run is found by: over the text of its id."""
    return digest_of(run_id.encode())


def put_together(events: Iterable[Event], *, amends: str | None = None) -> PipelineRun:
    """Put one run together from its events, in whichever order they came.

    Args:
        events: of one run, at least one; the same event twice counts once.
        amends: the statement of the same run that was signed before, if any.
    """
    found = {event.digest: event for event in events}
    ordered = sorted(found.values(), key=lambda event: (event.at, event.digest))
    ends = [event.kind for event in ordered if event.kind in ENDS]
    sides = {side: _merged(ordered, side) for side in ("inputs", "outputs")}
    job, state = ordered[-1].job, ends[-1] if ends else "RUNNING"
    record = canonical_json([event.value for event in ordered])
    predicate = {
        "source": {"name": "openlineage", "level": "declared", "senders": _distinct(ordered)},
        "run_id": ordered[0].run_id,
        "job": job,
        "state": state,
        "first_event_at": format_time(ordered[0].at),
        "last_event_at": format_time(ordered[-1].at),
        "inputs": sides["inputs"],
        "outputs": sides["outputs"],
        "facets": _run_facets(ordered),
        "events": [
            {"digest": one.digest, "type": one.kind, "at": format_time(one.at),
             "received_at": format_time(one.received_at)}
            for one in ordered
        ],
        "gaps": _gaps(sides, ends),
        "marks": _marks(ordered, ends, amends),
    } | ({"amends": amends} if amends else {})  # fmt: skip
    subjects = [(job[:200], digest_of(record)), ("run", run_digest(ordered[0].run_id))]
    subjects += [(row["name"][:200], one) for row in sides["outputs"] for one in answers(row)]
    kept = tuple(dict.fromkeys(subjects))
    return PipelineRun(ordered[0].run_id, job, state, _fitting(predicate), kept, record)


def answers(row: Mapping[str, Any]) -> list[str]:
    """Return the digests by which an output can be asked for, its bytes' first."""
    namespace, name, version = str(row["namespace"]), str(row["name"]), row.get("version")
    found = [str(row["digest"])] if row.get("digest") else []
    found += [identity(namespace, name, str(version))] if version else []
    return [*found, identity(namespace, name)]


def asks(row: Mapping[str, Any]) -> str:
    """Return the digest by which an input asks for what wrote it: the most exact one known."""
    return answers(row)[0]


def _fitting(predicate: dict[str, Any]) -> dict[str, Any]:
    """Leave facets out of a predicate that would be too long to sign, and say so."""
    if len(canonical_json(predicate)) <= PREDICATE_BYTES_MAX:
        return predicate
    sides = {
        side: [{**row, "facets": {}, "other": sorted({*row["other"], *row["facets"]})}
               for row in predicate[side]]
        for side in ("inputs", "outputs")
    }  # fmt: skip
    said = f"facets were left out here: all together they have over {PREDICATE_BYTES_MAX} bytes"
    return {**predicate, **sides, "facets": {}, "marks": [*predicate["marks"], said]}


def _merged(events: Sequence[Event], side: str) -> list[dict[str, Any]]:
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for event in events:
        for item in event.value.get(side) or ():
            row = rows.setdefault(
                (item["namespace"], item["name"]),
                {"namespace": item["namespace"], "name": item["name"], "facets": {}, "other": []},
            )
            _add_facets(row, item)
    for row in rows.values():
        row["other"] = sorted(set(row["other"]))
    return [rows[key] for key in sorted(rows)]


def _add_facets(row: dict[str, Any], item: Mapping[str, Any]) -> None:
    for group in ("facets", "inputFacets", "outputFacets"):
        for name, facet in _object(item, group).items():
            if name not in _KNOWN["dataset"]:
                row["other"].append(name[:NAME_CHARS_MAX])
            elif isinstance(facet, dict):
                row["facets"][name] = _facet(facet)
    version = row["facets"].get("version", {}).get("datasetVersion")
    if isinstance(version, str) and version:
        row["version"] = version[:NAME_CHARS_MAX]
    content = row["facets"].get("govern_content", {}).get("digest")
    if content is not None:
        row["digest"] = check_digest(content)


def _facet(facet: Mapping[str, Any]) -> dict[str, Any]:
    """Return a facet without what says who made it and where its schema lies."""
    return {key: value for key, value in facet.items() if not key.startswith("_")}


def _run_facets(events: Sequence[Event]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for event in events:
        for place in ("run", "job"):
            for name, facet in _object(_object(event.value, place), "facets").items():
                if name in _KNOWN[place] and isinstance(facet, dict):
                    found[name] = _facet(facet)
        code = _object(_object(event.value, "job"), "facets").get("sourceCodeLocation")
        if isinstance(code, dict):
            wanted = ("type", "repoUrl", "path", "version", "branch", "tag")
            found["code"] = {key: code[key] for key in wanted if isinstance(code.get(key), str)}
    return found


def _gaps(sides: Mapping[str, Sequence[Mapping[str, Any]]], ends: Sequence[str]) -> list[str]:
    gaps = [] if ends else ["the run never said that it ended"]
    for side, word in (("inputs", "read"), ("outputs", "wrote")):
        for row in sides[side]:
            if "digest" in row:
                continue
            called = f"{row['namespace']} {row['name']}"[:200]
            known = (
                "its version but not its bytes" if "version" in row else "neither bytes nor version"
            )
            gaps.append(f"it {word} {called}, of which it tells {known}")
    return gaps


def _marks(events: Sequence[Event], ends: Sequence[str], amends: str | None) -> list[str]:
    marks = []
    jobs = list(dict.fromkeys(event.job for event in events))
    if len(jobs) > 1:
        marks.append(f"the run was renamed: {' then '.join(jobs)}"[:500])
    if len(set(ends)) > 1:
        marks.append(f"the run ended more than once: {', '.join(dict.fromkeys(ends))}")
    if len({event.sender for event in events}) > 1:
        marks.append("different senders told of the same run")
    far = max(events, key=lambda event: abs(event.at - event.received_at))
    apart = far.at - far.received_at
    if abs(apart) > CLOCK_SKEW:
        told = str(abs(apart)).partition(".")[0]
        side = "after" if apart > timedelta(0) else "before"
        marks.append(f"an event says it happened {told} {side} it was received; a clock or a delay")
    if amends:
        marks.append("further events came after the run had been signed")
    return marks


def _distinct(events: Sequence[Event]) -> list[str]:
    return sorted({event.sender for event in events})


def _check_datasets(value: Mapping[str, Any], side: str) -> None:
    rows = [] if value.get(side) is None else value[side]
    if not isinstance(rows, list) or len(rows) > DATASETS_MAX:
        raise MalformedError(f"{side} is a list of at most {DATASETS_MAX} data sets")
    for row in rows:
        if not isinstance(row, dict):
            raise MalformedError(f"{side} holds objects with namespace and name")
        _named(row, f"a data set of {side}")
        facets = _object(row, "facets")
        fields = _object(facets, "schema").get("fields") or []
        if not isinstance(fields, list) or len(fields) > FIELDS_MAX:
            raise MalformedError(f"a schema has at most {FIELDS_MAX} fields")
        content = _object(facets, "govern_content").get("digest")
        if content is not None:
            check_digest(content)


def _named(value: Mapping[str, Any], what: str) -> str:
    parts = (value.get("namespace"), value.get("name"))
    for part in parts:
        if not isinstance(part, str) or not 0 < len(part) <= NAME_CHARS_MAX:
            raise MalformedError(
                f"{what} has a namespace and a name of 1 to {NAME_CHARS_MAX} characters"
            )
    return f"{parts[0]}/{parts[1]}"


def _moment(text: Any) -> datetime:
    if not isinstance(text, str) or not _TIME.fullmatch(text):
        raise MalformedError("eventTime is an RFC 3339 time with its offset")
    whole, dot, rest = text.partition(".")
    if dot:
        digits = re.match(r"\d+", rest)
        assert digits
        text = f"{whole}.{digits[0][:6]}{rest[digits.end() :]}"
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise MalformedError("eventTime is no time that exists") from None


def _object(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = value.get(key)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise MalformedError(f"{key} is an object")
    return found
