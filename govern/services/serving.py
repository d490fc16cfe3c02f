"""What gates read: the signed snapshot of admissions and their evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from govern.domain import predicates
from govern.domain.assembling import StatementIndex, load_admission, members_of
from govern.domain.evidence import EvidenceSet
from govern.domain.snapshot import make_snapshot
from govern.errors import RevokedKeyError
from govern.services.approving import admission_status
from govern.services.recording import Recorder
from govern.services.tracing import statements_about
from govern.transparency.signer import Signer
from govern.transparency.verify import VerifiedStatement

SNAPSHOT_SECONDS = 60


def current_admissions(recorder: Recorder) -> dict[str, VerifiedStatement]:
    """Return each deployment's newest admission; a void one does not bring back an older."""
    newest: dict[str, VerifiedStatement] = {}
    for item in recorder.every(predicates.ADMISSION):
        deployment = str(item.statement.predicate["deployment"])
        if deployment not in newest or newest[deployment].log_index < item.log_index:
            newest[deployment] = item
    return newest


def snapshot_document(
    recorder: Recorder, key: Signer, *, lifetime_seconds: int = SNAPSHOT_SECONDS
) -> bytes:
    """Return a fresh signed snapshot with the evidence behind every admission.

    It shows the lineage log's checkpoint, so that gates put it on record. Its version
    counts the statements that changed what may serve, and the trust files, so it only
    grows. An admission that rests on a void statement is left out: not admitted.
    """
    admissions = current_admissions(recorder)
    entries: list[Mapping[str, str]] = []
    bundles: dict[str, bytes] = {}
    for deployment in sorted(admissions):
        admission = admissions[deployment]
        index = statements_about(recorder, admission.statement.subject)
        try:
            quoted = (admission.digest, *members_of(admission))
            loaded = [load_admission(index, digest, recorder.trust) for digest in quoted]
        except RevokedKeyError:
            continue
        status = admission_status(recorder, admission)
        entries.append({"deployment": deployment, "admission": admission.digest, "status": status})
        for evidence in loaded:
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
    found = evidence.statements()
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
    return sum(len(recorder.every(kind)) for kind in kinds) + recorder.trust.version - 1
