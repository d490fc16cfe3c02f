"""Forgeries by someone who holds keys: another authority's, the log's, the service's, or a login."""

from __future__ import annotations

import dataclasses
import json
from datetime import timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from dossier_workshop import (
    ADA,
    CARLA,
    DOMAIN,
    EVAN,
    ISSUER,
    NADIA,
    PACK,
    PRIYA,
    ROSA,
    SERVICE,
    START,
    TOMAS,
    Gate,
    Workshop,
    answers,
    gate_files,
    gate_row,
    log_files,
    prepare,
    tell,
)
from forging import Forged, Forger, begin, finish, flip, forgery, path_of, reproof, sealed

from govern.domain import predicates
from govern.transparency.bundle import parse_bundle
from govern.transparency.checkpoint import Checkpoint, sign_checkpoint
from govern.transparency.digest import digest_of
from govern.transparency.encoding import b64, format_time
from govern.transparency.envelope import open_parts, sign_envelope
from govern.transparency.identity import Identity, issue_identity
from govern.transparency.merkle import leaf_hash
from govern.transparency.note import NoteSigner, full_key_id
from govern.transparency.statement import make_statement
from govern.transparency.timestamp import make_timestamp
from govern.transparency.tree import Tree
from govern.transparency.trust_parts import TrustedAuthority, Window

# -- keys and certificates -----------------------------------------------------


def smuggled(
    forger: Forger,
    *,
    identity: Identity | None = None,
    sign_later: timedelta = timedelta(0),
    ca: Workshop | None = None,
    ct: Workshop | None = None,
    tsa: Workshop | None = None,
    **leaf: Any,
) -> Forged:
    """Return a dossier with one more vote whose certificate or time is not as it should be."""
    shop = forger.shop()
    item = prepare(shop)
    shop.now += timedelta(hours=2)
    at = shop.clock()
    payload = make_statement(predicates.APPROVAL, [(item.name, item.digest)], {"vote": "approve"})
    key = ec.generate_private_key(ec.SECP256R1())
    authority, certifier, clock = (one or shop for one in (ca, ct, tsa))
    certificate = issue_identity(
        identity or Identity(ROSA, ISSUER),
        key.public_key(),
        ca_key=authority.keys.ec_key("ca"),
        ca_cert=authority.keys.certificate("ca"),
        ct_key=certifier.keys.ec_key("ct"),
        now=at,
        **leaf,
    )
    envelope = sign_envelope(payload, key)
    stamp = make_timestamp(
        open_parts(envelope)[1],
        now=at + sign_later,
        tsa_key=clock.keys.ec_key("tsa"),
        tsa_cert=clock.keys.certificate("tsa"),
        serial=7,
    )
    shop.smuggle(envelope, certificate, stamp)
    return sealed(shop, item)


def stranger(forger: Forger) -> Workshop:
    """Return an installation with the same names and other keys."""
    return Workshop(forger.folder / "stranger")


@forgery
def expired_certificate_with_a_later_signature(forger: Forger) -> Forged:
    return smuggled(forger, sign_later=timedelta(hours=1))


@forgery
def signature_before_its_certificate(forger: Forger) -> Forged:
    return smuggled(forger, sign_later=timedelta(hours=-1))


@forgery
def timestamp_outside_the_authoritys_validity(forger: Forger) -> Forged:
    return smuggled(forger, sign_later=timedelta(days=3000))


@forgery
def timestamp_by_another_authority(forger: Forger) -> Forged:
    return smuggled(forger, tsa=stranger(forger))


@forgery
def certificate_by_another_authority(forger: Forger) -> Forged:
    return smuggled(forger, ca=stranger(forger))


@forgery
def certificate_unseen_by_the_certificate_log(forger: Forger) -> Forged:
    return smuggled(forger, ct=stranger(forger))


@forgery
def identity_from_another_issuer(forger: Forger) -> Forged:
    return smuggled(forger, identity=Identity(ROSA, "https://login.elsewhere.example"))


@forgery
def everything_re_signed(forger: Forger) -> Forged:
    """The whole story again, in the same names, with the forger's own keys."""
    return forger.hand_in(tell(forger.folder / "copy").files)


