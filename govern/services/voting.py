"""Approval requests and votes as use cases: ask, prepare, cast, withdraw.

A vote that a passkey signs takes two steps: ``prepare_vote`` returns the words, the reviewer
signs exactly these, and ``cast_vote`` takes words and signature. It orders ``approving``;
what counts as a vote is decided there and in ``govern.domain.evidence``.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from govern.domain.evidence import decision_digest
from govern.errors import ConflictError, NotFoundError, RefusedError
from govern.services import approving, tracing
from govern.services.own_keys import OwnKeys, own_keys
from govern.services.ports import ApprovalRequest, Store
from govern.services.recording import Recorder
from govern.transparency.encoding import format_time
from govern.transparency.verify import VerifiedStatement


class Voting:
    """The use cases around approval requests; a part of ``Operations``."""

    recorder: Recorder
    store: Store

    def request_approval(self, candidate: str, by: str, expected: str | None = None) -> str:
        """Put the newest decision to reviewers; return the request's id.

        Args:
            candidate: the candidate digest.
            by: who asks.
            expected: the decision digest that `govern ci` printed; None: any.

        Raises:
            ConflictError: the decision is a denial or not the expected one, or a request
                is open already.
        """
        index = tracing.statements_about(self.recorder, candidate)
        decision = approving.newest_decision(index, candidate)
        value = decision.statement.predicate["govern"]
        own = decision_digest(decision)
        if expected is not None and not hmac.compare_digest(own, expected):
            raise ConflictError(
                f"the service decided {own} as of {value['as_of']}, not {expected}; the "
                "evidence, the packs or the day differ: decide again and compare"
            )
        if value["outcome"] == "deny":
            raise ConflictError("the decision is deny; there is nothing to approve")
        return self.store.add_request(
            candidate=candidate,
            decision=decision.digest,
            decision_digest=own,
            requested_by=by,
            requested_at=format_time(self.recorder.clock()),
            tier=str(value["approvals"]["tier"]),
        )

    def approve(
        self,
        request_id: str,
        approver_email: str,
        vote: str,
        comment: str,
        evidence_read: Sequence[str],
        sign: Callable[[bytes], str] | None = None,
    ) -> str:
        """Record a vote (``approve``, ``reject`` or ``dissent``); return its digest."""
        request = self._open_request(request_id)
        statement = approving.vote(
            self.recorder,
            request.decision,
            approver=approver_email,
            choice=vote,
            comment=comment,
            evidence_read=evidence_read,
            sign=sign,
        )
        return self._counted(request, statement)

    def own_keys(self, person: str) -> OwnKeys:
        """Return the keys with which a person signs votes herself."""
        return own_keys(self.recorder.trust, person, self.recorder.clock())

    def prepare_vote(
        self,
        request_id: str,
        approver_email: str,
        vote: str,
        comment: str,
        evidence_read: Sequence[str],
    ) -> dict[str, Any]:
        """Return a vote's words, for the reviewer to sign; nothing is recorded.

        Raises:
            RefusedError: the person may not vote, and why.
        """
        return approving.prepare(
            self.recorder,
            self._open_request(request_id).decision,
            approver=approver_email,
            choice=vote,
            comment=comment,
            evidence_read=evidence_read,
        )

    def cast_vote(self, request_id: str, words: Mapping[str, Any], signature: str) -> str:
        """Record a prepared vote with its reviewer's own signature; return its digest.

        Args:
            request_id: the approval request.
            words: what ``prepare_vote`` returned.
            signature: an armored SSHSIG signature over them.

        Raises:
            RefusedError: the signature does not count, or the person may not vote any more.
            ConflictError: the words are about another request, or too old.
        """
        request = self._open_request(request_id)
        if words.get("decision") != request.decision:
            raise ConflictError("the signed words are about another decision than this request")
        return self._counted(request, approving.cast(self.recorder, words, signature))

    def _counted(self, request: ApprovalRequest, vote: VerifiedStatement) -> str:
        """Move the request to the state that a vote brings about; return the vote's digest."""
        choice = vote.statement.predicate["vote"]
        evidence, _ = approving.under_review(self.recorder, request.decision)
        if choice == "reject":
            self.store.set_request_state(request.id, "rejected")
        elif evidence.admission_problem() is None and choice == "approve":
            self.store.set_request_state(request.id, "approved", expected="open")
        return vote.digest

    def withdraw_request(self, request_id: str, by: str) -> None:
        """Withdraw an open request.

        Raises:
            RefusedError: another person asked for it.
        """
        if self._open_request(request_id).requested_by != by:
            raise RefusedError(f"{by} did not ask for this approval and cannot withdraw it")
        self.store.set_request_state(request_id, "withdrawn")

    def _open_request(self, request_id: str) -> ApprovalRequest:
        request = self.store.request(request_id)
        if request is None:
            raise NotFoundError(f"no approval request {request_id}")
        if request.state not in ("open", "approved"):
            raise ConflictError(f"the approval request is {request.state}")
        return request
