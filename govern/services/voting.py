"""Approval requests and votes as use cases: ask, prepare, cast, withdraw.

A vote that a passkey signs takes two steps: ``prepare_vote`` returns the words, the reviewer
signs exactly these, and ``cast_vote`` takes words and signature. It orders ``approving``;
what counts as a vote is decided there and in ``govern.domain.evidence``.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from govern.domain.evidence import decision_digest
from govern.errors import ConflictError, NotFoundError, RefusedError
from govern.services import approving, reviewing, tracing
from govern.services.notifying import Event
from govern.services.own_keys import own_keys
from govern.services.ports import ApprovalRequest, OwnKeys, Store
from govern.services.recording import Recorder
from govern.services.reviewing import REQUEST_DAYS
from govern.transparency.encoding import format_time, parse_time
from govern.transparency.verify import VerifiedStatement


class Voting:
    """The use cases around approval requests; a part of ``Operations``."""

    recorder: Recorder
    store: Store
    tell: Callable[[Event], None]

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
        made = self.store.add_request(
            candidate=candidate,
            decision=decision.digest,
            decision_digest=own,
            requested_by=by,
            requested_at=format_time(self.recorder.clock()),
            tier=str(value["approvals"]["tier"]),
            expires_at=format_time(self.recorder.clock() + timedelta(days=REQUEST_DAYS)),
        )
        subject = f"{by} asks for approval of a {value['approvals']['tier']}-tier candidate."
        about = {"request": made, "candidate": candidate, "decision": decision.digest, "by": by}
        self.tell(Event("request", subject, about, f"/approvals/{made}", key=made))
        return made

    def approve(
        self,
        request_id: str,
        approver_email: str,
        vote: str,
        comment: str,
        evidence_read: Sequence[str],
        sign: Callable[[bytes], str] | None = None,
        *,
        review: Mapping[str, Any] | None = None,
    ) -> str:
        """Record a vote (``approve``, ``reject`` or ``dissent``); return its digest."""
        request = self._reviewed_by(request_id, approver_email)
        statement = approving.vote(
            self.recorder,
            request.decision,
            approver=approver_email,
            choice=vote,
            comment=comment,
            evidence_read=evidence_read,
            sign=sign,
            review=review,
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
        *,
        review: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Return a vote's words, for the reviewer to sign; nothing is recorded.

        Raises:
            RefusedError: the person may not vote, and why.
        """
        return approving.prepare(
            self.recorder,
            self._reviewed_by(request_id, approver_email).decision,
            approver=approver_email,
            choice=vote,
            comment=comment,
            evidence_read=evidence_read,
            review=review,
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
        request = self._reviewed_by(request_id, str(words.get("approver")))
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
        self._tell_vote(request, vote)
        return vote.digest

    def _tell_vote(self, request: ApprovalRequest, vote: VerifiedStatement) -> None:
        choice, by = vote.statement.predicate["vote"], vote.signer
        about = {"request": request.id, "candidate": request.candidate, "by": by, "vote": choice}
        path, told = f"/approvals/{request.id}", (request.requested_by,)
        subject = f"{by} voted {choice} on your request."
        self.tell(Event("vote", subject, about, path, told, key=vote.digest))
        now = self.store.request(request.id)
        if now is not None and now.state != request.state:
            self._tell_closed(request, now.state, by)

    def _tell_closed(self, request: ApprovalRequest, state: str, by: str) -> None:
        about = {"request": request.id, "candidate": request.candidate, "state": state, "by": by}
        subject = f"Your approval request is now: {state}."
        path, told = f"/approvals/{request.id}", (request.requested_by,)
        self.tell(Event("closed", subject, about, path, told, key=f"{request.id} {state}"))

    def withdraw_request(self, request_id: str, by: str) -> None:
        """Withdraw an open request.

        Raises:
            RefusedError: another person asked for it.
        """
        if self._open_request(request_id).requested_by != by:
            raise RefusedError(f"{by} did not ask for this approval and cannot withdraw it")
        self.store.set_request_state(request_id, "withdrawn")

    def say(self, request_id: str, by: str, kind: str, text: str, to: str | None = None) -> str:
        """Keep what was said about a request, and do what it asks for; return its id.

        Args:
            request_id: the approval request.
            by: who says it.
            kind: one of ``reviewing.MESSAGE_KINDS``; ``changes`` closes the request.
            text: why, or what.
            to: whom the review is handed to, where ``kind`` is ``delegation``.

        Raises:
            RefusedError: only a reviewer who takes part may say this, or not to this person.
        """
        request = self._open_request(request_id)
        if kind in reviewing.REVIEWERS_ALONE:
            self._reviewed_by(request_id, by)
            if not self.recorder.trust.has_role(by, "reviewer"):
                raise RefusedError(f"{by} is not a reviewer in the trust file")
        if kind == reviewing.DELEGATION:
            self._require_delegable(request, by, to or "")
        made = self.store.add_message(
            request_id,
            author=by,
            kind=kind,
            text=text,
            at=format_time(self.recorder.clock()),
            addressee=to if kind == reviewing.DELEGATION else None,
        )
        if kind == reviewing.CHANGES:
            self.store.set_request_state(request.id, "changes")
            self._tell_closed(request, "changes", by)
        return made

    def _require_delegable(self, request: ApprovalRequest, by: str, to: str) -> None:
        evidence, _ = approving.under_review(self.recorder, request.decision)
        reasons = reviewing.delegation_refusals(
            by,
            to,
            reviewers=self.recorder.trust.roles.get("reviewer", ()),
            barred=evidence.barred(),
            messages=self.store.messages_for(request.id),
        )
        if reasons:
            raise RefusedError(f"the review cannot be handed on: {reasons[0]}", reasons)

    def _reviewed_by(self, request_id: str, person: str) -> ApprovalRequest:
        """Return an open request that this person has not stepped back from."""
        request = self._open_request(request_id)
        why = reviewing.stepped_back(self.store.messages_for(request_id)).get(person)
        if why:
            raise RefusedError(f"{person} {why} and takes no part in this review", [why])
        return request

    def _open_request(self, request_id: str) -> ApprovalRequest:
        request = self.store.request(request_id)
        if request is None:
            raise NotFoundError(f"no approval request {request_id}")
        if request.state not in ("open", "approved"):
            raise ConflictError(f"the approval request is {request.state}")
        if request.expires_at and self.recorder.clock() >= parse_time(request.expires_at):
            self.store.set_request_state(request.id, "expired", expected=request.state)
            raise ConflictError(f"the approval request expired at {request.expires_at}; ask again")
        return request
