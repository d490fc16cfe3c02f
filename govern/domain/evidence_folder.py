"""The evidence of one candidate as a folder of files, and how it is opened offline. Pure.

Layout (docs/specs/evidence_folder.md)::

    evidence.json                                   what else is here, with digests
    statements/<index>-<kind>-<digest>.sigstore.json   Sigstore bundles
    artifacts/<digest>/<file>                       the model's bytes, as signed

A dossier has the same ``statements/`` and ``artifacts/`` and opens the same way. The list
in ``evidence.json`` is not signed: it finds what was lost or cut by accident. What a
forger leaves out on purpose shows when the service compares decision digests.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from govern.domain import dossier, predicates
from govern.domain.assembling import StatementIndex, load_candidate
from govern.domain.evidence import EvidenceSet
from govern.errors import (
    CompletenessError,
    DigestMismatchError,
    EvidenceError,
    InvalidRequestError,
    MalformedError,
    VerificationError,
)
from govern.transparency.canonical import canonical_json, parse_json
from govern.transparency.digest import digest_of, folder_digest, from_hex, hex_of
from govern.transparency.encoding import format_time
from govern.transparency.trust import TrustRoot
from govern.transparency.verify import VerifiedStatement, examine_bundle

MANIFEST = "evidence.json"
MEDIA_TYPE = "application/vnd.govern.evidence.v1+json"
Files = Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class OpenedEvidence:
    """Verified evidence of one candidate."""

    evidence: EvidenceSet
    index: StatementIndex
    model_files: int
    """How many of the model's files are here, byte for byte as signed; 0: none is."""

    @property
    def name(self) -> str:
        """The candidate's name, as its card says."""
        assert self.evidence.candidate is not None
        return str(self.evidence.candidate.statement.predicate.get("name", ""))


def statement_name(item: VerifiedStatement) -> str:
    """Return the file name of a statement: index, kind and the digest's beginning."""
    kind = predicates.name_of(item.kind)
    return f"statements/{item.log_index:06d}-{kind}-{hex_of(item.digest)[:8]}.sigstore.json"


def artifact_folder(candidate: str) -> str:
    """Return the folder of a model's or data set's bytes."""
    return f"artifacts/{hex_of(candidate)}"


def make_folder(
    candidate: str,
    statements: Iterable[VerifiedStatement],
    artifacts: Files,
    made_at: datetime,
) -> dict[str, bytes]:
    """Return an evidence folder's files.

    Args:
        candidate: the candidate digest.
        statements: everything about it and the lineage behind it.
        artifacts: the model's files by name; empty where the bytes stay elsewhere.
        made_at: goes into ``evidence.json``.
    """
    folder = artifact_folder(candidate)
    files = {statement_name(item): item.bundle for item in statements}
    files |= {f"{folder}/{name}": data for name, data in artifacts.items()}
    listed = [
        {"name": name, "digest": digest_of(files[name]), "bytes": len(files[name])}
        for name in sorted(files)
    ]
    value = {"mediaType": MEDIA_TYPE, "candidate": candidate, "files": listed}
    return {**files, MANIFEST: canonical_json({**value, "made_at": format_time(made_at)})}


def open_folder(files: Files, trust: TrustRoot, candidate: str | None = None) -> OpenedEvidence:
    """Verify an evidence folder or a dossier, and load one candidate's evidence.

    (1) every file that the list names is here, whole, and no statement is here besides;
    (2) every statement verifies: signer, time, log;
    (3) candidate, lineage, checks and waivers load through ``EvidenceSet``;
    (4) the model's bytes, where they are here, are those that were signed.

    Args:
        files: name to bytes.
        trust: the trust root, obtained apart from the folder.
        candidate: digest, its beginning, or name; needed where several are here.

    Raises:
        VerificationError: the first thing that does not hold, named.
        InvalidRequestError: ``candidate`` is needed, or is not here.
    """
    manifest = _check_listed(files)  # (1)
    index = StatementIndex(_verified(files, trust))  # (2)
    chosen = _choose(index, str(manifest.get("candidate", "")), candidate)
    evidence = load_candidate(index, chosen, trust)  # (3)
    return OpenedEvidence(evidence, index, _check_model(evidence, files))  # (4)


def verified_statements(files: Files, trust: TrustRoot) -> StatementIndex:
    """Verify every statement of an evidence folder or dossier: steps (1) and (2).

    Raises:
        VerificationError: the first thing that does not hold, named.
    """
    _check_listed(files)
    return StatementIndex(_verified(files, trust))


