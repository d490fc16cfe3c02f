"""What services and the web layer know of storage: plain rows and nothing of SQL.

A row is a convenience built from signed bytes; the statement it came from stays the truth.
Jobs, approval requests, people and tokens are operational state and are in no statement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, Protocol

from govern.domain.decision import PolicyDecision
from govern.domain.gate_tally import Tally
from govern.policy.document import Pack
from govern.services.report_form import ReportForm
from govern.transparency.encoding import parse_time
from govern.transparency.passkey import Passkey

ROLES = ("author", "validator", "reviewer", "compliance", "platform", "auditor", "admin")
JOB_STATES = ("queued", "leased", "split", "done", "failed", "cancelled")
REQUEST_STATES = ("open", "approved", "rejected", "changes", "withdrawn", "void", "expired")
CANDIDATE_STATES = ("registered", "checked", "deny", "review", "allow", "admitted", "suspended")


@dataclass(frozen=True, slots=True)
class StoredStatement:
    """One statement row: the exact bundle bytes plus its index columns."""

    digest: str
    kind: str
    predicate_type: str
    subject: str
    signer: str
    log_index: int
    created_at: str
    bundle: bytes


@dataclass(frozen=True, slots=True)
class CandidateRow:
    """One inventory line."""

    digest: str
    name: str
    version: str
    owner: str
    author: str
    tier: str
    domain: str
    intended_use: str
    status: str
    registered_at: str
    statement: str
    outcome: str | None = None
    decided_at: str | None = None


@dataclass(frozen=True, slots=True)
class CandidatePage:
    """One page of the inventory and how many lines match in all."""

    rows: tuple[CandidateRow, ...]
    total: int
    page: int
    size: int


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of work; ``lease_until`` is unix microseconds, ``parent`` the job of a shard."""

    id: str
    kind: str
    payload: Mapping[str, Any]
    state: str
    candidate: str | None = None
    requested_by: str | None = None
    created_at: str = ""
    started_at: str | None = None
    finished_at: str | None = None
    lease_owner: str | None = None
    lease_until: int | None = None
    attempt: int = 0
    progress_done: int = 0
    progress_total: int = 0
    error: str | None = None
    result: Mapping[str, Any] | None = None
    parent: str | None = None
    shards_left: int | None = None

    def seconds_left(self, now: datetime) -> int | None:
        """Return about how long a running job has to go; None where nobody can tell."""
        if self.state not in ("leased", "split") or not self.started_at or self.progress_done <= 0:
            return None
        passed = (now - parse_time(self.started_at)).total_seconds()
        left = max(0, self.progress_total - self.progress_done)
        return round(passed * left / self.progress_done) if self.progress_total else None


@dataclass(frozen=True, slots=True)
class ShardAnswer:
    """What a shard was asked and brought back, or why it could not."""

    payload: Mapping[str, Any]
    answer: bytes
    error: str | None = None


@dataclass(frozen=True, slots=True)
class ApprovalRequest:
    """A question put to reviewers about one decision."""

    id: str
    candidate: str
    decision: str
    decision_digest: str
    requested_by: str
    requested_at: str
    tier: str
    state: str
    expires_at: str | None = None


@dataclass(frozen=True, slots=True)
class RequestMessage:
    """A question to the author, an answer, or a call for changes."""

    id: str
    request: str
    author: str
    kind: str
    text: str
    at: str
    addressee: str | None = None


@dataclass(frozen=True, slots=True)
class ApprovalRow:
    """One vote, as the signed approval says."""

    digest: str
    candidate: str
    decision: str
    approver: str
    vote: str
    comment: str
    approved_at: str


@dataclass(frozen=True, slots=True)
class AdmissionRow:
    """One admission and its present status."""

    digest: str
    deployment: str
    environment: str
    candidate: str
    decision: str
    status: str
    admitted_by: str
    admitted_at: str
    not_before: str
    expires_at: str


@dataclass(frozen=True, slots=True)
class Person:
    """Someone who may sign in."""

    email: str
    name: str
    roles: tuple[str, ...]
    password_hash: str | None = field(default=None, repr=False)
    disabled: bool = False
    failed_attempts: int = 0
    locked_until: int = 0
    created_at: str = ""


@dataclass(frozen=True, slots=True)
class ApiToken:
    """A bearer token; only its SHA-256 is kept."""

    id: str
    email: str
    name: str
    scopes: tuple[str, ...]
    created_at: str
    expires_at: int
    revoked: bool = False


@dataclass(frozen=True, slots=True)
class OwnKeys:
    """How a person signs votes now, as the trust file says.

    Args:
        needed: a vote counts only with a signature of the person's own.
        passkeys: key id to what the trust file says of each current passkey.
        ssh: ids of the current SSH keys.
    """

    needed: bool = False
    passkeys: Mapping[str, Passkey] = field(default_factory=dict)
    ssh: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PasskeyRow:
    """A passkey that someone made in the portal; the trust file says whether it counts.

    Args:
        key_id: digest of the public key.
        credential: the id by which a browser finds it, base64url.
        public_key: DER SubjectPublicKeyInfo, base64.
        attestation: the form in which the authenticator spoke for itself, such as ``packed``.
    """

    key_id: str
    email: str
    name: str
    credential: str
    public_key: str
    rp_id: str
    origin: str
    device_bound: bool
    aaguid: str
    attestation: str
    created_at: str


