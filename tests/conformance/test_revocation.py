"""After a key was revoked: what it signed before counts, what it signed later is named."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from dossier_workshop import (
    ADA,
    NADIA,
    PACK,
    ROSA,
    TOMAS,
    Candidate,
    Workshop,
    answers,
    prepare,
    prepare_second,
)
from forging import begin, finish

from govern.adapters.sql.records import Records
from govern.domain import predicates
from govern.domain.assembling import StatementIndex, load_admission, load_candidate, standing
from govern.domain.snapshot import open_snapshot
from govern.errors import ExpiredError, RevokedKeyError, UntrustedSignerError
from govern.services.approving import admission_status
from govern.services.exporting import admitted_layouts
from govern.services.indexing import rebuild
from govern.services.remembering import recorded_decisions
from govern.services.serving import snapshot_document
from govern.services.tracing import statements_about
from govern.transparency.canonical import parse_json
from govern.transparency.trust_file import current_key
from govern.transparency.verify import verify_bundle
from govern.verifier.dossier import verify_dossier
from govern.verifier.what import verify_statement

pytestmark = pytest.mark.conformance
ROLES = ["ca", "ct", "tsa", "lineage-log"]


@pytest.mark.parametrize("sealed", ["before", "after"])
@pytest.mark.parametrize("role", ROLES)
def test_what_was_signed_before_the_revocation_still_verifies(
    role: str, sealed: str, tmp_path: Path
) -> None:
    shop = Workshop(tmp_path)
    item = prepare(shop)
    answers(shop, item)
    files = shop.dossier([item]) if sealed == "before" else {}
    shop.revoke(role)
    proved = verify_dossier(files or shop.dossier([item]), shop.trust)
    assert proved.counts["admissions"] == 1 and "void" not in proved.counts


@pytest.mark.parametrize("role", ROLES)
def test_a_void_statement_is_named_and_the_rest_verifies(role: str, tmp_path: Path) -> None:
    """A vote falls between theft and its discovery; voted again, the model is admitted anew."""
    shop = Workshop(tmp_path)
    item = begin(shop)
    since = shop.now
    shop.record_vote(item, ROSA)
    shop.revoke(role, since=since)
    (lost,) = shop.recorder.void()
    assert lost.signer == ROSA and "was revoked as of" in lost.void
    with pytest.raises(RevokedKeyError):
        verify_bundle(lost.bundle, shop.trust)
    assert shop.recorder.about(item.digest)[-1].kind != predicates.APPROVAL
    item.votes.clear()
    for by in (TOMAS, NADIA):
        shop.record_vote(item, by)
    shop.admit(item)
    proved = verify_dossier(shop.dossier([item]), shop.trust)
    assert proved.counts["admissions"] == 1 and proved.counts["void"] == 1
    assert any("counts for nothing" in text and ROSA in text for text in proved.unproved)


def test_an_admission_that_rests_on_a_void_vote_serves_no_more(tmp_path: Path) -> None:
    shop = Workshop(tmp_path)
    item = begin(shop)
    since = shop.now
    finish(shop, item)
    assert item.admission is not None
    shop.revoke("ca", since=since)
    index = statements_about(shop.recorder, item.digest)
    with pytest.raises(RevokedKeyError, match="was revoked"):
        load_admission(index, item.admission.digest, shop.trust)
    document = snapshot_document(shop.recorder, shop.keys.ed25519_key("snapshot"))
    assert item.admission.digest.encode() not in document
    assert admitted_layouts(shop.recorder, shop.keys.sign_layout) == {}
    assert list(recorded_decisions(StatementIndex(shop.recorder.every()), shop.trust))
    assert admission_status(shop.recorder, item.admission) == "revoked"


def test_the_tables_show_an_admission_that_rests_on_void_votes_as_void(tmp_path: Path) -> None:
    shop = Workshop(tmp_path / "shop")
    item, old = begin(shop), current_key(parse_json(shop.trust_bytes), "ca").id
    since = shop.now
    for by in (ROSA, TOMAS):
        shop.record_vote(item, by)
    shop.rotate("ca")
    shop.admit(item)
    records = Records.open(tmp_path / "govern.db", migrate=True)
    rebuild(shop.log, records, shop.trust)
    assert [row.status for row in records.list_admissions()] == ["active"]
    shop.revoke(old, since=since)
    rebuild(shop.log, records, shop.trust)
    assert [row.status for row in records.list_admissions()] == ["void"]
    assert [row.status for row in records.list_candidates().rows] == ["allow"]
    records.close()


def test_a_void_admission_does_not_bring_back_the_one_before(tmp_path: Path) -> None:
    shop = Workshop(tmp_path)
    first = prepare(shop)
    since = shop.now
    prepare_second(shop)
    assert first.admission is not None
    shop.revoke("ca", since=since)
    document = snapshot_document(shop.recorder, shop.keys.ed25519_key("snapshot"))
    snapshot = open_snapshot(document, shop.trust, shop.clock())
    assert not snapshot.routes
    again = Workshop(tmp_path / "unrevoked")
    prepare(again)
    prepare_second(again)
    document = snapshot_document(again.recorder, again.keys.ed25519_key("snapshot"))
    assert open_snapshot(document, again.trust, again.clock()).routes


def test_a_decision_that_read_a_void_check_is_void(tmp_path: Path) -> None:
    """The check falls between theft and discovery, the decision under the next key after it."""
    shop = Workshop(tmp_path)
    shop.trace()
    item = shop.candidate("forest")
    stolen, since = shop.keys.record("ca").id, shop.now
    shop.check(item)
    shop.rotate("ca")
    shop.decide(item)
    finish(shop, item)
    shop.revoke(stolen, since=since)
    assert [lost.kind for lost in shop.recorder.void()] == [predicates.TEST_RESULT]
    with pytest.raises(RevokedKeyError, match="the decision rests on the check"):
        verify_dossier(shop.dossier([item]), shop.trust)


def test_a_void_decision_is_named_and_the_one_made_again_counts(tmp_path: Path) -> None:
    shop = Workshop(tmp_path)
    shop.trace()
    item = shop.candidate("forest")
    stolen, since = shop.keys.record("ca").id, shop.now
    shop.check(item)
    shop.rotate("ca")
    shop.decide(item)
    shop.revoke(stolen, since=since)
    shop.check(item)
    shop.decide(item)
    finish(shop, item)
    proved = verify_dossier(shop.dossier([item]), shop.trust)
    assert (proved.counts["decisions"], proved.counts["admissions"]) == (1, 1)
    assert any("the decision rests on the check" in text for text in proved.unproved)


def test_nothing_is_admitted_on_a_void_check_that_found_a_fault(tmp_path: Path) -> None:
    """It stands against the model; people who review it anyway do so on a check that counts."""
    shop = Workshop(tmp_path, pack=PACK.replace(b"severity: deny", b"severity: review"))
    shop.trace()
    item = shop.candidate("forest")
    since = shop.now
    shop.check(item, verdict="fail")
    shop.revoke("ca", since=since)
    shop.decide(item)
    finish(shop, item)
    with pytest.raises(RevokedKeyError, match="the admission rests on the check"):
        verify_dossier(shop.dossier([item]), shop.trust)


def test_a_void_registration_hides_the_older_one(tmp_path: Path) -> None:
    """A narrower intended use, written between theft and discovery, is not undone by it."""
    shop = Workshop(tmp_path)
    item = begin(shop)
    since = shop.now
    card = {**item.statement.statement.predicate, "intended_use": "small loans only"}
    shop.record(predicates.CANDIDATE, item, card, by=ADA)
    shop.revoke("ca", since=since)
    index = statements_about(shop.recorder, item.digest)
    with pytest.raises(RevokedKeyError, match="the candidate's registration"):
        load_candidate(index, item.digest, shop.trust)


def test_a_candidate_is_registered_and_checked_anew_after_all_of_it_became_void(
    tmp_path: Path,
) -> None:
    shop = Workshop(tmp_path)
    shop.trace()
    since = shop.now
    shop.check(shop.candidate("forest"), verdict="fail")
    shop.revoke("ca", since=since)
    again = shop.candidate("forest")
    shop.check(again)
    evidence = load_candidate(
        statements_about(shop.recorder, again.digest), again.digest, shop.trust
    )
    assert evidence.checks["performance"].statement.predicate["govern"]["verdict"] == "pass"
    assert not any(item.void for item in evidence.statements())


def test_a_statement_alone_cannot_show_that_it_was_not_dated_back(tmp_path: Path) -> None:
    shop = Workshop(tmp_path)
    item = begin(shop)
    shop.revoke("tsa")
    proved = verify_statement(item.statement.bundle, shop.trust)
    assert any("not dated back" in text for text in proved.unproved)
    shop.revoke("ca")
    assert verify_statement(item.statement.bundle, shop.trust).sentences


Against = Callable[[Workshop, Candidate], None]


def suspend(shop: Workshop, item: Candidate) -> None:
    shop.end(item, predicates.SUSPENSION)


def revoke(shop: Workshop, item: Candidate) -> None:
    shop.end(item, predicates.REVOCATION)


@pytest.mark.parametrize(("act", "state"), [(suspend, "suspended"), (revoke, "revoked")])
def test_revoking_a_key_lifts_no_suspension(act: Against, state: str, tmp_path: Path) -> None:
    """Losing evidence never helps: what speaks against a model stands, though it is void."""
    shop = Workshop(tmp_path)
    item = prepare(shop)
    answers(shop, item)
    since = shop.now
    act(shop, item)
    shop.revoke("ca", since=since)
    assert item.admission is not None
    index = statements_about(shop.recorder, item.digest)
    assert standing(index, item.admission, shop.trust, shop.clock()) == state
    files = shop.dossier([item])
    assert any("against the model" in text for text in verify_dossier(files, shop.trust).unproved)
    with pytest.raises(ExpiredError):
        verify_dossier(files, shop.trust, shop.clock())


def test_a_void_rejection_stands_and_a_void_failed_check_is_the_newest(tmp_path: Path) -> None:
    shop = Workshop(tmp_path)
    item = begin(shop)
    since = shop.now
    shop.record_vote(item, ROSA, vote="reject")
    shop.check(item, verdict="fail")
    shop.revoke("ca", since=since)
    index = statements_about(shop.recorder, item.digest)
    (vote,) = index.of_kind(predicates.APPROVAL, item.digest)
    assert vote.void and vote.statement.predicate["vote"] == "reject"
    assert index.of_kind(predicates.TEST_RESULT, item.digest)[-1].void


def test_what_a_rotated_key_signs_later_is_refused_loudly(tmp_path: Path) -> None:
    """No revocation explains it, so no reader skips it."""
    shop = Workshop(tmp_path)
    item = begin(shop)
    thief = shop.rotate("ca")
    shop.now += timedelta(hours=1)
    from forgeries_keys import approval_of

    from govern.transparency.statement import make_statement

    vote = make_statement(predicates.APPROVAL, [(item.name, item.digest)], approval_of(item, ROSA))
    bundle = shop.smuggle(*thief.sign(vote, ROSA, shop.clock()))
    with pytest.raises(UntrustedSignerError, match="was not valid at"):
        shop.recorder.verified(bundle)
