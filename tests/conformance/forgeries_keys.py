"""Forgeries by a thief of a key that was rotated or revoked, and forgeries of the trust file."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from dossier_workshop import DOMAIN, PRIYA, ROSA, START, TOMAS, Candidate, Workshop, answers
from forging import Forged, Forger, begin, finish, forgery, sealed

from govern.adapters.keys_files import KeyFiles
from govern.domain import predicates
from govern.transparency.canonical import canonical_json, parse_json
from govern.transparency.checkpoint import sign_checkpoint
from govern.transparency.encoding import format_time
from govern.transparency.signer import EcSigner, Signer
from govern.transparency.statement import make_statement
from govern.transparency.succession import check_chain_of_files
from govern.transparency.trust import TrustRoot
from govern.transparency.trust_file import (
    current_key,
    end_key,
    next_version,
    root_entry,
    sign_trust,
)
from govern.transparency.verify import examine_bundle

# -- a key that was revoked or rotated, in other hands --------------------------


def approval_of(item: Candidate, by: str) -> dict[str, Any]:
    assert item.decision is not None
    return {
        "decision": item.decision.digest,
        "decision_digest": item.decision.statement.predicate["decision_digest"],
        "approver": by, "role": "reviewer", "vote": "approve", "comment": "",
        "evidence_read": [], "approved_at": format_time(START),
    }  # fmt: skip


def slip_in(
    shop: Workshop, thief: KeyFiles, item: Candidate, kind: str, predicate: dict[str, Any], by: str,
    *, dated: timedelta = timedelta(0),
) -> str:  # fmt: skip
    """Log a statement that a thief signed in somebody's name; return its digest."""
    payload = make_statement(kind, [(item.name, item.digest)], predicate)
    bundle = shop.smuggle(*thief.sign(payload, by, shop.clock() + dated))
    return examine_bundle(bundle, shop.trust).digest


def admitted_by_thief(forger: Forger, role: str, *, rotated: bool = False) -> Forged:
    """Rosa's vote is genuine; the thief adds that of Tomas, and the platform admits."""
    shop = forger.shop()
    item = begin(shop)
    thief = shop.rotate(role) if rotated else shop.revoke(role)
    shop.record_vote(item, ROSA)
    vote = slip_in(shop, thief, item, predicates.APPROVAL, approval_of(item, TOMAS), TOMAS)
    finish(shop, item, (), approvals=sorted([item.votes[0].digest, vote]))
    return sealed(shop, item)


@forgery
def approval_under_a_revoked_authority(forger: Forger) -> Forged:
    return admitted_by_thief(forger, "ca")


@forgery
def approval_under_a_revoked_certificate_log(forger: Forger) -> Forged:
    return admitted_by_thief(forger, "ct")


@forgery
def approval_under_a_revoked_timestamp_authority(forger: Forger) -> Forged:
    return admitted_by_thief(forger, "tsa")


@forgery
def approval_under_a_rotated_authority(forger: Forger) -> Forged:
    return admitted_by_thief(forger, "ca", rotated=True)


@forgery
def approval_under_a_rotated_timestamp_authority(forger: Forger) -> Forged:
    return admitted_by_thief(forger, "tsa", rotated=True)


@forgery
def admission_under_a_revoked_authority(forger: Forger) -> Forged:
    shop = forger.shop()
    item = begin(shop)
    for by in (ROSA, TOMAS):
        shop.record_vote(item, by)
    thief = shop.revoke("ca")
    assert item.decision is not None
    predicate = {
        "deployment": "mortgage-approval", "environment": "production",
        "candidate": item.statement.digest, "decision": item.decision.digest,
        "approvals": sorted(vote.digest for vote in item.votes), "admitted_by": PRIYA,
        "admitted_at": format_time(shop.now), "not_before": format_time(shop.now),
        "expires_at": format_time(shop.now + timedelta(days=30)), "upstream": {"kind": "onnx"},
    }  # fmt: skip
    slip_in(shop, thief, item, predicates.ADMISSION, predicate, PRIYA)
    return sealed(shop, item)


@forgery
def answers_under_a_void_admission(forger: Forger) -> Forged:
    """The platform admitted anew after the theft; the gate's older answers are shown as well."""
    shop = forger.shop()
    item = begin(shop)
    for by in (ROSA, TOMAS):
        shop.record_vote(item, by)
    before = shop.now
    shop.admit(item)
    answers(shop, item)
    shop.revoke("ca", since=before)
    shop.admit(item)
    return sealed(shop, item)


