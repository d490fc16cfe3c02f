"""The use cases as one object: what web, worker and command line call.

It orders the services; what is decided is decided in the pure layers below.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

from govern.domain import predicates
from govern.domain.assembling import as_of_date, evidence_document
from govern.domain.check import CheckResult
from govern.domain.decision import PolicyDecision
from govern.errors import ConflictError, MalformedError, NotFoundError
from govern.policy.deciding import decide_as_of
from govern.policy.document import Pack
from govern.services import (
    approving,
    deciding,
    publishing,
    recalling,
    serving,
    tracing,
    waiving,
)
from govern.services.exporting import export_evidence
from govern.services.notifying import Event
from govern.services.ports import Blobs, Store, Suspend
from govern.services.recording import Recorder
from govern.services.report_form import ReportForm
from govern.services.tracing import ListedFile
from govern.services.voting import Voting
from govern.transparency.canonical import parse_json
from govern.transparency.signer import Signer
from govern.transparency.verify import VerifiedStatement

CHECK_JOB = "check"
GPU_CHECK_JOB = "check-gpu"  # of candidates whose card asks for CUDA
SHARD_JOBS = {CHECK_JOB: "shard", GPU_CHECK_JOB: "shard-gpu"}  # of a check, by its kind
REPORT_JOB = "report"
MODEL_CARD = "model.json"


class Operations(Voting):
    """Every use case, over ports.

    Args:
        recorder: records and reads statements.
        store: jobs and approval requests.
        blobs: artifact bytes.
        packs: returns the policy packs in use.
        snapshot_key: signs snapshots.
        identities: who the service, evaluator and decider sign as.
        nudge: tells workers that there is something to do; sent after the commit.
        snapshot_seconds: how long a snapshot may be relied on.
        published_only: decide only under packs that were published.
        gate_counts: counts the records of every gate on disk.
        tell: is told what happened, to notify people and systems.
    """

    def __init__(
        self,
        *,
        recorder: Recorder,
        store: Store,
        blobs: Blobs,
        packs: Callable[[], Sequence[Pack]],
        snapshot_key: Signer,
        identities: Mapping[str, str],
        nudge: Callable[[], None],
        snapshot_seconds: int = serving.SNAPSHOT_SECONDS,
        published_only: bool = False,
        gate_counts: recalling.Counts = tuple,
        tell: Callable[[Event], None] = lambda _: None,
    ) -> None:
        self.recorder = recorder
        self.store = self.records = store
        self.blobs = blobs
        self.packs = packs
        self.identities = identities
        self._snapshot_key = snapshot_key
        self._nudge = nudge
        self._snapshot_seconds = snapshot_seconds
        self._published_only = published_only
        self.gate_counts = gate_counts
        self.tell = tell

    def register_candidate(
        self, card: Mapping[str, Any], files: Mapping[str, bytes], by: str
    ) -> str:
        """Store a candidate's files, sign and register it; return its digest."""
        for data in files.values():
            self.blobs.put(data)
        candidate = tracing.register_candidate(self.recorder, card, files, author=by)
        return candidate.statement.subject

    def register_folder(
        self, card: Mapping[str, Any], files: Sequence[tuple[Path, ListedFile]], by: str
    ) -> str:
        """Store, sign and register a model folder that was hashed on disk; return its digest.

        Raises:
            DigestMismatchError: a file changed since it was hashed.
        """
        for path, file in files:
            self.blobs.put_file(path, file.digest)
        listed = [file for _, file in files]
        candidate = tracing.register_listed(self.recorder, card, listed, author=by)
        return candidate.statement.subject

    def run_checks(self, candidate: str, names: Sequence[str], by: str) -> list[str]:
        """Queue checks of a candidate; return the jobs' ids."""
        statement = self._candidate(candidate)
        evaluation = statement.statement.predicate.get("evaluation")
        if not isinstance(evaluation, str):
            raise ConflictError("the candidate's card names no evaluation data to check it on")
        on_gpu = self._asks_for_cuda(statement.statement.predicate)
        jobs = [
            self.store.add_job(
                GPU_CHECK_JOB if on_gpu else CHECK_JOB,
                {"candidate": candidate, "check": name, "evaluation": evaluation, "seed": 0},
                candidate=candidate,
                requested_by=by,
            )
            for name in names
        ]
        self._nudge()
        return jobs

    def _asks_for_cuda(self, predicate: Mapping[str, Any]) -> bool:
        """Say whether a candidate's card, or the model's own, asks for a CUDA device."""
        own = [row["digest"] for row in predicate["files"] if row["name"] == MODEL_CARD]
        try:
            told = parse_json(self.blobs.get(own[0])) if own else None
        except MalformedError:  # the check says so in its verdict
            told = None
        wanted = told.get("device") if isinstance(told, dict) else None
        return "cuda" in (predicate.get("device"), wanted)

    def check_files(self, candidate: str) -> dict[str, str]:
        """Return name and digest of each file of a candidate."""
        files = self._candidate(candidate).statement.predicate["files"]
        return {row["name"]: row["digest"] for row in files}

    def recorded_check(self, candidate: str, job: str) -> dict[str, Any] | None:
        """Return what a job has already recorded about a candidate; None where nothing."""
        for item in self.recorder.about(candidate):
            value = item.statement.predicate.get("govern")
            if item.kind == predicates.TEST_RESULT and value and value.get("job") == job:
                return {"statement": item.digest, "verdict": value["verdict"]}
        return None

    def record_check(
        self,
        result: CheckResult,
        job: str | None = None,
        permit: Callable[[], None] = lambda: None,
    ) -> str:
        """Record a finished check, signed by the evaluator; return the statement's digest.

        Args:
            result: what the check found.
            job: the job it was run for; a job's result is recorded once.
            permit: asked under the log's lock; see ``Recorder.record``.
        """
        value = result.to_json() | ({"job": job} if job else {})
        evaluator = self.identities["evaluator"]
        return deciding.record_check(
            self.recorder, result.candidate, value, evaluator=evaluator, permit=permit
        ).digest

    def decide(self, candidate: str, by: str) -> str:
        """Decide about a candidate and record the decision; return the statement's digest."""
        _, statement = self.decide_with_value(candidate, by)
        return statement.digest

    def decide_with_value(
        self, candidate: str, by: str
    ) -> tuple[PolicyDecision, VerifiedStatement]:
        """Decide about a candidate; return the decision and its statement.

        Raises:
            ConflictError: a pack differs from what was published under its id and version,
                or is not published where only published ones may decide.
        """
        return deciding.decide(
            self.recorder,
            candidate,
            self.packs_to_decide_under(),
            decider=self.identities["decider"],
            requested_by=by,
        )

    def packs_to_decide_under(self) -> Sequence[Pack]:
        """Return the packs in use.

        Raises:
            ConflictError: see ``decide_with_value``.
        """
        packs = self.packs()
        publishing.require_usable(self.recorder, packs, published_only=self._published_only)
        return packs

    def evaluation(self, candidate: str, day: date | None) -> PolicyDecision:
        """Return what would be decided as of a day (None: today); records nothing.

        Raises:
            NotFoundError: no such candidate.
            ConflictError: see ``decide_with_value``.
        """
        self._candidate(candidate)
        evidence = tracing.evidence_for(self.recorder, candidate)
        day = day or as_of_date(self.recorder.clock())
        return decide_as_of(self.packs_to_decide_under(), evidence, day)[0]

    def evidence_files(self, candidate: str) -> dict[str, bytes]:
        """Return the evidence folder of a candidate, without the model's bytes.

        Raises:
            NotFoundError: no such candidate.
        """
        return export_evidence(self.recorder, self.blobs, candidate, with_model=False)

    def evidence_document(self, candidate: str) -> dict[str, Any]:
        """Return the evidence as rules read it, as of today."""
        evidence = tracing.evidence_for(self.recorder, candidate)
        return evidence_document(evidence, as_of_date(self.recorder.clock()))

    def admit(
        self,
        candidate: str,
        deployment: str,
        environment: str,
        upstream: Mapping[str, Any],
        days: int,
        by: str,
    ) -> str:
        """Admit a candidate; return the admission's digest."""
        return approving.admit(
            self.recorder,
            candidate,
            deployment=deployment,
            environment=environment,
            upstream=upstream,
            days=days,
            admitted_by=by,
        ).digest

    def suspend(self, admission: str, by: str, reason: str) -> str:
        """Suspend an admission; return the statement's digest."""
        return self._change(admission, predicates.SUSPENSION, by, reason)

    def reinstate(self, admission: str, by: str, reason: str) -> str:
        """Reinstate an admission; return the statement's digest."""
        return self._change(admission, predicates.REINSTATEMENT, by, reason)

    def revoke(self, admission: str, by: str, reason: str) -> str:
        """Revoke an admission for good; return the statement's digest."""
        return self._change(admission, predicates.REVOCATION, by, reason)

    def _change(self, admission: str, kind: str, by: str, reason: str) -> str:
        made = approving.change_admission(self.recorder, admission, kind, by=by, reason=reason)
        name = predicates.name_of(kind)
        subject = f"{by} recorded a {name} of an admission: {reason}"
        about = {"admission": admission, "statement": made.digest, "by": by, "reason": reason}
        self.tell(Event(name, subject, about, "/deployments", key=made.digest))
        return made.digest

    def recall(
        self,
        target: str,
        *,
        moment: datetime | None = None,
        suspend: Suspend | None = None,
    ) -> dict[str, Any]:
        """List everything a digest, key or person touched, and suspend it if asked to."""
        return recalling.recall(
            self.recorder, self.gate_counts, target, moment=moment, suspend=suspend
        )

    def lineage(self, target: str, *, records: bool = False) -> dict[str, Any]:
        """Return the lineage around a digest or name; ``records`` counts those in gates too."""
        return recalling.lineage(self.recorder, self.gate_counts if records else tuple, target)

    def grant_waiver(self, candidate: str, terms: Mapping[str, str], by: str) -> str:
        """Sign a waiver: its ``terms`` digest, or the terms themselves; return that digest.

        Raises:
            InvalidRequestError: terms that are incomplete or do not fit.
            RefusedError: the person may not.
        """
        self._candidate(candidate)
        if "terms" in terms:
            statement = waiving.cosign(self.recorder, candidate, terms["terms"], by=by)
        else:
            wanted = waiving.terms_from(terms)
            statement = waiving.grant(self.recorder, candidate, self.packs(), wanted, by=by)
        return str(statement.statement.predicate["terms"])

    def revoke_waiver(self, candidate: str, terms: str, reason: str, by: str) -> str:
        """Revoke a waiver; return the statement's digest."""
        self._candidate(candidate)
        return waiving.revoke(self.recorder, candidate, terms, reason=reason, by=by).digest

    def waivers(self, candidate: str) -> list[dict[str, Any]]:
        """Return the waivers of a candidate with their state."""
        self._candidate(candidate)
        return waiving.listed(self.recorder, candidate)

    def take_up(self, snapshot_key: Signer) -> None:
        """Sign snapshots with a newer key from now on."""
        self._snapshot_key = snapshot_key

    def renew(self) -> bool:
        """Take up a newer trust file, with its keys, if one is in force; say whether one was.

        Raises:
            VerificationError: the file in force does not follow the one in use.
        """
        return self.recorder.renew()

    def snapshot_document(self) -> bytes:
        """Return a fresh signed snapshot for gates."""
        return serving.snapshot_document(
            self.recorder, self._snapshot_key, lifetime_seconds=self._snapshot_seconds
        )

    def build_report(self, candidate: str | None, by: str, form: ReportForm) -> str:
        """Queue a report; return the job's id."""
        payload = {"candidate": candidate, "kind": form.kind, "language": form.language}
        job = self.store.add_job(REPORT_JOB, payload, candidate=candidate, requested_by=by)
        self._nudge()
        return job

    def _candidate(self, digest: str) -> VerifiedStatement:
        found = [item for item in self.recorder.about(digest) if item.kind == predicates.CANDIDATE]
        if not found:
            raise NotFoundError(f"no candidate {digest}")
        return max(found, key=lambda item: item.log_index)