@forgery
def key_swapped_in_the_bundle(forger: Forger) -> Forged:
    """The forger signs the genuine payload and puts his own self-made certificate beside it."""
    files, genuine = forger.files(), forger.story.first.votes[0]
    own = stranger(forger)
    envelope, certificate, stamp = own.keys.sign(genuine.statement.payload, ROSA, START)
    bundle = own.smuggle(envelope, certificate, stamp)
    files[path_of(genuine)] = bundle
    return forger.hand_in(files)


@forgery
def seal_by_the_forgers_own_key(forger: Forger) -> Forged:
    files = forger.files()
    files["dossier.sigstore.json"] = tell(forger.folder / "copy").files["dossier.sigstore.json"]
    return forger.hand_in(files)


def revoked(forger: Forger, **parts: Any) -> Forged:
    """Return the genuine dossier under a trust file that ended a key before it was used."""
    trust = dataclasses.replace(forger.story.shop.trust, **parts)
    return Forged(forger.files(), trust)


ENDED = Window(START - timedelta(days=30), START - timedelta(days=1))


def ended_authorities(authorities: tuple[TrustedAuthority, ...]) -> tuple[TrustedAuthority, ...]:
    """Return authorities that ended before the story began."""
    return tuple(dataclasses.replace(one, valid=ENDED) for one in authorities)


@forgery
def revoked_log_key(forger: Forger) -> Forged:
    logs = forger.story.shop.trust.logs
    ended = [dataclasses.replace(log, valid=ENDED) if log.kind == "lineage" else log for log in logs]
    return revoked(forger, logs=tuple(ended))


@forgery
def revoked_identity_authority(forger: Forger) -> Forged:
    return revoked(forger, cas=ended_authorities(forger.story.shop.trust.cas))


@forgery
def revoked_timestamp_authority(forger: Forger) -> Forged:
    return revoked(forger, tsas=ended_authorities(forger.story.shop.trust.tsas))


@forgery
def revoked_certificate_log_key(forger: Forger) -> Forged:
    logs = forger.story.shop.trust.ct_logs
    return revoked(forger, ct_logs=tuple(dataclasses.replace(one, valid=ENDED) for one in logs))


@forgery
def gate_that_is_not_trusted(forger: Forger) -> Forged:
    logs = forger.story.shop.trust.logs
    return revoked(forger, logs=tuple(log for log in logs if log.kind == "lineage"))


@forgery
def statement_in_a_gates_log(forger: Forger) -> Forged:
    shop = forger.story.shop
    vote = forger.story.first.votes[0]
    signer = shop.gates["demo"].signer
    tree = Tree()
    tree.append([leaf_hash(b"x")])
    files = forger.files()
    files[path_of(vote)] = reproof(
        vote.bundle,
        key_id=full_key_id(signer.name, signer.verifier.public_key),
        index=0,
        size=1,
        root=tree.root(),
        hashes=(),
        checkpoint=sign_checkpoint(Checkpoint(signer.name, 1, tree.root()), signer),
    )
    return forger.hand_in(files)


@forgery
def checkpoint_by_another_key(forger: Forger) -> Forged:
    own = NoteSigner(f"{DOMAIN}/govern/lineage", Ed25519PrivateKey.generate())
    size = len(forger.story.shop.store.items)
    files = forger.files()
    note = sign_checkpoint(Checkpoint(own.name, size, bytes(32)), own)
    return forger.hand_in({**files, "log/checkpoint": note.encode()})


# -- the logs, by someone with their keys --------------------------------------


@forgery
def forked_lineage_log(forger: Forger) -> Forged:
    """The log's key signs a history in which one entry is another."""
    shop = forger.story.shop
    entries = list(shop.log.entries())[: len(shop.store.items)]
    entries[5] = flip(entries[5])
    return forger.hand_in({**forger.files(), **resigned(shop, entries)})


@forgery
def lineage_log_without_its_newest_entry(forger: Forger) -> Forged:
    shop, files = forger.story.shop, forger.files()
    entries = list(shop.log.entries())[: len(shop.store.items) - 1]
    newest = max(name for name in files if name.startswith("statements/"))
    kept = {
        name: data
        for name, data in files.items()
        if name != newest and not name.startswith("log/")
    }
    return forger.hand_in({**kept, **resigned(shop, entries)})