def _check_listed(files: Files) -> Mapping[str, Any]:
    known = {MANIFEST: MEDIA_TYPE, dossier.MANIFEST: dossier.MEDIA_TYPE}
    name = next((name for name in known if name in files), None)
    if name is None:
        raise MalformedError(f"no evidence here: {MANIFEST} (or a dossier's manifest) is missing")
    manifest = parse_json(files[name])
    if not isinstance(manifest, dict) or manifest.get("mediaType") != known[name]:
        raise MalformedError(f"{name} does not list evidence: expected mediaType {known[name]}")
    rows = manifest.get("files")
    if not isinstance(rows, list) or not all(_is_row(row) for row in rows):
        raise MalformedError(f"{name} lists no files with names and digests")
    listed = {row["name"]: row["digest"] for row in rows}
    for file, digest in sorted(listed.items()):
        if file not in files:
            raise CompletenessError(f"{file} is missing")
        if digest_of(files[file]) != digest:
            raise DigestMismatchError(f"{file} was changed or cut short: its digest differs")
    for file in sorted(files):
        if file.startswith("statements/") and file not in listed:
            raise CompletenessError(f"{file} is not listed in {name}")
    return manifest


def _is_row(row: object) -> bool:
    return isinstance(row, dict) and all(
        isinstance(row.get(key), str) for key in ("name", "digest")
    )


def _verified(files: Files, trust: TrustRoot) -> list[VerifiedStatement]:
    statements = []
    for name in sorted(name for name in files if name.startswith("statements/")):
        try:
            statements.append(examine_bundle(files[name], trust))
        except VerificationError as error:
            raise type(error)(f"{name}: {error}") from None
    return statements


def _choose(index: StatementIndex, listed: str, asked: str | None) -> str:
    here = {
        item.statement.subject: str(item.statement.predicate.get("name", ""))
        for item in index.of_kind(predicates.CANDIDATE)
    }
    if asked is None:
        if listed:
            return listed
        if len(here) == 1:
            return next(iter(here))
        raise InvalidRequestError(f"name one of {len(here)} candidates: {', '.join(here.values())}")
    found = [digest for digest, name in here.items() if _means(asked, digest, name)]
    if len(found) != 1:
        raise EvidenceError(f"{asked} is {len(found) or 'none'} of the candidates here")
    if listed and found[0] != listed:
        raise EvidenceError(f"the evidence is about {listed}, not about {asked}")
    return found[0]


def _means(asked: str, digest: str, name: str) -> bool:
    start = asked if asked.startswith("sha256:") else f"sha256:{asked}"
    return asked == name or (len(start) > len("sha256:") and digest.startswith(start))


def _check_model(evidence: EvidenceSet, files: Files) -> int:
    signed = signed_files(evidence)
    if folder_digest(sorted(signed.items())) != evidence.digest:
        raise DigestMismatchError("the signed list of the model's files does not give its digest")
    folder = artifact_folder(evidence.digest)
    if not any(name.startswith(f"{folder}/") for name in files):
        return 0
    here = {name: files.get(f"{folder}/{name}") for name in signed}
    check_model_files(
        signed, {name: digest_of(data) for name, data in here.items() if data is not None}
    )
    return len(signed)


def signed_files(evidence: EvidenceSet) -> dict[str, str]:
    """Return name and digest of each file of the model, as its signature lists them.

    Raises:
        MalformedError: the signature lists no files.
    """
    assert evidence.signature is not None
    resources = evidence.signature.statement.predicate.get("resources", [])
    try:
        return {str(row["name"]): from_hex(row["digest"]) for row in resources}
    except (TypeError, KeyError):
        raise MalformedError("the model signature lists no files with digests") from None


def check_model_files(signed: Mapping[str, str], here: Mapping[str, str]) -> None:
    """Refuse model files that are not byte for byte those that were signed.

    Args:
        signed: digest by file name, as signed.
        here: digest by file name, as found.

    Raises:
        CompletenessError: one is missing.
        DigestMismatchError: one differs, or one is here that was not signed.
    """
    for name, digest in signed.items():
        if name not in here:
            raise CompletenessError(f"the model's file {name} is missing")
        if here[name] != digest:
            raise DigestMismatchError(f"the model's file {name} is not the one that was signed")
    unsigned = sorted(set(here) - set(signed))
    if unsigned:
        raise DigestMismatchError(f"the model's folder holds {unsigned[0]}, which was not signed")