@forgery
def seal_under_a_revoked_authority(forger: Forger) -> Forged:
    shop = forger.shop()
    item = begin(shop)
    finish(shop, item)
    files = shop.dossier([item])
    return Forged(files, newer_of(shop, "ca", since=shop.now - timedelta(seconds=1)))


def newer_of(shop: Workshop, role: str, *, since: Any) -> TrustRoot:
    shop.revoke(role, since=since)
    return shop.trust


@forgery
def statement_under_a_revoked_authority(forger: Forger) -> Forged:
    shop = forger.shop()
    item = begin(shop)
    thief = shop.revoke("ca")
    slip_in(shop, thief, item, predicates.APPROVAL, approval_of(item, TOMAS), TOMAS)
    return Forged(next(iter(shop.smuggled.values())), shop.trust)


@forgery
def statement_under_a_rotated_log_key(forger: Forger) -> Forged:
    """The old key of the lineage log signs a checkpoint over what came after its end."""
    shop = forger.shop()
    item = begin(shop)
    old = shop.keys.note_signer("lineage-log", f"{DOMAIN}/govern/lineage")
    shop.rotate("lineage-log")
    shop.log.take_up(old, [old.verifier])
    vote = make_statement(predicates.APPROVAL, [(item.name, item.digest)], approval_of(item, ROSA))
    return Forged(shop.smuggle(*shop.keys.sign(vote, ROSA, shop.clock())), shop.trust)


@forgery
def log_signed_with_a_rotated_key(forger: Forger) -> Forged:
    """A dossier whose lineage log is signed with the key that had ended before its entries."""
    shop = forger.shop()
    item = begin(shop)
    old = shop.keys.note_signer("lineage-log", f"{DOMAIN}/govern/lineage")
    shop.rotate("lineage-log")
    finish(shop, item)

    def sign_again(files: dict[str, bytes]) -> dict[str, bytes]:
        return {**files, "log/checkpoint": sign_checkpoint(shop.log.checkpoint(), old).encode()}

    return Forged(shop.dossier([item], finish=sign_again), shop.trust)


@forgery
def gate_log_signed_with_a_rotated_key(forger: Forger) -> Forged:
    """Answers after the gate's key ended, under a checkpoint of the old key."""
    shop = forger.shop()
    item = begin(shop)
    finish(shop, item)
    shop.rotate("gate-demo")
    shop.gates["demo"].answer(shop.clock(), item)
    return sealed(shop, item)


@forgery
def gate_log_dated_back_under_a_rotated_key(forger: Forger) -> Forged:
    """The same, the answer dated before the key's end: no anchor of that time reaches it."""
    shop = forger.shop()
    item = begin(shop)
    finish(shop, item)
    shop.rotate("gate-demo")
    shop.gates["demo"].answer(shop.now - timedelta(seconds=3), item)
    return sealed(shop, item)


@forgery
def signature_before_the_keys_window(forger: Forger) -> Forged:
    """The successor of an authority's key signs, dated before it was in force."""
    shop = forger.shop()
    item = begin(shop)
    shop.now += timedelta(minutes=5)
    shop.rotate("ca")
    vote = make_statement(predicates.APPROVAL, [(item.name, item.digest)], approval_of(item, ROSA))
    shop.smuggle(*shop.keys.sign(vote, ROSA, shop.now - timedelta(minutes=2)))
    finish(shop, item)
    return sealed(shop, item)


def dated_back(forger: Forger, *, revoked: bool) -> Forged:
    """Whoever holds the timestamp key dates a vote back, before its revocation."""
    shop = forger.shop()
    item = begin(shop)
    shop.record_vote(item, ROSA)
    shop.now += timedelta(hours=2)
    since = shop.now - timedelta(hours=1)
    thief = shop.revoke("tsa", since=since) if revoked else shop.keys
    shop.record_vote(item, TOMAS)
    vote = slip_in(
        shop, thief, item, predicates.APPROVAL, approval_of(item, f"nadia@{DOMAIN}"),
        f"nadia@{DOMAIN}", dated=timedelta(minutes=-90),
    )  # fmt: skip
    finish(shop, item, (), approvals=sorted([item.votes[0].digest, vote]))
    return sealed(shop, item)


@forgery
def vote_dated_back_with_the_timestamp_key(forger: Forger) -> Forged:
    return dated_back(forger, revoked=False)


@forgery
def vote_dated_back_with_a_revoked_timestamp_key(forger: Forger) -> Forged:
    return dated_back(forger, revoked=True)


# -- the trust file -------------------------------------------------------------


def offered(forger: Forger, *files: bytes) -> Forged:
    """Offer trust files in place of the one that the regulator has."""
    held = forger.story.shop.trust
    check_chain_of_files([held, *map(TrustRoot.from_json, files)])
    return Forged(forger.files(), held)