def resigned(shop: Workshop, entries: list[bytes]) -> dict[str, bytes]:
    """Return a lineage log over other entries, under its own genuine key."""
    tree = Tree()
    tree.append([leaf_hash(entry) for entry in entries])
    signer = shop.keys.note_signer("lineage-log", f"{DOMAIN}/govern/lineage")
    note = sign_checkpoint(Checkpoint(signer.name, tree.size, tree.root()), signer)
    return log_files("log", entries, note)


def gate_rewritten(forger: Forger, leaves: list[bytes]) -> Forged:
    """Return the dossier with the demo gate's log rewritten under the gate's own key."""
    genuine = forger.story.shop.gates["demo"]
    own = Gate("demo", genuine.signer)
    own.leaves, own.records = leaves, dict(genuine.records)
    kept = {
        name: data for name, data in forger.files().items() if not name.startswith("gates/demo/")
    }
    return forger.hand_in({**kept, **gate_files(own)})


@forgery
def forked_gate_log(forger: Forger) -> Forged:
    leaves = forger.story.shop.gates["demo"].leaves
    return gate_rewritten(forger, [leaves[0], flip(leaves[1]), *leaves[2:]])


@forgery
def gate_log_without_its_first_record(forger: Forger) -> Forged:
    return gate_rewritten(forger, forger.story.shop.gates["demo"].leaves[1:])


@forgery
def gate_log_without_its_newest_record(forger: Forger) -> Forged:
    return gate_rewritten(forger, forger.story.shop.gates["demo"].leaves[:-1])


@forgery
def gate_log_cut_below_its_anchor(forger: Forger) -> Forged:
    return gate_rewritten(forger, forger.story.shop.gates["demo"].leaves[:2])


@forgery
def gap_in_a_gates_sequence(forger: Forger) -> Forged:
    """A gate that left out a record from the start: every signature is genuine."""
    shop = forger.shop()
    item = prepare(shop)
    gate = shop.gates["demo"]
    for _ in range(3):
        gate.answer(shop.clock(), item)
    del gate.leaves[1], gate.records[1], gate.records[2]
    return sealed(shop, item)


# -- approvals -----------------------------------------------------------------


def voted(forger: Forger, *votes: str, **changes: Any) -> Forged:
    """Return a dossier whose first vote is changed; the others are genuine."""
    shop = forger.shop()
    item = begin(shop)
    shop.record_vote(item, votes[0], **changes)
    finish(shop, item, votes[1:])
    return sealed(shop, item)


@forgery
def self_approval(forger: Forger) -> Forged:
    return voted(forger, ADA, ROSA)


@forgery
def approval_by_the_evaluator(forger: Forger) -> Forged:
    return voted(forger, EVAN, ROSA)


@forgery
def approval_without_the_role(forger: Forger) -> Forged:
    return voted(forger, CARLA, ROSA)


@forgery
def approval_in_another_name(forger: Forger) -> Forged:
    return voted(forger, ROSA, TOMAS, approver=NADIA)


@forgery
def one_person_votes_twice(forger: Forger) -> Forged:
    return voted(forger, ROSA, ROSA)


@forgery
def approval_of_another_decision_digest(forger: Forger) -> Forged:
    return voted(forger, ROSA, TOMAS, decision_digest=digest_of(b"other"))


@forgery
def too_few_approvals(forger: Forger) -> Forged:
    return voted(forger, ROSA)


@forgery
def dissent_counted_as_approval(forger: Forger) -> Forged:
    return voted(forger, NADIA, ROSA, vote="dissent")


@forgery
def rejection_overruled(forger: Forger) -> Forged:
    return voted(forger, NADIA, ROSA, TOMAS, vote="reject")


@forgery
def rejection_left_out(forger: Forger) -> Forged:
    shop = forger.shop()
    item = begin(shop)
    shop.record_vote(item, NADIA, vote="reject")
    item.votes.clear()
    finish(shop, item)
    return sealed(shop, item)


@forgery
def approval_moved_to_another_decision(forger: Forger) -> Forged:
    """The evidence changed and was decided anew; the old approvals are quoted again."""
    shop = forger.shop()
    item = begin(shop)
    for by in (ROSA, TOMAS):
        shop.record_vote(item, by)
    shop.check(item)
    shop.decide(item)
    finish(shop, item, ())
    return sealed(shop, item)


@forgery
def approval_of_another_candidate(forger: Forger) -> Forged:
    shop = forger.shop()
    first = prepare(shop)
    second = shop.candidate("logistic")
    shop.check(second)
    shop.decide(second)
    second.votes = list(first.votes)
    finish(shop, second, ())
    return sealed(shop, first, second)


