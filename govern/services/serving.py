"""What gates read: the signed snapshot of admissions and their evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from govern.domain import predicates
from govern.domain.assembling import StatementIndex, load_admission
from govern.domain.evidence import EvidenceSet
from govern.domain.snapshot import make_snapshot
from govern.services.approving import admission_status
from govern.services.recording import Recorder
from govern.services.tracing import statements_about
from govern.transparency.verify import VerifiedStatement

SNAPSHOT_SECONDS = 60


def current_admissions(recorder: Recorder) -> dict[str, VerifiedStatement]:
    """Return each deployment's newest admission."""
    newest: dict[str, VerifiedStatement] = {}
    for item in recorder.all(predicates.ADMISSION):
        deployment = str(item.statement.predicate["deployment"])
        if deployment not in newest or newest[deployment].log_index < item.log_index:
            newest[deployment] = item
    return newest


def snapshot_document(
    recorder: Recorder, key: Ed25519PrivateKey, *, lifetime_seconds: int = SNAPSHOT_SECONDS
) -> bytes:
    """Return a fresh signed snapshot with the evidence behind every admission.

    It shows the lineage log's checkpoint, so that gates put it on record. Its version is
    the number of statements that changed what may serve, so it only grows.
    """
    admissions = current_admissions(recorder)
    entries: list[Mapping[str, str]] = []
    bundles: dict[str, bytes] = {}
    for deployment in sorted(admissions):
        admission = admissions[deployment]
        status = admission_status(recorder, admission)
        entries.append({"deployment": deployment, "admission": admission.digest, "status": status})
        index = statements_about(recorder, admission.statement.subject)
        evidence = load_admission(index, admission.digest, recorder.trust)
        bundles |= {item.digest: item.bundle for item in evidence_statements(evidence, index)}
    return make_snapshot(
        version=_version(recorder),
        entries=entries,
        bundles=list(bundles.values()),
        key=key,
        now=recorder.clock(),
        lifetime_seconds=lifetime_seconds,
        lineage=recorder.log_note(),
    )


def evidence_statements(
    evidence: EvidenceSet, index: StatementIndex
) -> Sequence[VerifiedStatement]:
    """Return the statements of an evidence set, with superseded checks, in log order."""
    parts = [evidence.candidate, evidence.signature, evidence.decision, evidence.admission]
    found = [item for item in parts if item is not None]
    found += [*evidence.lineage, *evidence.waivers, *evidence.approvals]
    found += evidence.waiver_revocations
    found += index.of_kind(predicates.TEST_RESULT, evidence.digest)
    return sorted({item.digest: item for item in found}.values(), key=lambda item: item.log_index)


def _version(recorder: Recorder) -> int:
    kinds = (
        predicates.ADMISSION,
        predicates.SUSPENSION,
        predicates.REINSTATEMENT,
        predicates.REVOCATION,
        predicates.WAIVER_REVOCATION,
    )
    return sum(len(recorder.all(kind)) for kind in kinds)
