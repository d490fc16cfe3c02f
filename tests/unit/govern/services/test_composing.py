"""Compositions, with real signatures and a real log: admitted only while every member is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from govern.domain import predicates
from govern.domain.assembling import StatementIndex, load_admission, standing
from govern.domain.snapshot import Route, make_snapshot, open_snapshot
from govern.errors import EvidenceError, GovernError, MalformedError, RefusedError
from govern.services import approving
from govern.services.serving import snapshot_document
from govern.services.tracing import statements_about
from govern.transparency.digest import digest_of
from govern.transparency.encoding import parse_time
from govern.verifier.decisions import require_standing
from tests.conformance.dossier_workshop import PRIYA, ROSA, TOMAS, Candidate, Workshop, prepare

pytestmark = pytest.mark.unit


class Composer(Workshop):
    """A workshop with one admitted model, the member, and another that serves with it."""

    def approved(self, name: str) -> Candidate:
        item = self.candidate(name)
        self.check(item)
        self.decide(item)
        self.vote(item, ROSA)
        self.vote(item, TOMAS)
        return item

    def compose(self, item: Candidate, *members: Any, days: int = 10, deployment: str = "pipeline") -> str:
        item.admission = approving.admit(
            self.recorder, item.digest, deployment=deployment, environment="production",
            upstream={"kind": "oip", "members": list(members)}, days=days, admitted_by=PRIYA,
        )  # fmt: skip
        return item.admission.digest

    def routes(self) -> dict[str, Route]:
        document = snapshot_document(self.recorder, self.keys.ed25519_key("snapshot"))
        return dict(open_snapshot(document, self.trust, self.now).routes)

    def index(self) -> StatementIndex:
        return StatementIndex(self.store.items)


@pytest.fixture
def shop(tmp_path: Path) -> Composer:
    return Composer(tmp_path)


def test_a_composition_serves_while_its_member_does(shop: Composer) -> None:
    member = prepare(shop)
    whole = shop.approved("whole")
    digest = shop.compose(whole, member.admission.digest)
    assert shop.routes()["pipeline"].status == "active"
    assert shop.routes()["pipeline"].members == (member.admission.digest,)
    for kind, status in ((predicates.SUSPENSION, "suspended"), (predicates.REINSTATEMENT, "active"),
                         (predicates.REVOCATION, "revoked")):  # fmt: skip
        shop.end(member, kind)
        assert shop.routes()["pipeline"].status == status
        assert approving.admission_status(shop.recorder, whole.admission) == status
        assert standing(shop.index(), whole.admission, shop.trust, shop.now) == status, "the verifier's question"
    with pytest.raises(GovernError, match="revoked"):
        require_standing(shop.index(), whole.admission, shop.trust, shop.now)
    assert digest == whole.admission.digest


def test_a_composition_ends_with_its_first_member(shop: Composer) -> None:
    member = prepare(shop)
    whole = shop.approved("whole")
    shop.compose(whole, member.admission.digest, days=365)
    ends = [parse_time(item.admission.statement.predicate["expires_at"]) for item in (member, whole)]
    assert ends[0] == ends[1]


def test_a_member_that_was_admitted_anew_does_not_break_the_snapshot(shop: Composer) -> None:
    member = prepare(shop)
    whole = shop.approved("whole")
    shop.compose(whole, member.admission.digest)
    shop.admit(member, days=60)
    routes = shop.routes()
    assert routes["mortgage-approval"].admission == member.admission.digest
    assert routes["pipeline"].status == "active", "the admission it quotes still stands"


def _suspended(shop: Composer, member: Candidate) -> list[Any]:
    shop.end(member, predicates.SUSPENSION)
    return [member.admission.digest]


def _ended(shop: Composer, member: Candidate) -> list[Any]:
    shop.now += timedelta(days=31)
    return [member.admission.digest]


def _nested(shop: Composer, member: Candidate) -> list[Any]:
    inner = shop.approved("inner")
    return [shop.compose(inner, member.admission.digest, deployment="inner")]


REFUSED: dict[str, Callable[[Composer, Candidate], list[Any]]] = {
    "suspended": _suspended,
    "expired": _ended,
    "a composition": _nested,
    "no admission": lambda shop, member: [member.statement.digest],
    "unknown": lambda shop, member: [digest_of(b"x")],
    "no digest": lambda shop, member: [7],
    "twice": lambda shop, member: [member.admission.digest] * 2,
    "too many": lambda shop, member: [member.admission.digest] * 17,
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_not_admitted_cannot_be_composed(shop: Composer, what: str) -> None:
    member = prepare(shop)
    members = REFUSED[what](shop, member)
    whole = shop.approved("whole")
    before = len(shop.store.items)
    with pytest.raises((RefusedError, EvidenceError)):
        shop.compose(whole, *members)
    assert len(shop.store.items) == before, "nothing was recorded"


def test_probes_that_no_gate_could_read_are_not_signed(shop: Composer) -> None:
    prepare(shop)
    whole = shop.approved("whole")
    with pytest.raises(MalformedError, match="probes"):
        approving.admit(
            shop.recorder, whole.digest, deployment="d", environment="production",
            upstream={"kind": "oip", "probes": {"items": []}}, days=1, admitted_by=PRIYA,
        )  # fmt: skip


@pytest.mark.parametrize("forgery", ["missing", "nested", "outlived", "no list"])
def test_attack_an_admission_that_quotes_members_falsely_is_no_evidence(shop: Composer, forgery: str) -> None:
    """Who holds the platform key writes the statement past the service's checks."""
    member = prepare(shop)
    whole = shop.approved("whole")
    members: Any = [member.admission.digest]
    days = 10
    if forgery == "nested":
        members = [shop.compose(shop.approved("inner"), *members, deployment="inner")]
    elif forgery == "missing":
        members = [digest_of(b"none")]
    elif forgery == "outlived":
        days = 90
    elif forgery == "no list":
        members = "all"
    shop.admit(whole, days=days, deployment="pipeline", upstream={"kind": "oip", "members": members})
    with pytest.raises(EvidenceError):
        load_admission(shop.index(), whole.admission.digest, shop.trust)


def test_attack_a_snapshot_that_hides_a_members_suspension_does_not_open_the_route(shop: Composer) -> None:
    member = prepare(shop)
    whole = shop.approved("whole")
    shop.compose(whole, member.admission.digest)
    entries = [
        {"deployment": "mortgage-approval", "admission": member.admission.digest, "status": "suspended"},
        {"deployment": "pipeline", "admission": whole.admission.digest, "status": "active"},
    ]
    bundles = [item.bundle for item in shop.store.items]
    key = shop.keys.ed25519_key("snapshot")
    made = make_snapshot(version=1, entries=entries, bundles=bundles, key=key, now=shop.now, lifetime_seconds=60)
    assert open_snapshot(made, shop.trust, shop.now).routes["pipeline"].status == "suspended"
    mine = [item.bundle for item in statements_about(shop.recorder, whole.digest).by_digest.values()
            if item.digest != member.admission.digest]  # fmt: skip
    short = make_snapshot(version=1, entries=entries[1:], bundles=mine, key=key, now=shop.now, lifetime_seconds=60)
    with pytest.raises(EvidenceError, match="missing"):
        open_snapshot(short, shop.trust, shop.now)