# -- swapped evidence, signed by people who may --------------------------------


@forgery
def admission_under_another_candidates_decision(forger: Forger) -> Forged:
    shop = forger.shop()
    first = prepare(shop)
    second = shop.candidate("logistic")
    second.decision, second.votes = first.decision, first.votes
    finish(shop, second, ())
    return sealed(shop, first, second)


@forgery
def admission_without_the_role(forger: Forger) -> Forged:
    shop = forger.shop()
    item = begin(shop)
    finish(shop, item, by=ADA)
    return sealed(shop, item)


@forgery
def admission_naming_another_candidate(forger: Forger) -> Forged:
    shop = forger.shop()
    item = begin(shop)
    finish(shop, item, candidate=digest_of(b"other"))
    return sealed(shop, item)


@forgery
def admission_in_another_name(forger: Forger) -> Forged:
    shop = forger.shop()
    item = begin(shop)
    finish(shop, item, admitted_by=ROSA)
    return sealed(shop, item)


@forgery
def training_in_another_name(forger: Forger) -> Forged:
    """Rosa trains, names Ada as the one who did, and approves her own work."""
    shop = forger.shop()
    shop.trace()
    item = shop.candidate("forest", trained_by=ROSA, claimed_by=ADA)
    shop.check(item)
    shop.decide(item)
    finish(shop, item)
    return sealed(shop, item)


@forgery
def approval_by_the_trainer(forger: Forger) -> Forged:
    shop = forger.shop()
    shop.trace()
    item = shop.candidate("forest", trained_by=ROSA)
    shop.check(item)
    shop.decide(item)
    finish(shop, item)
    return sealed(shop, item)


@forgery
def admission_under_a_denial(forger: Forger) -> Forged:
    shop = forger.shop()
    item = begin(shop, verdict="fail")
    finish(shop, item)
    return sealed(shop, item)


def decided(forger: Forger, *, by: str = SERVICE, verdict: str = "pass", **changes: Any) -> Forged:
    """Return a dossier whose decision's value was changed before it was signed."""
    shop = forger.shop()
    item = begin(shop, verdict=verdict)
    assert item.decision is not None
    predicate = json.loads(item.decision.statement.payload)["predicate"]
    predicate["govern"] = {**predicate["govern"], **changes}
    item.decision = shop.record(predicates.SVR, item, predicate, by=by)
    from govern.domain.evidence import decision_digest

    for voter in (ROSA, TOMAS):
        shop.record_vote(item, voter, decision_digest=decision_digest(item.decision))
    finish(shop, item, ())
    return sealed(shop, item)


@forgery
def decision_changed_to_allow(forger: Forger) -> Forged:
    return decided(forger, verdict="fail", outcome="allow")


@forgery
def decision_with_other_rules(forger: Forger) -> Forged:
    return decided(forger, rules=[])


@forgery
def decision_by_someone_else(forger: Forger) -> Forged:
    return decided(forger, by=ADA)


@forgery
def decision_that_read_other_evidence(forger: Forger) -> Forged:
    return decided(forger, evidence=[{"path": "candidate", "digest": digest_of(b"other")}])


@forgery
def decision_naming_another_candidate(forger: Forger) -> Forged:
    return decided(forger, candidate=digest_of(b"other"))


@forgery
def decision_without_a_pack(forger: Forger) -> Forged:
    return decided(forger, packs=[])


@forgery
def failing_check_hidden(forger: Forger) -> Forged:
    """A failing check is in the log; the decision claims to have read only the older pass."""
    shop = forger.shop()
    shop.trace()
    item = shop.candidate("forest")
    shop.check(item)
    shop.decide(item)
    old = item.decision
    assert old is not None
    shop.check(item, verdict="fail")
    predicate = json.loads(old.statement.payload)["predicate"]
    item.decision = shop.record(predicates.SVR, item, {**predicate, "again": True}, by=SERVICE)
    finish(shop, item)
    return sealed(shop, item)


