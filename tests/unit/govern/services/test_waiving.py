"""Waivers, with real signatures and a real log: two people, one set of terms, one end."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from govern.adapters.evidence_files import write_evidence
from govern.cli import ci
from govern.domain import predicates
from govern.domain.assembling import StatementIndex, load_admission, standing
from govern.domain.evidence import decision_value
from govern.domain.evidence_folder import make_folder
from govern.errors import (
    EvidenceError,
    ExpiredError,
    InvalidRequestError,
    NotFoundError,
    RefusedError,
)
from govern.policy.document import load_pack
from govern.services import approving, deciding, waiving
from govern.services.serving import evidence_statements
from govern.services.tracing import evidence_for, statements_about
from govern.services.waiving import Terms
from tests.conformance.dossier_workshop import (
    ADA,
    CARLA,
    CLEO,
    PRIYA,
    ROSA,
    SERVICE,
    TOMAS,
    Candidate,
    Workshop,
)

LAST_DAY = date(2026, 11, 30)
TERMS = Terms("test-pack", "accurate", "Numbers are small.", "Weekly review of denials.", LAST_DAY)


class Desk(Workshop):
    """A workshop with a candidate whose check fails, and the packs in use."""

    item: Candidate

    def grant(self, by: str, terms: Terms = TERMS) -> str:
        signed = waiving.grant(self.recorder, self.item.digest, [load_pack(self.pack)], terms, by=by)
        return str(signed.statement.predicate["terms"])

    def cosign(self, terms: str, by: str) -> None:
        waiving.cosign(self.recorder, self.item.digest, terms, by=by)

    def outcome(self) -> str:
        decision, self.item.decision = deciding.decide(
            self.recorder, self.item.digest, [load_pack(self.pack)], decider=SERVICE, requested_by=PRIYA
        )
        return decision.outcome

    def approved(self) -> None:
        assert self.outcome() == "allow"
        self.vote(self.item, ROSA)
        self.vote(self.item, TOMAS)

    def admitted(self, days: int) -> str:
        return approving.admit(
            self.recorder, self.item.digest, deployment="mortgage-approval", environment="production",
            upstream={}, days=days, admitted_by=PRIYA,
        ).digest  # fmt: skip

    def index(self) -> StatementIndex:
        return statements_about(self.recorder, self.item.digest)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    made = Desk(tmp_path)
    made.trace()
    made.item = made.candidate("forest")
    made.check(made.item, verdict="fail")
    return made


def test_one_grant_is_no_waiver_and_two_on_the_same_terms_are(desk: Desk) -> None:
    assert desk.outcome() == "deny"
    terms = desk.grant(CARLA)
    assert desk.outcome() == "deny"
    desk.cosign(terms, CLEO)
    assert desk.outcome() == "allow"
    assert desk.item.decision is not None
    value = decision_value(desk.item.decision)
    assert [rule["status"] for rule in value["rules"]] == ["waived", "pass"]
    assert [row["terms"] for row in value["waivers"]] == [terms]
    assert value["waivers"][0]["granted_by"] == [CARLA, CLEO]


def test_two_grants_on_other_terms_are_no_waiver(desk: Desk) -> None:
    desk.grant(CARLA)
    desk.grant(CLEO, Terms("test-pack", "accurate", "Numbers are small.", "Weekly review of denials.", date(2026, 12, 1)))
    assert desk.outcome() == "deny"


def test_taking_a_grant_away_never_makes_a_waiver_longer(desk: Desk) -> None:
    short, long = desk.grant(CARLA), desk.grant(CARLA, Terms("test-pack", "accurate", "r", "c", date(2026, 12, 30)))
    desk.cosign(short, CLEO)
    rows = {row["terms"]: row["granted_by"] for row in evidence_for(desk.recorder, desk.item.digest).waiver_rows()}
    assert rows == {short: [CARLA, CLEO], long: [CARLA]}


@pytest.mark.parametrize(
    ("by", "sentence"), [(ADA, "not in compliance"), (ROSA, "not in compliance"), (CARLA, "another person must")]
)
def test_who_may_not_cosign(desk: Desk, by: str, sentence: str) -> None:
    terms = desk.grant(CARLA)
    with pytest.raises(RefusedError, match=sentence):
        desk.cosign(terms, by)


def test_the_author_cannot_waive_even_with_the_role(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.conformance import dossier_workshop

    monkeypatch.setitem(dossier_workshop.ROLES, "compliance", [ADA, CARLA])
    desk = Desk(tmp_path)
    desk.trace()
    desk.item = desk.candidate("forest")
    desk.check(desk.item, verdict="fail")
    terms = desk.grant(CARLA)
    with pytest.raises(RefusedError, match="separation of duties"):
        desk.cosign(terms, ADA)
    predicate = desk.index().of_kind(predicates.WAIVER, desk.item.digest)[0].statement.predicate
    desk.record(predicates.WAIVER, desk.item, predicate, by=ADA)  # past the service, in the log
    assert desk.outcome() == "deny"


@pytest.mark.parametrize(
    ("terms", "error", "sentence"),
    [
        (Terms("test-pack", "closed", "r", "c", LAST_DAY), RefusedError, "cannot be waived"),
        (Terms("test-pack", "gone", "r", "c", LAST_DAY), InvalidRequestError, "no rule test-pack/gone"),
        (Terms("test-pack", "accurate", " ", "c", LAST_DAY), InvalidRequestError, "needs a reason"),
        (Terms("test-pack", "accurate", "r", "", LAST_DAY), InvalidRequestError, "needs a compensating control"),
        (Terms("test-pack", "accurate", "r" * 10_001, "c", LAST_DAY), InvalidRequestError, "at most 10000"),
        (Terms("test-pack", "accurate", "r", "c", date(2026, 11, 23)), InvalidRequestError, "last day"),
        (Terms("test-pack", "accurate", "r", "c", date(2028, 1, 1)), InvalidRequestError, "last day"),
    ],
)
def test_terms_that_do_not_fit(desk: Desk, terms: Terms, error: type[Exception], sentence: str) -> None:
    with pytest.raises(error, match=sentence):
        desk.grant(CARLA, terms)


@pytest.mark.parametrize(("day", "outcome"), [(30, "allow"), (31, "deny")])
def test_a_waiver_counts_on_its_last_day_and_not_after(desk: Desk, day: int, outcome: str) -> None:
    desk.cosign(desk.grant(CARLA), CLEO)
    desk.now = datetime(2026, 11, 1, 23, 50, tzinfo=UTC) + timedelta(days=day - 1)
    assert desk.outcome() == outcome


@pytest.mark.parametrize(
    ("moment", "alive"),
    [(datetime(2026, 11, 30, 23, 50, tzinfo=UTC), True), (datetime(2026, 12, 1, tzinfo=UTC), False)],
)
def test_the_end_bites_alike_in_ci_portal_and_gate(desk: Desk, tmp_path: Path, moment: datetime, alive: bool) -> None:
    desk.cosign(desk.grant(CARLA), CLEO)
    desk.approved()
    admitted = desk.admitted(days=90)
    admission = load_admission(desk.index(), admitted, desk.trust)
    files = make_folder(desk.item.digest, desk.index().by_digest.values(), {}, desk.now)
    write_evidence(tmp_path / "evidence", files)
    (tmp_path / "trust.json").write_bytes(desk.trust_bytes)
    (tmp_path / "packs" / "test-pack").mkdir(parents=True)
    (tmp_path / "packs" / "test-pack" / "policy.yaml").write_bytes(desk.pack)
    given = [str(tmp_path / "evidence"), "--trust", str(tmp_path / "trust.json"), "--policies", str(tmp_path / "packs")]
    in_ci = ci.main([*given, "--as-of", moment.date().isoformat(), "-o", f"json={tmp_path / 'out.json'}"])
    desk.now = moment
    (listed,) = waiving.listed(desk.recorder, desk.item.digest)
    try:
        admission.require_current(moment)  # what the gate asks on every request
        at_gate = True
    except ExpiredError:
        at_gate = False
    assert (in_ci == 0, listed["state"] == "in-force", at_gate) == (alive, alive, alive)
    assert alive or (in_ci, listed["state"]) == (1, "ended")


def test_an_admission_ends_with_the_waiver_that_it_rests_on(desk: Desk) -> None:
    desk.cosign(desk.grant(CARLA), CLEO)
    desk.approved()
    admission = desk.admitted(days=90)
    evidence = load_admission(desk.index(), admission, desk.trust)
    assert evidence.admission is not None
    assert evidence.admission.statement.predicate["expires_at"] == "2026-12-01T00:00:00Z"
    evidence.require_current(datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC))


def test_an_admission_that_outlives_its_waiver_is_refused_wherever_it_is_loaded(desk: Desk) -> None:
    desk.cosign(desk.grant(CARLA), CLEO)
    desk.approved()
    desk.admit(desk.item, days=30)
    assert desk.item.admission is not None
    with pytest.raises(EvidenceError, match="outlives a waiver that ends at 2026-12-01"):
        load_admission(desk.index(), desk.item.admission.digest, desk.trust)


def test_who_granted_the_waiver_cannot_approve_what_rests_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.conformance import dossier_workshop

    monkeypatch.setitem(dossier_workshop.ROLES, "compliance", [CARLA, ROSA])
    desk = Desk(tmp_path)
    desk.trace()
    desk.item = desk.candidate("forest")
    desk.check(desk.item, verdict="fail")
    desk.cosign(desk.grant(CARLA), ROSA)
    assert desk.outcome() == "allow"
    with pytest.raises(RefusedError, match="granted a waiver"):
        desk.vote(desk.item, ROSA)


def test_revoking_a_waiver_revokes_what_rests_on_it(desk: Desk) -> None:
    terms = desk.grant(CARLA)
    desk.cosign(terms, CLEO)
    desk.approved()
    admission = desk.admitted(days=3)
    found = desk.index().by_digest[admission]
    assert approving.admission_status(desk.recorder, found) == "active"
    before = desk.clock()
    revocation = waiving.revoke(desk.recorder, desk.item.digest, terms, reason="A complaint.", by=CLEO)
    assert revocation.statement.predicate["admissions"] == [admission]
    assert approving.admission_status(desk.recorder, found) == "revoked"
    assert standing(desk.index(), found, desk.trust, before) == "active"
    load_admission(desk.index(), admission, desk.trust)  # what was true then still loads
    assert desk.outcome() == "deny"
    with pytest.raises(RefusedError, match="revoked already"):
        waiving.revoke(desk.recorder, desk.item.digest, terms, reason="Again.", by=CLEO)
    with pytest.raises(RefusedError, match="terms were revoked"):
        desk.cosign(terms, CARLA)


def test_a_gate_loads_a_decision_made_after_a_revocation(desk: Desk) -> None:
    first = desk.grant(CARLA)
    desk.cosign(first, CLEO)
    waiving.revoke(desk.recorder, desk.item.digest, first, reason="Wrong date.", by=CARLA)
    desk.cosign(desk.grant(CARLA, Terms("test-pack", "accurate", "r", "c", LAST_DAY)), CLEO)
    desk.approved()
    admission = desk.admitted(days=3)
    evidence = load_admission(desk.index(), admission, desk.trust)
    shown = StatementIndex(evidence_statements(evidence, desk.index()))
    assert load_admission(shown, admission, desk.trust).digest == desk.item.digest


@pytest.mark.parametrize(("by", "reason", "sentence"), [(PRIYA, "r", "not in compliance"), (CARLA, " ", "needs a reason")])
def test_who_may_not_revoke(desk: Desk, by: str, reason: str, sentence: str) -> None:
    terms = desk.grant(CARLA)
    with pytest.raises(RefusedError, match=sentence):
        waiving.revoke(desk.recorder, desk.item.digest, terms, reason=reason, by=by)


def test_unknown_terms_are_not_found(desk: Desk) -> None:
    for act in (lambda: desk.cosign("sha256:" + "0" * 64, CARLA),
                lambda: waiving.revoke(desk.recorder, desk.item.digest, "x", reason="r", by=CARLA)):  # fmt: skip
        with pytest.raises(NotFoundError):
            act()


def test_the_list_says_how_each_waiver_stands(desk: Desk) -> None:
    one = desk.grant(CARLA)
    two = desk.grant(CARLA, Terms("test-pack", "accurate", "other", "c", LAST_DAY))
    desk.cosign(two, CLEO)
    three = desk.grant(CARLA, Terms("test-pack", "accurate", "third", "c", LAST_DAY))
    waiving.revoke(desk.recorder, desk.item.digest, three, reason="r", by=CLEO)
    states = {row["terms"]: row["state"] for row in waiving.listed(desk.recorder, desk.item.digest)}
    assert states == {one: "granted", two: "in-force", three: "revoked"}
    desk.now = datetime(2026, 12, 1, tzinfo=UTC)
    states = {row["terms"]: row["state"] for row in waiving.listed(desk.recorder, desk.item.digest)}
    assert states == {one: "ended", two: "ended", three: "revoked"}