@dataclass(frozen=True, slots=True)
class Suspend:
    """Suspend what a recall touches: why, in whose name, or only say what would happen."""

    reason: str
    by: str
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class GateCount:
    """What one gate recorded, by admission; ``problem`` says why the count may be too low."""

    name: str
    origin: str
    tally: Tally
    problem: str | None = None


class Store(Protocol):
    """Operational state: jobs and approval requests."""

    def add_job(
        self,
        kind: str,
        payload: Mapping[str, Any],
        *,
        candidate: str | None = None,
        requested_by: str | None = None,
    ) -> str:
        """Queue a job."""

    def job(self, job_id: str) -> Job | None:
        """Return a job."""

    def add_request(
        self,
        *,
        candidate: str,
        decision: str,
        decision_digest: str,
        requested_by: str,
        requested_at: str,
        tier: str,
        expires_at: str | None = None,
    ) -> str:
        """Open an approval request."""

    def add_message(
        self,
        request_id: str,
        *,
        author: str,
        kind: str,
        text: str,
        at: str,
        addressee: str | None = None,
    ) -> str:
        """Keep what was said about a request."""

    def messages_for(self, request_id: str) -> list[RequestMessage]:
        """Return what was said about a request, oldest first."""

    def request(self, request_id: str) -> ApprovalRequest | None:
        """Return an approval request."""

    def set_request_state(self, request_id: str, state: str, *, expected: str = "open") -> bool:
        """Move a request to another state."""


class Blobs(Protocol):
    """Bytes by digest."""

    def put(self, data: bytes) -> str:
        """Store bytes."""

    def put_file(self, source: Path, digest: str) -> None:
        """Store a file of this digest; refuse it if its bytes are others by now."""

    def get(self, digest: str) -> bytes:
        """Return bytes."""


class Actions(Protocol):
    """What the web layer asks of the services; every method raises ``GovernError``."""

    def approve(
        self,
        request_id: str,
        approver_email: str,
        vote: str,
        comment: str,
        evidence_read: Sequence[str],
        *,
        review: Mapping[str, Any] | None = None,
    ) -> str:
        """Record a vote (``approve``, ``reject`` or ``dissent``); return its digest."""

    def say(self, request_id: str, by: str, kind: str, text: str, to: str | None = None) -> str:
        """Keep a question, answer, call for changes, recusal or delegation; return its id."""

    def own_keys(self, person: str) -> OwnKeys:
        """Return the keys with which a person signs votes herself."""

    def prepare_vote(
        self,
        request_id: str,
        approver_email: str,
        vote: str,
        comment: str,
        evidence_read: Sequence[str],
        *,
        review: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Return a vote's words, for the reviewer to sign; nothing is recorded."""

    def cast_vote(self, request_id: str, words: Mapping[str, Any], signature: str) -> str:
        """Record a prepared vote with its reviewer's own signature; return its digest."""

    def request_approval(self, candidate: str, by: str, expected: str | None = None) -> str:
        """Ask reviewers about the newest decision; return the request's id."""

    def withdraw_request(self, request_id: str, by: str) -> None:
        """Withdraw an open request."""

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

    def suspend(self, admission: str, by: str, reason: str) -> str:
        """Suspend an admission; return the statement's digest."""

    def reinstate(self, admission: str, by: str, reason: str) -> str:
        """Reinstate an admission; return the statement's digest."""

    def revoke(self, admission: str, by: str, reason: str) -> str:
        """Revoke an admission; return the statement's digest."""

    def grant_waiver(self, candidate: str, terms: Mapping[str, str], by: str) -> str:
        """Sign a waiver; return the digest of its terms."""

    def revoke_waiver(self, candidate: str, terms: str, reason: str, by: str) -> str:
        """Revoke a waiver; return the statement's digest."""

    def waivers(self, candidate: str) -> list[dict[str, Any]]:
        """Return the waivers of a candidate with their state."""

    def snapshot_document(self) -> bytes:
        """Return the signed snapshot that gates read."""

    def register_candidate(
        self, card: Mapping[str, Any], files: Mapping[str, bytes], by: str
    ) -> str:
        """Register a candidate; return its digest."""

    def run_checks(self, candidate: str, names: Sequence[str], by: str) -> list[str]:
        """Queue checks; return the jobs' ids."""

    def decide(self, candidate: str, by: str) -> str:
        """Decide about a candidate; return the decision statement's digest."""

    def evidence_files(self, candidate: str) -> dict[str, bytes]:
        """Return the evidence folder of a candidate, without the model's bytes."""

    def packs_to_decide_under(self) -> Sequence[Pack]:
        """Return the packs in use, none of them other than it was published."""

    def evaluation(self, candidate: str, day: date | None) -> PolicyDecision:
        """Return what would be decided as of a day (None: today); records nothing."""

    def build_report(self, candidate: str | None, by: str, form: ReportForm) -> str:
        """Queue an audit report; return the job's id."""

    def lineage(self, target: str, *, records: bool = False) -> dict[str, Any]:
        """Return the lineage around a digest or name."""

    def recall(
        self, target: str, *, moment: datetime | None = None, suspend: Suspend | None = None
    ) -> dict[str, Any]:
        """List what a digest, key or person touched; suspend it if asked to."""