def rechecked(forger: Forger, by: str, quoted: bool) -> Forged:
    """Return a dossier with a check by someone, or one that quotes no evidence."""
    shop = forger.shop()
    shop.trace()
    item = shop.candidate("forest")
    shop.check(item)
    assert item.check is not None
    predicate = json.loads(item.check.statement.payload)["predicate"]
    if not quoted:
        predicate["configuration"] = []
    shop.decide(item)
    shop.record(predicates.TEST_RESULT, item, {**predicate, "again": True}, by=by)
    old = item.decision
    assert old is not None
    later = json.loads(old.statement.payload)["predicate"]
    item.decision = shop.record(predicates.SVR, item, {**later, "again": True}, by=SERVICE)
    finish(shop, item)
    return sealed(shop, item)


@forgery
def check_by_someone_else(forger: Forger) -> Forged:
    return rechecked(forger, ADA, quoted=True)


@forgery
def check_that_quotes_no_evidence(forger: Forger) -> Forged:
    return rechecked(forger, EVAN, quoted=False)


def registered(forger: Forger, by: str = ADA, **changes: Any) -> Forged:
    """Return a dossier with a second, changed registration of the same candidate."""
    shop = forger.shop()
    item = begin(shop)
    predicate = json.loads(item.statement.statement.payload)["predicate"]
    shop.record(predicates.CANDIDATE, item, {**predicate, **changes}, by=by)
    old = item.decision
    assert old is not None
    later = json.loads(old.statement.payload)["predicate"]
    item.decision = shop.record(predicates.SVR, item, {**later, "again": True}, by=SERVICE)
    finish(shop, item)
    return sealed(shop, item)


@forgery
def check_naming_another_candidate(forger: Forger) -> Forged:
    """The statement is about this candidate; the result inside it is another's."""
    shop = forger.shop()
    shop.trace()
    item = shop.candidate("forest")
    shop.check(item)
    assert item.check is not None
    predicate = json.loads(item.check.statement.payload)["predicate"]
    predicate["govern"]["candidate"] = digest_of(b"other")
    item.check = shop.record(predicates.TEST_RESULT, item, predicate, by=EVAN)
    shop.decide(item)
    finish(shop, item)
    return sealed(shop, item)


@forgery
def candidate_by_someone_else(forger: Forger) -> Forged:
    return registered(forger, by=EVAN)


@forgery
def candidate_in_another_name(forger: Forger) -> Forged:
    return registered(forger, author=ROSA)


@forgery
def candidate_quoting_an_unknown_signature(forger: Forger) -> Forged:
    return registered(forger, model_signature=digest_of(b"other"))


@forgery
def candidate_registered_anew(forger: Forger) -> Forged:
    """Another intended use, after checks and decision were made for the old one."""
    return registered(forger, intended_use="mass surveillance")


@forgery
def signature_swapped_between_candidates(forger: Forger) -> Forged:
    shop = forger.shop()
    first = prepare(shop)
    second = shop.candidate("logistic")
    predicate = json.loads(second.statement.statement.payload)["predicate"]
    quoted = first.statement.statement.predicate["model_signature"]
    second.statement = shop.record(
        predicates.CANDIDATE, second, {**predicate, "model_signature": quoted}, by=ADA
    )
    second.decision, second.votes = first.decision, first.votes
    shop.record(predicates.SVR, second, {"govern": {}}, by=SERVICE)
    return sealed(shop, first, second)


# -- time ----------------------------------------------------------------------


@forgery
def waiver_after_its_expiry(forger: Forger) -> Forged:
    """The decision is allow because of a waiver that had ended the day before."""
    shop = forger.shop()
    shop.trace()
    item = shop.candidate("forest")
    shop.check(item, verdict="fail")
    waiver = {
        "rule": "accurate",
        "pack": "test-pack",
        "pack_version": "1.0.0",
        "granted_by": [CARLA, PRIYA],
        "reason": "test",
        "compensating_control": "none",
        "expires_at": format_time(START - timedelta(days=1)),
    }
    shop.record(predicates.WAIVER, item, waiver, by=CARLA)
    shop.decide(item)
    assert item.decision is not None
    predicate = json.loads(item.decision.statement.payload)["predicate"]
    predicate["govern"]["outcome"] = "allow"
    item.decision = shop.record(predicates.SVR, item, predicate, by=SERVICE)
    from govern.domain.evidence import decision_digest

    for voter in (ROSA, TOMAS):
        shop.record_vote(item, voter, decision_digest=decision_digest(item.decision))
    finish(shop, item, ())
    return sealed(shop, item)


