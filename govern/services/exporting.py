"""Give a candidate's evidence away as files that verify offline."""

from __future__ import annotations

from typing import Protocol

from govern.domain import predicates
from govern.domain.evidence_folder import make_folder
from govern.errors import NotFoundError
from govern.services.recording import Recorder
from govern.services.tracing import evidence_for, statements_about


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
