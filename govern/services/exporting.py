"""Give a candidate's evidence away as files that verify offline, or in others' formats."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric import ec

from govern.domain import in_toto, predicates
from govern.domain.assembling import StatementIndex, load_admission, load_candidate, load_decision
from govern.domain.evidence import EvidenceSet
from govern.domain.evidence_folder import make_folder
from govern.domain.ml_bom import ml_bom
from govern.errors import NotFoundError, RevokedKeyError
from govern.services.recording import Recorder
from govern.services.tracing import evidence_for, statements_about
from govern.transparency.digest import hex_of

LAYOUT_DAYS = 3650
README = (
    "What the evidence of one candidate says, as steps. Each link is a translation: its "
    "byproducts name the signed statement that stands for it in the log."
)


class Blobs(Protocol):
    """Bytes by digest."""

    def get(self, digest: str) -> bytes:
        """Return bytes."""


def export_evidence(
    recorder: Recorder, blobs: Blobs, candidate: str, *, with_model: bool = True
) -> dict[str, bytes]:
    """Return the evidence folder of a candidate: statements, and the model's bytes.

    Args:
        candidate: the candidate digest.
        with_model: also put the model's files in.

    Raises:
        NotFoundError: no such candidate.
    """
    index = statements_about(recorder, candidate)
    if not index.of_kind(predicates.CANDIDATE, candidate):
        raise NotFoundError(f"no candidate {candidate}")
    evidence = evidence_for(recorder, candidate)
    assert evidence.candidate is not None
    rows = evidence.candidate.statement.predicate["files"] if with_model else ()
    model = {str(row["name"]): blobs.get(row["digest"]) for row in rows}
    return make_folder(candidate, index.by_digest.values(), model, recorder.clock())


def evidence_so_far(recorder: Recorder, candidate: str) -> EvidenceSet:
    """Load a candidate's evidence as far as it goes: to its newest admission or decision.

    Raises:
        NotFoundError: no such candidate.
        EvidenceError, UntrustedSignerError: see ``EvidenceSet``.
    """
    index = statements_about(recorder, candidate)
    if not index.of_kind(predicates.CANDIDATE, candidate):
        raise NotFoundError(f"no candidate {candidate}")
    return _load_so_far(index, candidate, recorder)


def _load_so_far(index: StatementIndex, candidate: str, recorder: Recorder) -> EvidenceSet:
    decisions = index.of_kind(predicates.SVR, candidate)
    admissions = index.of_kind(predicates.ADMISSION, candidate)
    if admissions:
        return load_admission(index, admissions[-1].digest, recorder.trust)
    if not decisions:
        return load_candidate(index, candidate, recorder.trust)
    evidence = load_decision(index, decisions[-1], recorder.trust)
    for vote in index.of_kind(predicates.APPROVAL, candidate):
        if vote.statement.predicate.get("decision") == decisions[-1].digest:
            evidence.add_approval(vote)
    return evidence


def in_toto_layout(
    recorder: Recorder, candidate: str, *, sign_layout: Callable[[Mapping[str, Any]], bytes]
) -> dict[str, bytes]:
    """Return a candidate's lineage as an in-toto layout with links, for ``in-toto-verify``.

    The keys that signed the statements are gone, they lived for one signature. So each
    person's links are signed with a key made for this export and thrown away; the layout
    says whose it is, and the layout's owner, a key of the trust file, signs that.

    Args:
        recorder: where the statements are.
        candidate: the candidate digest.
        sign_layout: signs a layout as its owner and returns the envelope.

    Returns:
        ``root.layout`` and ``<step>.<first 8 of key id>.link``, by file name.

    Raises:
        NotFoundError: no such candidate.
        ConflictError: its lineage has gaps.
    """
    steps = in_toto.steps_of(evidence_so_far(recorder, candidate))
    private = {who: ec.generate_private_key(ec.SECP256R1()) for who in in_toto.steps_by(steps)}
    keys = {who: in_toto.public_key(key.public_key()) for who, key in private.items()}
    expires = recorder.clock() + timedelta(days=LAYOUT_DAYS)
    layout = in_toto.layout_of(steps, keys, expires=expires, readme=README)
    files = {"root.layout": sign_layout(layout)}
    for step in steps:
        who = step.statement.signer
        key_id = keys[who]["keyid"]
        link = in_toto.signed(in_toto.link_of(step), private[who], key_id)
        files[f"{step.name}.{key_id[:8]}.link"] = link
    return files


def admitted_layouts(
    recorder: Recorder, sign_layout: Callable[[Mapping[str, Any]], bytes]
) -> dict[str, bytes]:
    """Return the layout of every admitted candidate, as a dossier names the files.

    Where the newest admission rests on a void statement there is none.
    """
    candidates = {item.statement.subject for item in recorder.all(predicates.ADMISSION)}
    files: dict[str, bytes] = {}
    for candidate in sorted(candidates):
        with suppress(RevokedKeyError):
            made = in_toto_layout(recorder, candidate, sign_layout=sign_layout)
            files |= {f"in-toto/{hex_of(candidate)}/{name}": data for name, data in made.items()}
    return files


def ml_bom_of(recorder: Recorder, candidate: str) -> dict[str, Any]:
    """Return a candidate's ML-BOM made anew, with the figures of its checks.

    Raises:
        NotFoundError: no such candidate.
    """
    evidence = evidence_so_far(recorder, candidate)
    assert evidence.candidate is not None
    made = [item for item in recorder.about(candidate) if item.kind == predicates.ML_BOM]
    return ml_bom(
        evidence.candidate,
        evidence.lineage,
        evidence.checks,
        made_at=recorder.clock(),
        version=len(made) + 1,
    )