@forgery
def waiver_granted_alone(forger: Forger) -> Forged:
    """A waiver needs two people; Carla signs alone and writes both names into it."""
    shop = forger.shop()
    shop.trace()
    item = shop.candidate("forest")
    shop.check(item, verdict="fail")
    waiver = {
        "rule": "accurate",
        "pack": "test-pack",
        "pack_version": "1.0.0",
        "granted_by": [CARLA, PRIYA],
        "reason": "test",
        "compensating_control": "none",
        "expires_at": format_time(START + timedelta(days=9)),
    }
    shop.record(predicates.WAIVER, item, waiver, by=CARLA)
    shop.decide(item)
    finish(shop, item)
    return sealed(shop, item)


@forgery
def waiver_without_the_role(forger: Forger) -> Forged:
    shop = forger.shop()
    item = begin(shop)
    shop.record(predicates.WAIVER, item, {"rule": "accurate", "pack": "test-pack"}, by=ADA)
    later = json.loads(item.decision.statement.payload)["predicate"]  # type: ignore[union-attr]
    item.decision = shop.record(predicates.SVR, item, {**later, "again": True}, by=SERVICE)
    finish(shop, item)
    return sealed(shop, item)


@forgery
def admission_after_its_expiry(forger: Forger) -> Forged:
    return forger.hand_in(forger.files(), as_of=START + timedelta(days=31))


@forgery
def admission_before_its_start(forger: Forger) -> Forged:
    return forger.hand_in(forger.files(), as_of=START)


def ended(forger: Forger, *kinds: str) -> Forged:
    """Return a dossier passed off as showing an admission in force, after these statements."""
    shop = forger.shop()
    item = begin(shop)
    finish(shop, item)
    for kind in kinds:
        shop.clock()
        shop.end(item, kind)
    return sealed(shop, item, as_of=shop.clock())


@forgery
def suspended_admission(forger: Forger) -> Forged:
    return ended(forger, predicates.SUSPENSION)


@forgery
def revoked_admission(forger: Forger) -> Forged:
    return ended(forger, predicates.REVOCATION)


@forgery
def revoked_admission_reinstated(forger: Forger) -> Forged:
    return ended(forger, predicates.REVOCATION, predicates.REINSTATEMENT)


def answered(forger: Forger, *, days: int = 0, **changes: Any) -> Forged:
    """Return a dossier with an answer the gate should not have given."""
    shop = forger.shop()
    item = begin(shop)
    finish(shop, item)
    shop.gates["demo"].answer(shop.now + timedelta(days=days), item, **changes)
    return sealed(shop, item)


@forgery
def answer_after_the_admission_ended(forger: Forger) -> Forged:
    return answered(forger, days=40)


@forgery
def answer_before_the_admission(forger: Forger) -> Forged:
    return answered(forger, days=-1)


@forgery
def answer_by_another_model(forger: Forger) -> Forged:
    return answered(forger, candidate=digest_of(b"other"))


@forgery
def answer_under_an_unknown_admission(forger: Forger) -> Forged:
    return answered(forger, admission=digest_of(b"other"))


@forgery
def answer_without_an_admission(forger: Forger) -> Forged:
    return answered(forger, admission=None)


@forgery
def answer_in_another_deployment(forger: Forger) -> Forged:
    return answered(forger, deployment="credit-limit")


@forgery
def answer_with_another_time_than_its_leaf(forger: Forger) -> Forged:
    return answered(forger, at=format_time(START))


@forgery
def answer_after_a_revocation(forger: Forger) -> Forged:
    """Asked as of a moment when the admission stood; the gate went on after it ended."""
    shop = forger.shop()
    item = begin(shop)
    finish(shop, item)
    shop.end(item, predicates.REVOCATION)
    shop.clock()
    shop.gates["demo"].answer(shop.clock(), item)
    assert item.admission is not None
    return sealed(shop, item, as_of=item.admission.proven_at)


@forgery
def reinstated_by_someone_else(forger: Forger) -> Forged:
    shop = forger.shop()
    item = begin(shop)
    finish(shop, item)
    shop.end(item, predicates.SUSPENSION)
    shop.end(item, predicates.REINSTATEMENT, by=ADA)
    return sealed(shop, item)


