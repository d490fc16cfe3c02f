"""What one statement is in a lineage: its kind, its people, and what it read or quotes.

Pure, and forgiving: a field that is missing or of another type reads as absent, because a
graph must also show what is wrong. Only ``urn:govern:`` predicates, SLSA provenance v1,
in-toto test results and SVRs, and OpenSSF Model Signing v1.0 manifests have a place here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from govern.domain import predicates
from govern.domain.openlineage import asks
from govern.transparency.encoding import format_time
from govern.transparency.statement import Statement
from govern.transparency.verify import VerifiedStatement

KINDS = (
    "signature",
    "run",
    "data",
    "features",
    "training",
    "model",
    "check",
    "waiver",
    "decision",
    "approval",
    "admission",
    "change",
    "serving",
)
RANK = {kind: place for place, kind in enumerate(KINDS)}
MAKERS = frozenset(("signature", "run", "data", "features", "training", "model"))
_BUILDS = frozenset(("features", "training"))
_MODEL = frozenset(("model",))
_ALL = frozenset(KINDS)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
WORDS = {
    "signature": "signed folder",
    "run": "pipeline run",
    "data": "data set",
    "features": "feature build",
    "training": "training run",
    "model": "model",
    "check": "check",
    "waiver": "waiver",
    "decision": "decision",
    "approval": "vote",
    "admission": "admission",
    "change": "change",
    "serving": "gate log",
}


@dataclass(frozen=True, slots=True)
class Recorded:
    """One verified statement as a lineage reads it; ``at`` is RFC 3339."""

    digest: str
    predicate_type: str
    subjects: tuple[tuple[str, str], ...]
    predicate: Mapping[str, Any]
    signer: str
    at: str
    log_index: int

    @classmethod
    def of(cls, item: VerifiedStatement) -> Recorded:
        """Take what counts from a verified statement."""
        at = format_time(item.proven_at)
        return cls.make(item.statement, item.digest, item.signer, at, item.log_index)

    @classmethod
    def make(
        cls, statement: Statement, digest: str, signer: str, at: str, log_index: int
    ) -> Recorded:
        """Put a parsed statement beside who signed it and where it stands."""
        return cls(
            digest,
            statement.predicate_type,
            statement.subjects,
            statement.predicate,
            signer,
            at,
            log_index,
        )


@dataclass(frozen=True, slots=True)
class Reference:
    """A digest that a statement read or quotes.

    Args:
        digest: of a statement, of a folder or of a file.
        what: what it is, in words.
        kind: the kind of node that would answer it.
        makers: the kinds that may answer it as bytes.
        needed: it is a gap where nothing answers.
    """

    digest: str
    what: str
    kind: str
    makers: frozenset[str] = _ALL
    needed: bool = True


@dataclass(frozen=True, slots=True)
class Served:
    """How many records one gate's log holds under one admission."""

    gate: str
    origin: str
    admission: str
    records: int
    answers: int


@dataclass(frozen=True, slots=True)
class Node:
    """One step of a lineage; ``id`` is the statement's digest, or ``gate:`` and an origin."""

    id: str
    kind: str
    label: str
    subjects: tuple[str, ...]
    by: str
    at: str
    log_index: int
    people: tuple[tuple[str, str], ...] = ()
    reads: tuple[Reference, ...] = ()
    files: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """The statement's digest; empty for a gate log, which is no statement."""
        return self.id if self.kind != "serving" else ""

    def makes(self, digest: str) -> bool:
        """Say whether this step made or signed these bytes, alone or as a file of a folder."""
        if self.kind in MAKERS and digest in self.subjects:
            return True
        return any(digest == own for _, own in self.files)

    def words(self) -> str:
        """Name the node for a sentence."""
        short = f" ({self.id[7:15]})" if self.kind != "serving" else ""
        return f"{WORDS[self.kind]} {self.label}{short}"

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {
            "id": self.id,
            "kind": self.kind,
            "label": self.label,
            "digest": self.digest,
            "subject": self.subjects[0] if self.subjects else None,
            "by": self.by,
            "at": self.at,
            "log_index": self.log_index if self.kind != "serving" else None,
            "people": [{"role": role, "person": person} for role, person in self.people],
            "reads": [{"digest": item.digest, "what": item.what} for item in self.reads],
        }


def read_node(item: Recorded) -> Node | None:
    """Return what a statement is in a lineage; None where it is no step of one."""
    kind = _kind(item)
    if kind is None:
        return None
    read, predicate = _READERS[kind], item.predicate
    label, people, reads = read(item, predicate)
    return Node(
        id=item.digest,
        kind=kind,
        label=label or item.subjects[0][0] or WORDS[kind],
        subjects=tuple(digest for _, digest in item.subjects),
        by=item.signer,
        at=item.at,
        log_index=item.log_index,
        people=tuple(sorted({pair for pair in people if pair[1]})),
        reads=tuple(reads),
        files=tuple(_files(predicate)) if kind == "signature" else (),
        notes=tuple(_notes(kind, predicate)),
    )


