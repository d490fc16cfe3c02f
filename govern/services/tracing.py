"""Record lineage, register candidates, and gather what speaks for one candidate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from govern.domain import predicates
from govern.domain.assembling import StatementIndex, load_candidate, members_of
from govern.domain.closure import materials
from govern.domain.evidence import EvidenceSet
from govern.domain.ml_bom import ml_bom
from govern.services.recording import Recorder
from govern.transparency.digest import digest_of, folder_digest, hex_of
from govern.transparency.encoding import format_time
from govern.transparency.oms import folder_predicate
from govern.transparency.verify import VerifiedStatement

FilesByName = Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class ListedFile:
    """One file of a folder: relative POSIX name, digest, size in bytes."""

    name: str
    digest: str
    size: int


def file_digests(files: FilesByName) -> list[tuple[str, str]]:
    """Return name and digest of each file, by name."""
    return [(name, digest_of(files[name])) for name in sorted(files)]


def sign_folder(
    recorder: Recorder, name: str, files: FilesByName, *, signer: str
) -> VerifiedStatement:
    """Sign a model or data set folder as OpenSSF Model Signing v1.0 lays down."""
    return sign_digests(recorder, name, file_digests(files), signer=signer)


def sign_digests(
    recorder: Recorder, name: str, digests: Sequence[tuple[str, str]], *, signer: str
) -> VerifiedStatement:
    """Sign a folder whose files are given by name and digest."""
    predicate = folder_predicate(digests)
    subject = [(name, folder_digest(digests))]
    return recorder.record(predicates.MODEL_SIGNATURE, subject, predicate, signer=signer)


def record_dataset(
    recorder: Recorder, name: str, files: FilesByName, profile: Mapping[str, Any], *, signer: str
) -> VerifiedStatement:
    """Sign a data set's bytes and record its profile (rows, columns, traps found)."""
    return record_dataset_digests(recorder, name, file_digests(files), profile, signer=signer)


def record_dataset_digests(
    recorder: Recorder,
    name: str,
    digests: Sequence[tuple[str, str]],
    profile: Mapping[str, Any],
    *,
    signer: str,
) -> VerifiedStatement:
    """Record a data set whose files are given by name and digest."""
    signature = sign_digests(recorder, name, digests, signer=signer)
    predicate = {
        "name": name,
        "signature": signature.digest,
        "profile": dict(profile),
        "recorded_by": signer,
        "recorded_at": format_time(recorder.clock()),
    }
    subject = [(name, signature.statement.subject)]
    return recorder.record(predicates.DATASET, subject, predicate, signer=signer)


def record_build(
    recorder: Recorder,
    *,
    build_type: str,
    subject: tuple[str, str],
    dependencies: Sequence[tuple[str, str]],
    parameters: Mapping[str, Any],
    internal: Mapping[str, Any],
    signer: str,
) -> VerifiedStatement:
    """Record a feature build or training run as SLSA provenance v1.

    Args:
        build_type: ``predicates.BUILD_FEATURES`` or ``BUILD_TRAINING``.
        subject: name and digest of what was made.
        dependencies: name and digest of everything that was read.
        parameters: what the person who ran it chose.
        internal: what the environment added, with ``trained_by`` for training.
    """
    resolved = [
        {"name": name, "digest": {"sha256": hex_of(digest)}} for name, digest in dependencies
    ]
    predicate = {
        "buildDefinition": {
            "buildType": build_type,
            "externalParameters": dict(parameters),
            "internalParameters": dict(internal),
            "resolvedDependencies": resolved,
        },
        "runDetails": {
            "builder": {"id": "urn:govern:builder:local"},
            "metadata": {"finishedOn": format_time(recorder.clock())},
        },
    }
    return recorder.record(predicates.PROVENANCE, [subject], predicate, signer=signer)


def register_candidate(
    recorder: Recorder, card: Mapping[str, Any], files: FilesByName, *, author: str
) -> VerifiedStatement:
    """Sign a candidate's folder held in memory, and register it; see ``register_listed``."""
    listed = [ListedFile(name, digest_of(files[name]), len(files[name])) for name in sorted(files)]
    return register_listed(recorder, card, listed, author=author)


def register_listed(
    recorder: Recorder, card: Mapping[str, Any], files: Sequence[ListedFile], *, author: str
) -> VerifiedStatement:
    """Sign a candidate's folder, register it, and record its ML-BOM.

    Args:
        card: name, version, owner, intended use, risk tier, domain, use, jurisdictions,
            format, inputs, protected inputs, randomised.
        files: the model folder's files, by name.
        author: e-mail address of who answers for it.
    """
    digests = [(file.name, file.digest) for file in files]
    signature = sign_digests(recorder, str(card["name"]), digests, signer=author)
    predicate = {
        **card,
        "author": author,
        "model_signature": signature.digest,
        "files": [{"name": file.name, "digest": file.digest, "bytes": file.size} for file in files],
        "registered_at": format_time(recorder.clock()),
    }
    subject = [(str(card["name"]), signature.statement.subject)]
    candidate = recorder.record(predicates.CANDIDATE, subject, predicate, signer=author)
    record_ml_bom(recorder, candidate)
    return candidate


def record_ml_bom(recorder: Recorder, candidate: VerifiedStatement) -> VerifiedStatement:
    """Record what a candidate is made of as a CycloneDX ML-BOM, in its author's name."""
    digest = candidate.statement.subject
    lineage = statements_about(recorder, digest).lineage_of(digest)
    bom = ml_bom(candidate, lineage, made_at=recorder.clock())
    subject = [candidate.statement.subjects[0]]
    return recorder.record(predicates.ML_BOM, subject, bom, signer=candidate.signer)


def statements_about(recorder: Recorder, candidate: str) -> StatementIndex:
    """Gather every statement about a candidate, its lineage, and the members it is composed with."""
    found: dict[str, VerifiedStatement] = {}
    seen: set[str] = set()
    wanted = [candidate]
    while wanted:
        digest = wanted.pop()
        if digest in seen:
            continue
        seen.add(digest)
        for item in recorder.every_about(digest):
            found[item.digest] = item
            if item.kind == predicates.PROVENANCE:
                wanted += materials(item)
            elif item.kind == predicates.ADMISSION:
                members = map(recorder.find, members_of(item))
                wanted += [member.statement.subject for member in members if member is not None]
    return StatementIndex(found.values())


def evidence_for(recorder: Recorder, candidate: str) -> EvidenceSet:
    """Load candidate, lineage, checks and waivers as they stand now."""
    return load_candidate(statements_about(recorder, candidate), candidate, recorder.trust)