def edited(forger: Forger, change: Callable[[dict[str, Any]], object]) -> bytes:
    """Return the next version, changed and signed by the genuine root."""
    shop = forger.story.shop
    value = next_version(shop.trust_bytes, now=START, reason="test")
    change(value)
    return sign_trust(value, [shop.keys.ec_key("root")])


def own_root() -> Signer:
    return EcSigner(ec.generate_private_key(ec.SECP256R1()))


@forgery
def trust_file_rolled_back(forger: Forger) -> Forged:
    """The file from before a revocation, offered to one who has the newer."""
    newer = TrustRoot.from_json(edited(forger, lambda value: None))
    check_chain_of_files([newer, forger.story.shop.trust])
    return forger.hand_in(forger.files())


@forgery
def trust_file_twice_under_one_version(forger: Forger) -> Forged:
    one = TrustRoot.from_json(edited(forger, lambda value: value.update(reason="one")))
    other = TrustRoot.from_json(edited(forger, lambda value: value.update(reason="other")))
    check_chain_of_files([one, other])
    return forger.hand_in(forger.files())


@forgery
def trust_file_by_another_root(forger: Forger) -> Forged:
    root = own_root()
    value = next_version(forger.story.shop.trust_bytes, now=START, reason="mine")
    return offered(forger, sign_trust({**value, "root": root_entry([root.public_key()])}, [root]))


@forgery
def trust_file_signed_by_no_root(forger: Forger) -> Forged:
    value = next_version(forger.story.shop.trust_bytes, now=START, reason="mine")
    return offered(forger, sign_trust(value, [own_root()]))


def two_of_three(forger: Forger) -> tuple[TrustRoot, list[Signer]]:
    """Return a trust file whose root is two of three keys, and these keys."""
    shop = forger.story.shop
    roots = [shop.keys.ec_key("root"), own_root(), own_root()]
    value = next_version(shop.trust_bytes, now=START, reason="three roots")
    value["root"] = root_entry([root.public_key() for root in roots], threshold=2)
    return TrustRoot.from_json(sign_trust(value, roots[:2])), roots


@forgery
def trust_file_signed_by_too_few_roots(forger: Forger) -> Forged:
    held, roots = two_of_three(forger)
    value = next_version(held.raw, now=START, reason="alone")
    TrustRoot.from_json(sign_trust(value, roots[:1]))
    return forger.hand_in(forger.files())


@forgery
def trust_file_whose_root_lowers_its_threshold(forger: Forger) -> Forged:
    """One root alone writes a file that asks for one: the older file's two must sign it."""
    held, roots = two_of_three(forger)
    value = next_version(held.raw, now=START, reason="alone")
    value["root"] = root_entry([roots[0].public_key()])
    check_chain_of_files([held, TrustRoot.from_json(sign_trust(value, roots[:1]))])
    return forger.hand_in(forger.files())


@forgery
def trust_file_signed_twice_by_one_root(forger: Forger) -> Forged:
    held, roots = two_of_three(forger)
    value = next_version(held.raw, now=START, reason="twice")
    TrustRoot.from_json(sign_trust(value, [roots[0], roots[0]]))
    return forger.hand_in(forger.files())


@forgery
def trust_file_with_another_reviewer(forger: Forger) -> Forged:
    value = parse_json(forger.story.shop.trust_bytes)
    value["roles"]["reviewer"].append(f"eve@{DOMAIN}")
    return Forged(forger.files(), TrustRoot.from_json(canonical_json(value)))


@forgery
def trust_file_that_opens_an_ended_key(forger: Forger) -> Forged:
    def end(value: dict[str, Any]) -> None:
        end_key(value, current_key(value, "ca").id, START)

    ended = edited(forger, end)
    value = next_version(forger.story.shop.trust_bytes, now=START, reason="open again")
    root = forger.story.shop.keys.ec_key("root")
    return offered(forger, ended, sign_trust({**value, "version": 3}, [root]))


@forgery
def trust_file_that_forgets_a_revocation(forger: Forger) -> Forged:
    """The key's end stays, the word that it was stolen goes."""
    shop = forger.shop()
    root = shop.keys.ec_key("root")
    shop.revoke("ca")
    value = next_version(shop.trust_bytes, now=START, reason="forget")
    value["revoked"] = []
    forged = sign_trust(value, [root])
    check_chain_of_files([shop.trust, TrustRoot.from_json(forged)])
    return forger.hand_in(forger.files())


@forgery
def trust_file_with_a_key_taken_out(forger: Forger) -> Forged:
    return offered(forger, edited(forger, lambda value: value["keys"].pop()))