def serving_nodes(served: Iterable[Served]) -> list[Node]:
    """Return one node for each gate log, reading the admissions it holds records of."""
    logs: dict[str, list[Served]] = {}
    for item in served:
        logs.setdefault(item.origin, []).append(item)
    nodes = []
    for origin, items in logs.items():
        answers = sum(item.answers for item in items)
        label = f"{items[0].gate}: {answers} answer{'' if answers == 1 else 's'}"
        reads = tuple(
            Reference(digest, "the admission", "admission")
            for digest in sorted({item.admission for item in items})
        )
        nodes.append(Node(f"gate:{origin}", "serving", label, (), origin, "", 0, (), reads))
    return nodes


_KINDS = {
    predicates.MODEL_SIGNATURE: "signature",
    predicates.PIPELINE_RUN: "run",
    predicates.DATASET: "data",
    predicates.CANDIDATE: "model",
    predicates.TEST_RESULT: "check",
    predicates.WAIVER: "waiver",
    predicates.SVR: "decision",
    predicates.APPROVAL: "approval",
    predicates.ADMISSION: "admission",
    predicates.SUSPENSION: "change",
    predicates.REINSTATEMENT: "change",
    predicates.REVOCATION: "change",
}


def _kind(item: Recorded) -> str | None:
    if item.predicate_type != predicates.PROVENANCE:
        return _KINDS.get(item.predicate_type)
    build = _object(item.predicate, "buildDefinition").get("buildType")
    return "training" if build == predicates.BUILD_TRAINING else "features"


_Read = tuple[str, list[tuple[str, str]], list[Reference]]


def _signature(item: Recorded, predicate: Mapping[str, Any]) -> _Read:
    return "", [("signer", item.signer)], _own_bytes(item, needed=False)


def _run(item: Recorded, predicate: Mapping[str, Any]) -> _Read:
    """A pipeline run; an input that it tells no bytes of is its own gap, and none of ours."""
    inputs = predicate.get("inputs")
    reads = [
        Reference(asks(row), f"{row['namespace']} {row['name']}"[:200], "run", MAKERS, needed=False)
        for row in (inputs if isinstance(inputs, list) else ())
        if isinstance(row, Mapping) and _text(row, "namespace") and _text(row, "name")
    ]
    reads += _quoted(predicate, "amends", "the statement that it adds to", "run")
    return _text(predicate, "job"), [("recorder", item.signer)], reads


def _data(item: Recorded, predicate: Mapping[str, Any]) -> _Read:
    reads = _quoted(predicate, "signature", "the signature over its folder", "signature")
    people = [("recorder", item.signer), ("recorder", _text(predicate, "recorded_by"))]
    return _text(predicate, "name"), people, reads + _own_bytes(item, needed=False)


def _features(item: Recorded, predicate: Mapping[str, Any]) -> _Read:
    return "", [("recorder", item.signer)], _materials(predicate, "data")


def _training(item: Recorded, predicate: Mapping[str, Any]) -> _Read:
    internal = _object(_object(predicate, "buildDefinition"), "internalParameters")
    people = [("trainer", item.signer), ("trainer", _text(internal, "trained_by"))]
    return "", people, _materials(predicate, "features")


def _model(item: Recorded, predicate: Mapping[str, Any]) -> _Read:
    reads = _quoted(predicate, "model_signature", "the signature over its folder", "signature")
    people = [("author", item.signer), ("author", _text(predicate, "author"))]
    return _text(predicate, "name"), people, reads + _own_bytes(item, needed=True)


def _check(item: Recorded, predicate: Mapping[str, Any]) -> _Read:
    reads = []
    rows = predicate.get("configuration")
    for row in rows if isinstance(rows, list) else ():
        digest, name = _resource_digest(row), _text(row, "name")
        if digest:
            what, kind = _quotation(name)
            quoted = name == "candidate" or name.startswith("lineage.")
            reads.append(Reference(digest, what, kind, needed=quoted))
    if not any(reference.what == "the candidate" for reference in reads):
        reads += _about(item)
    name = _text(_object(predicate, "govern"), "check")
    return name, [("evaluator", item.signer)], reads


def _waiver(item: Recorded, predicate: Mapping[str, Any]) -> _Read:
    people = [("compliance", item.signer), ("compliance", _text(predicate, "granted_by"))]
    return _text(predicate, "rule"), people, _about(item)


