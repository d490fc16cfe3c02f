"""Verify a report PDF on its own, in numbered steps.

(1) one seal covers every byte of the file and verifies (``pades.py``);
(2) every statement attached verifies: signer, time, log;
(3) the report statement, by the service, names the attached facts (``evidence.json``);
(4) the seal's certificate was valid then, or at the seal's own proven time;
(5) the attached statements are those that the facts list as evidence, all of them;
(6) the evidence is closed up to decision and admission, and the decision replays under
    the attached packs;
(7) what the facts say of candidate, decision, checks, votes and admission is what these
    statements say.

What is not proved: that the printed pages show these facts (`govern report compare`
says), and what the facts quote from statements that are not attached.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from govern.domain import predicates
from govern.domain.assembling import StatementIndex
from govern.domain.evidence import decision_digest, decision_value, require_service
from govern.errors import (
    CompletenessError,
    DigestMismatchError,
    EvidenceError,
    MalformedError,
    VerificationError,
)
from govern.transparency.canonical import parse_json
from govern.transparency.digest import digest_of
from govern.transparency.encoding import format_time
from govern.transparency.trust import TrustRoot
from govern.transparency.verify import VerifiedStatement, examine_bundle, verify_bundle
from govern.verifier.decisions import replay_decisions, verify_admissions
from govern.verifier.pades import check_valid, verify_seal
from govern.verifier.pdf import Pdf
from govern.verifier.proved import Proved

FACTS, STATEMENT, TRUST = "evidence.json", "report.sigstore.json", "trust.json"
BUNDLE, PACK = ".sigstore.json", ".pack.yaml"
_VOTE = ("approver", "vote", "comment", "approved_at", "evidence_read")
_ADMISSION = ("deployment", "environment", "admitted_by", "admitted_at", "expires_at")


def verify_report(data: bytes, trust: TrustRoot, as_of: datetime | None = None) -> Proved:
    """Verify a report PDF and everything attached to it.

    Args:
        data: the file.
        trust: the trust root, obtained apart from the report.
        as_of: the time at which the admission must be in force; None: nobody asks.

    Raises:
        VerificationError: the first thing that does not hold, named.
    """
    proved, pdf = Proved(), Pdf(data)
    seal = verify_seal(pdf, trust)  # (1)
    attached = pdf.attachments()
    facts = _facts(attached)
    report = _open(attached, STATEMENT, trust)
    statements = [_open(attached, name, trust) for name in _bundles(attached)]  # (2)
    _check_statement(report, attached[FACTS], trust)  # (3)
    check_valid(seal, trust, seal.proven_at or report.proven_at)  # (4)
    proved.say(
        f"The report is sealed by {seal.name}; nothing in it was changed and nothing added.",
        reports=1,
    )
    _check_listed(facts, statements)  # (5)
    proved.say(
        f"The facts attached were recorded by {report.signer} at {format_time(report.proven_at)}, "
        f"at index {report.log_index} of {report.checkpoint.origin}; {len(statements)} statements "
        "they rest on are attached, and verify.",
        statements=len(statements) + 1,
    )
    index = StatementIndex(statements)
    verify_admissions(index, trust, proved, made_at=report.proven_at, as_of=as_of)  # (6)
    packs = {digest_of(body): body for name, body in attached.items() if name.endswith(PACK)}
    replay_decisions(index, trust, packs, proved)
    _check_facts(facts, index)  # (7)
    proved.say(
        "What the attached facts say of candidate, decision, checks, votes and admission is "
        "what these statements say."
    )
    _say_limits(proved, facts, index, attached, trust, sealed_at=seal.proven_at)
    return proved


def _facts(attached: Mapping[str, bytes]) -> dict[str, Any]:
    if FACTS not in attached:
        raise CompletenessError(f"the report has no {FACTS} attached")
    facts = parse_json(attached[FACTS])
    if not isinstance(facts, dict):
        raise MalformedError(f"{FACTS} is not a JSON object")
    return facts


def _bundles(attached: Mapping[str, bytes]) -> list[str]:
    return sorted(name for name in attached if name.endswith(BUNDLE) and name != STATEMENT)


def _open(attached: Mapping[str, bytes], name: str, trust: TrustRoot) -> VerifiedStatement:
    if name not in attached:
        raise CompletenessError(f"the report has no {name} attached")
    try:
        return (verify_bundle if name == STATEMENT else examine_bundle)(attached[name], trust)
    except VerificationError as error:
        raise type(error)(f"{name}: {error}") from None


def _check_statement(report: VerifiedStatement, facts: bytes, trust: TrustRoot) -> None:
    if report.kind != predicates.REPORT:
        raise EvidenceError(f"{STATEMENT} is a {predicates.name_of(report.kind)}, not a report's")
    require_service(report, trust)
    if not report.statement.has_subject(digest_of(facts)):
        raise DigestMismatchError(f"{FACTS} is not the one that the report statement names")


def _check_listed(facts: Mapping[str, Any], statements: list[VerifiedStatement]) -> None:
    listed = {str(row["digest"]) for row in facts["evidence"]}
    held = {item.digest for item in statements}
    if listed - held:
        raise CompletenessError(f"statement {min(listed - held)} of the evidence is not attached")
    if held - listed:
        raise EvidenceError(f"statement {min(held - listed)} is attached, but no evidence of it")


def _check_facts(facts: Mapping[str, Any], index: StatementIndex) -> None:
    _check_candidate(facts["candidate"], index)
    decision = index.get(str(facts["decision"]["statement"]), "the decision")
    _same(facts["decision"]["value"], decision_value(decision), "the decision")
    _same(facts["decision"]["digest"], decision_digest(decision), "the decision's digest")
    for name, row in facts["checks"].items():
        check = index.get(str(row["statement"]), f"the {name} check")
        _same(row["result"], check.statement.predicate["govern"], f"the {name} check")
    for row in facts["approvals"]:
        vote = index.get(str(row["statement"]), "a vote").statement.predicate
        _same({key: row[key] for key in _VOTE}, {key: vote[key] for key in _VOTE}, "a vote")
        _same(row.get("review"), vote.get("review"), "how a review went")
    if facts["admission"] is not None:
        row = facts["admission"]
        said = index.get(str(row["statement"]), "the admission").statement.predicate
        for key in _ADMISSION:
            _same(row[key], said[key], f"the admission's {key}")
    elif index.of_kind(predicates.ADMISSION):
        raise EvidenceError("the facts leave out the admission")
    votes = {item.digest for item in index.of_kind(predicates.APPROVAL)}
    if votes != {str(row["statement"]) for row in facts["approvals"]}:
        raise EvidenceError("the facts leave out a vote")


def _check_candidate(row: Mapping[str, Any], index: StatementIndex) -> None:
    candidate = index.get(str(row["statement"]), "the candidate").statement
    for key, value in candidate.predicate.items():
        _same(row.get(key), value, f"the candidate's {key}")
    _same(row["digest"], candidate.subject, "the candidate's digest")


def _same(said: Any, recorded: Any, what: str) -> None:
    if said != recorded:
        raise EvidenceError(f"the facts give {what} otherwise than its statement")


def _say_limits(
    proved: Proved,
    facts: Mapping[str, Any],
    index: StatementIndex,
    attached: Mapping[str, bytes],
    trust: TrustRoot,
    *,
    sealed_at: datetime | None,
) -> None:
    proved.cannot(
        "That the printed pages show the attached facts: `govern report compare` lays them out "
        "again and names the pages that differ."
    )
    if sealed_at is None:
        proved.cannot("When the seal was made, other than after its facts were recorded.")
    if facts["admission"] is not None:
        proved.cannot("That the admission was not suspended or revoked: the dossier tells.")
    absent = {digest for digest in _quoted(facts) if digest not in index.by_digest}
    if absent:
        proved.cannot(
            f"What the facts quote from {len(absent)} statements that are not attached, such as "
            "those about other candidates: the dossier has them."
        )
    if facts.get("serving"):
        proved.cannot("The gate's statistics: verify the dossier, which holds the gate's log.")
    proved.cannot("Model and data bytes: they are in the dossier, not in the report.")
    if attached.get(TRUST, trust.raw) != trust.raw:
        proved.cannot("That the attached trust file is right: it is not yours; yours was used.")


def _quoted(value: Any) -> Iterator[str]:
    """Yield every statement digest that the facts quote."""
    if isinstance(value, Mapping):
        if isinstance(value.get("statement"), str):
            yield value["statement"]
        for item in value.values():
            yield from _quoted(item)
    elif isinstance(value, list):
        for item in value:
            yield from _quoted(item)