@forgery
def old_reinstatement_logged_again(forger: Forger) -> Forged:
    """Suspended, reinstated, suspended again; the log's keeper enters the old paper anew."""
    shop = forger.shop()
    item = begin(shop)
    finish(shop, item)
    shop.end(item, predicates.SUSPENSION)
    shop.end(item, predicates.REINSTATEMENT)
    old = parse_bundle(shop.store.items[-1].bundle)
    shop.end(item, predicates.SUSPENSION)
    shop.smuggle(old.envelope, old.certificate, old.timestamp)
    return sealed(shop, item, as_of=shop.clock())


# -- services ------------------------------------------------------------------


@forgery
def seal_by_someone_else(forger: Forger) -> Forged:
    shop = forger.shop()
    item = prepare(shop)
    answers(shop, item)
    return Forged(shop.dossier([item], by=ADA), shop.trust)


@forgery
def anchor_by_someone_else(forger: Forger) -> Forged:
    shop = forger.shop()
    item = prepare(shop)
    shop.gates["demo"].answer(shop.clock(), item)
    shop.anchor(shop.gates["demo"], by=ADA)
    return sealed(shop, item)


@forgery
def gate_left_out_of_the_seal(forger: Forger) -> Forged:
    """The service seals a dossier that says nothing of a gate whose state is anchored."""
    shop = forger.shop()
    item = prepare(shop)
    answers(shop, item)
    del shop.gates["other"]
    return sealed(shop, item)


@forgery
def seal_of_another_dossier(forger: Forger) -> Forged:
    """A genuine, newer seal by the service, over other files."""
    files = forger.files()
    shop = tell(forger.folder / "again")
    more = {**shop.files, "artifacts/extra.txt": b"x"}
    gates = [gate_row(gate) for gate in shop.shop.gates.values()]
    newer = shop.shop.seal(more, gates)
    assert files
    return Forged(
        {**shop.files, "dossier.sigstore.json": newer["dossier.sigstore.json"]}, shop.shop.trust
    )


@forgery
def pack_changed_after_the_decision(forger: Forger) -> Forged:
    """A softer pack in place of the one decided under, and everything sealed again."""
    shop = forger.shop()
    item = prepare(shop)
    answers(shop, item)
    shop.pack = PACK.replace(b"severity: deny", b"severity: advise")
    return sealed(shop, item)


# -- receipts ------------------------------------------------------------------


def receipt(forger: Forger, *, gate: Gate | None = None, **changes: Any) -> bytes:
    """Return a tlog-proof of record 1, with parts replaced."""
    found = gate or forger.story.shop.gates["demo"]
    tree = found.tree()
    parts = {
        "leaf": found.leaves[1],
        "index": 1,
        "proof": tree.inclusion(1, tree.size),
        "note": found.note(),
        **changes,
    }
    lines = ["c2sp.org/tlog-proof@v1", f"extra {b64(parts['leaf'])}", f"index {parts['index']}"]
    return "\n".join([*lines, *map(b64, parts["proof"]), "", parts["note"]]).encode()


@forgery
def receipt_with_another_leaf(forger: Forger) -> Forged:
    leaves = forger.story.shop.gates["demo"].leaves
    return forger.hand_in(receipt(forger, leaf=flip(leaves[1])))


@forgery
def receipt_for_another_index(forger: Forger) -> Forged:
    return forger.hand_in(receipt(forger, index=2))


@forgery
def receipt_from_another_gate(forger: Forger) -> Forged:
    other = forger.story.shop.gates["other"]
    return forger.hand_in(receipt(forger, note=other.note()))


@forgery
def receipt_from_an_unknown_log(forger: Forger) -> Forged:
    own = Gate("mine", NoteSigner("elsewhere.example/gate", Ed25519PrivateKey.generate()))
    own.leaves = list(forger.story.shop.gates["demo"].leaves)
    return forger.hand_in(receipt(forger, gate=own))


@forgery
def receipt_under_the_forgers_key(forger: Forger) -> Forged:
    genuine = forger.story.shop.gates["demo"]
    own = Gate("demo", NoteSigner(genuine.signer.name, Ed25519PrivateKey.generate()))
    own.leaves = list(genuine.leaves)
    return forger.hand_in(receipt(forger, gate=own))


@forgery
def receipt_with_a_long_index(forger: Forger) -> Forged:
    return forger.hand_in(receipt(forger, index="01"))