def _decision(item: Recorded, predicate: Mapping[str, Any]) -> _Read:
    value = _object(predicate, "govern")
    rows = value.get("evidence")
    reads = [
        Reference(row["digest"], *_quotation(_text(row, "path")))
        for row in (rows if isinstance(rows, list) else ())
        if isinstance(row, Mapping) and _is_digest(row.get("digest"))
    ]
    people = [("decider", item.signer), ("requester", _text(predicate, "requested_by"))]
    return _text(value, "outcome"), people, reads or _about(item)


def _quotation(path: str) -> tuple[str, str]:
    """Return what a path into the evidence means, in words and as a kind."""
    known = {
        "candidate": ("the candidate", "model"),
        "lineage": ("the lineage statement", "features"),
        "checks": ("the check", "check"),
        "waivers": ("the waiver", "waiver"),
    }
    return known.get(path.partition(".")[0], (path or "material", "data"))


def _approval(item: Recorded, predicate: Mapping[str, Any]) -> _Read:
    reads = _quoted(predicate, "decision", "the decision", "decision")
    label = f"{_text(predicate, 'vote')} {item.signer.partition('@')[0]}".strip()
    people = [("approver", item.signer), ("approver", _text(predicate, "approver"))]
    return label, people, reads


def _admission(item: Recorded, predicate: Mapping[str, Any]) -> _Read:
    votes = predicate.get("approvals")
    reads = _quoted(predicate, "candidate", "the candidate", "model")
    reads += _quoted(predicate, "decision", "the decision", "decision")
    reads += [
        Reference(digest, "the vote", "approval")
        for digest in (votes if isinstance(votes, list) else ())
        if _is_digest(digest)
    ]
    people = [("platform", item.signer), ("platform", _text(predicate, "admitted_by"))]
    return _text(predicate, "deployment"), people, reads


def _change(item: Recorded, predicate: Mapping[str, Any]) -> _Read:
    reads = _quoted(predicate, "admission", "the admission", "admission")
    return predicates.name_of(item.predicate_type), [("platform", item.signer)], reads


_READERS = {
    "signature": _signature,
    "run": _run,
    "data": _data,
    "features": _features,
    "training": _training,
    "model": _model,
    "check": _check,
    "waiver": _waiver,
    "decision": _decision,
    "approval": _approval,
    "admission": _admission,
    "change": _change,
}


def _own_bytes(item: Recorded, *, needed: bool) -> list[Reference]:
    return [
        Reference(digest, "the training run that made", "training", _BUILDS, needed)
        for _, digest in item.subjects
    ]


def _about(item: Recorded) -> list[Reference]:
    return [Reference(digest, "the candidate", "model", _MODEL) for _, digest in item.subjects]


def _materials(predicate: Mapping[str, Any], kind: str) -> list[Reference]:
    rows = _object(predicate, "buildDefinition").get("resolvedDependencies")
    found = []
    for row in rows if isinstance(rows, list) else ():
        digest = _resource_digest(row)
        if digest:
            found.append(Reference(digest, _text(row, "name") or "material", kind, MAKERS))
    return found


def _notes(kind: str, predicate: Mapping[str, Any]) -> list[str]:
    """Return what a run's source said that it does not know, and what did not fit."""
    if kind not in ("run", "training"):
        return []
    internal = _object(_object(predicate, "buildDefinition"), "internalParameters")
    rows = [(predicate if kind == "run" else internal).get(key) for key in ("gaps", "marks")]
    return [text for row in rows if isinstance(row, list) for text in row if isinstance(text, str)]


def _quoted(predicate: Mapping[str, Any], key: str, what: str, kind: str) -> list[Reference]:
    digest = predicate.get(key)
    return [Reference(digest, what, kind)] if isinstance(digest, str) and digest else []


def _files(predicate: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = predicate.get("resources")
    found = []
    for row in rows if isinstance(rows, list) else ():
        value = row.get("digest") if isinstance(row, Mapping) else None
        if isinstance(value, str) and _is_digest(f"sha256:{value}"):
            found.append((_text(row, "name"), f"sha256:{value}"))
    return found


def _resource_digest(row: Any) -> str | None:
    value = _object(row, "digest").get("sha256") if isinstance(row, Mapping) else None
    digest = f"sha256:{value}"
    return digest if _is_digest(digest) else None


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and _DIGEST.fullmatch(value) is not None


def _object(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = value.get(key)
    return found if isinstance(found, Mapping) else {}


def _text(value: Any, key: str) -> str:
    found = value.get(key) if isinstance(value, Mapping) else None
    return found if isinstance(found, str) else ""
