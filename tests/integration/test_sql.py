"""Records against a real SQLite file and a real PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlmodel import SQLModel

from govern.adapters.sql import engine as engines
from govern.adapters.sql import migrate
from govern.adapters.sql.records import Records
from govern.domain import predicates
from govern.errors import ConflictError, InvalidRequestError, StorageError
from govern.services.ports import Job
from tests.support.postgres import postgres
from tests.support.statements import Scribe, digest

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def postgres_url() -> Iterator[str]:
    with postgres() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def records(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Records]:
    if request.param == "postgresql":
        store = Records.open(request.getfixturevalue("postgres_url"), migrate=True)
        with store.writing() as session:
            for table in reversed(SQLModel.metadata.sorted_tables):
                session.execute(table.delete())
    else:
        store = Records.open(tmp_path / "govern.db", migrate=True)
    yield store
    store.close()


def test_the_migrations_make_exactly_the_tables(records: Records) -> None:
    with records.engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, SQLModel.metadata) == []


def test_migrating_again_from_another_folder_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    url = engines.sqlite_url(tmp_path / "a folder" / "x.db")
    (tmp_path / "a folder").mkdir()
    migrate.upgrade(url)
    migrate.upgrade(url)
    config = Config()
    config.set_main_option("script_location", str(migrate.migrations_folder()))
    head = ScriptDirectory.from_config(config).get_current_head()
    assert migrate.current_revision(engines.open_engine(url)) == head
    assert migrate.head_revision() == head, "write the new head into migrations/.current-head"


def test_a_database_without_tables_is_refused_unless_asked_to_migrate(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="govern log reindex"):
        Records.open(tmp_path / "empty.db")


def test_other_databases_are_refused() -> None:
    with pytest.raises(InvalidRequestError, match="got mysql"):
        engines.open_engine("mysql://x/y")
    with pytest.raises(InvalidRequestError, match="cannot be read"):
        engines.open_engine("nonsense")


def test_a_statement_comes_back_as_the_exact_bytes_and_twice_is_once(records: Records) -> None:
    item = Scribe().candidate("alpha")
    records.put_statement(item)
    records.put_statement(item)
    assert records.bundle(item.digest) == item.bundle
    assert records.bundles() == [item.bundle]
    assert records.bundles_by_subject(digest("alpha")) == [item.bundle]
    assert records.bundles(predicates.SVR) == []
    assert records.statement(digest("nothing")) is None


def story(scribe: Scribe, name: str = "alpha", outcome: str = "allow") -> str:
    """Write candidate, decision, approval and admission; return the admission's digest."""
    scribe.candidate(name)
    decision = scribe.write(
        predicates.SVR, digest(name), {"govern": {"outcome": outcome}}, signer="govern@bank.example"
    )
    scribe.write(
        predicates.APPROVAL,
        digest(name),
        {
            "decision": decision.digest,
            "approver": "rosa@bank.example",
            "vote": "approve",
            "comment": "read it",
            "approved_at": "2026-11-24T02:10:00Z",
        },
        signer="rosa@bank.example",
    )
    return scribe.write(
        predicates.ADMISSION,
        digest(name),
        {
            "deployment": "mortgage-approval",
            "environment": "production",
            "candidate": decision.digest,
            "decision": decision.digest,
            "admitted_by": "priya@bank.example",
            "admitted_at": "2026-11-24T02:20:00Z",
            "not_before": "2026-11-24T02:20:00Z",
            "expires_at": "2026-12-24T02:20:00Z",
        },
        signer="priya@bank.example",
    ).digest


def change(scribe: Scribe, kind: str, admission: str) -> None:
    scribe.write(kind, digest("alpha"), {"admission": admission}, signer="priya@bank.example")


def test_the_index_follows_the_statements_and_can_be_rebuilt(records: Records) -> None:
    scribe = Scribe()
    admission = story(scribe)
    change(scribe, predicates.SUSPENSION, admission)
    for item in scribe.made:
        records.put_statement(item)
    before = (records.list_candidates(), records.list_admissions())
    assert before[0].rows[0].status == "suspended"
    assert before[1][0].status == "suspended"
    assert before[1][0].candidate == digest("alpha")
    assert records.reindex(reversed(scribe.made)) == len(scribe.made)
    assert (records.list_candidates(), records.list_admissions()) == before


def test_a_revocation_is_final(records: Records) -> None:
    scribe = Scribe()
    admission = story(scribe)
    for kind in (predicates.REVOCATION, predicates.REINSTATEMENT):
        change(scribe, kind, admission)
    records.reindex(scribe.made)
    assert records.list_admissions()[0].status == "revoked"
    candidate = records.candidate(digest("alpha"))
    assert candidate is not None
    assert candidate.status == "allow"


def test_a_newer_decision_voids_the_open_request(records: Records) -> None:
    scribe = Scribe()
    first = scribe.candidate("alpha")
    records.put_statement(first)
    request = records.add_request(
        candidate=digest("alpha"),
        decision=digest("old decision"),
        decision_digest=digest("value"),
        requested_by="ada@bank.example",
        requested_at="2026-11-24T02:05:00Z",
        tier="high",
    )
    story(scribe)
    records.put_statement(scribe.made[2])
    found = records.request(request)
    assert found is not None
    assert found.state == "void"


def test_inventory_search_sort_and_pages(records: Records) -> None:
    scribe = Scribe()
    for number in range(12):
        tier = "high" if number % 2 else "low"
        scribe.candidate(f"model-{number:02}_x", risk_tier=tier, owner=f"o{number}@bank.example")
    records.reindex(scribe.made)
    page = records.list_candidates("MODEL", tier="high", sort="-name", page=2, size=4)
    assert (page.total, [row.name for row in page.rows]) == (6, ["model-03_x", "model-01_x"])
    assert records.list_candidates("%").total == 0
    assert records.list_candidates("l_0").total == 0
    assert records.list_candidates(digest("model-03_x")[:20]).total == 1
    with pytest.raises(InvalidRequestError):
        records.list_candidates(sort="digest; drop table")
    with pytest.raises(InvalidRequestError):
        records.list_candidates(page=0)


def test_a_job_is_leased_once_and_taken_over_when_the_lease_runs_out(records: Records) -> None:
    job_id = records.add_job("check", {"name": "fairness"}, candidate=digest("a"), now=NOW)
    first = records.claim_job(["check"], "one", lease_seconds=30, now=NOW)
    assert first is not None
    assert (first.id, first.attempt) == (job_id, 1)
    assert first.payload == {"name": "fairness"}
    assert records.claim_job(["check"], "two", lease_seconds=30, now=NOW) is None
    assert records.claim_job(["other"], "two", lease_seconds=30, now=NOW) is None
    later = NOW + timedelta(seconds=31)
    second = records.claim_job(["check"], "two", lease_seconds=30, now=later)
    assert second is not None
    assert second.attempt == 2
    assert not records.complete_job(first, {"digest": "x"})
    assert not records.beat_job(first, lease_seconds=30)
    assert records.beat_job(second, lease_seconds=30, done=3, total=7, now=later)
    assert records.complete_job(second, {"digest": "y"}, now=later)
    done = records.job(job_id)
    assert done is not None
    assert done.state == "done"
    assert done.result == {"digest": "y"}
    assert (done.progress_done, done.progress_total) == (3, 7)


def test_a_job_whose_workers_all_die_is_failed_with_a_reason(records: Records) -> None:
    job_id, now = records.add_job("check", {}, now=NOW), NOW
    for _ in range(3):
        assert records.claim_job(["check"], "w", lease_seconds=10, now=now) is not None
        now += timedelta(seconds=11)
    assert records.claim_job(["check"], "w", lease_seconds=10, now=now) is None
    assert records.reap_jobs(now=now) == [job_id]
    job = records.job(job_id)
    assert job is not None
    assert job.state == "failed"
    assert "3 attempts" in (job.error or "")


def test_a_cancelled_job_cannot_be_completed(records: Records) -> None:
    records.add_job("check", {}, now=NOW)
    job = records.claim_job(["check"], "w", lease_seconds=10, now=NOW)
    assert job is not None
    assert records.cancel_job(job.id)
    assert not records.complete_job(job)
    assert not records.cancel_job(job.id)


def test_many_workers_never_share_a_job(records: Records) -> None:
    ids = {records.add_job("check", {"n": n}) for n in range(24)}
    taken: list[str] = []

    def work(owner: str) -> None:
        while (job := records.claim_job(["check"], owner, lease_seconds=60)) is not None:
            taken.append(job.id)

    threads = [threading.Thread(target=work, args=(f"w{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(taken) == sorted(ids)


def test_one_open_request_per_decision_and_its_talk(records: Records) -> None:
    fields = {
        "candidate": digest("a"),
        "decision": digest("d"),
        "decision_digest": digest("v"),
        "requested_by": "ada@bank.example",
        "requested_at": "2026-11-24T02:00:00Z",
        "tier": "high",
    }
    request = records.add_request(**fields)
    with pytest.raises(ConflictError, match="open already"):
        records.add_request(**fields)
    records.add_message(request, author="r@b.example", kind="question", text="why?", at="t")
    assert [item.text for item in records.messages_for(request)] == ["why?"]
    with pytest.raises(InvalidRequestError):
        records.add_message(request, author="r@b.example", kind="question", text=" ", at="t")
    records.note_evidence_opened(request, email="r@b.example", statement=digest("s"), at="1")
    records.note_evidence_opened(request, email="r@b.example", statement=digest("s"), at="2")
    assert records.evidence_opened(request, "r@b.example") == {digest("s"): "1"}
    assert records.set_request_state(request, "withdrawn")
    assert not records.set_request_state(request, "approved")


def test_snapshot_versions_grow_only_with_a_change(records: Records) -> None:
    versions = [records.next_snapshot_version(digest(name), "t") for name in "aabb"]
    assert versions == [1, 1, 2, 2]
    assert records.next_snapshot_version(digest("a"), "t") == 3


def test_sign_in_counts_locks_and_forgets(records: Records) -> None:
    person = records.put_person(
        "Rosa@Bank.Example", name="Rosa", roles=["reviewer"], password="correct horse"
    )
    assert person.email == "rosa@bank.example"
    assert records.sign_in("rosa@bank.example", "correct horse", now=NOW) is not None
    assert records.sign_in("nobody@bank.example", "correct horse", now=NOW) is None
    for _ in range(10):
        assert records.sign_in("rosa@bank.example", "wrong password", now=NOW) is None
    assert records.sign_in("rosa@bank.example", "correct horse", now=NOW) is None
    later = NOW + timedelta(minutes=16)
    assert records.sign_in("rosa@bank.example", "correct horse", now=later) is not None


def test_people_rules(records: Records) -> None:
    with pytest.raises(InvalidRequestError, match="unknown role"):
        records.put_person("a@b.example", name="A", roles=["god"])
    with pytest.raises(InvalidRequestError, match="12 to 200"):
        records.put_person("a@b.example", name="A", roles=[], password="short")
    records.create_first_admin("a@b.example", name="A", password="twelve letters")
    with pytest.raises(ConflictError, match="set up already"):
        records.create_first_admin("c@b.example", name="C", password="twelve letters")


def test_a_token_works_until_it_expires_or_is_revoked(records: Records) -> None:
    records.put_person("a@b.example", name="A", roles=["author"])
    token, secret = records.add_token("a@b.example", name="ci", scopes=["read"], days=1, now=NOW)
    found = records.token_owner(secret, now=NOW)
    assert found is not None
    assert found[0].email == "a@b.example"
    assert found[1].scopes == ("read",)
    assert records.token_owner(secret + "x", now=NOW) is None
    assert records.token_owner(secret, now=NOW + timedelta(days=2)) is None
    assert not records.revoke_token(token.id, email="c@b.example")
    assert records.revoke_token(token.id, email="a@b.example")
    assert records.token_owner(secret, now=NOW) is None


def shards_of(records: Records, count: int = 2) -> tuple[str, list[Job]]:
    """A check cut into shards, all of them leased."""
    job_id = records.add_job("check", {"check": "fairness"}, candidate=digest("a"), now=NOW)
    job = records.claim_job(["check"], "w", lease_seconds=10, now=NOW)
    assert job is not None
    payloads = [{"piece": "answers", "low": at, "high": at + 1, "evaluations": 1} for at in range(count)]
    assert records.split_job(job, "shard", payloads, count)
    assert not records.split_job(job, "shard", payloads, count)  # it is nobody's now
    assert records.claim_job(["check"], "w", lease_seconds=10, now=NOW) is None
    leased = [records.claim_job(["shard"], "w", lease_seconds=10, now=NOW) for _ in range(count)]
    assert records.claim_job(["shard"], "w", lease_seconds=10, now=NOW) is None
    return job_id, [one for one in leased if one is not None]


def test_a_shard_is_counted_once_and_the_last_one_queues_its_job(records: Records) -> None:
    job_id, (first, second) = shards_of(records)
    late = NOW + timedelta(seconds=11)
    again = records.claim_job(["shard"], "other", lease_seconds=10, now=late)
    assert again is not None and (again.id, again.attempt) == (first.id, 2)
    assert records.complete_shard(again, b"one")
    assert not records.complete_shard(again, b"one") and not records.complete_shard(first, b"late")
    waiting = records.job(job_id)
    assert waiting is not None and (waiting.state, waiting.shards_left, waiting.progress_done) == ("split", 1, 1)
    assert [one.id for one in records.list_jobs()] == [job_id]
    assert records.complete_shard(second, b"two")
    assert [one.answer for one in records.shard_answers(job_id)] == [b"one", b"two"]
    taken = records.claim_job(["check"], "w", lease_seconds=10, now=late)
    assert taken is not None and (taken.attempt, taken.shards_left, taken.progress_done) == (2, 0, 2)
    assert records.complete_job(taken, {}) and records.shards(job_id) == []


def test_a_shard_that_cannot_be_answered_queues_its_job_at_once(records: Records) -> None:
    job_id, (first, second) = shards_of(records)
    assert records.fail_shard(first, "the candidate failed")
    assert not records.complete_shard(second, b"late")
    assert [one.error for one in records.shard_answers(job_id)] == ["the candidate failed"]
    assert records.claim_job(["check"], "w", lease_seconds=10, now=NOW) is not None


def test_a_shard_whose_workers_all_die_fails_its_job(records: Records) -> None:
    job_id, _ = shards_of(records, 1)
    now = NOW
    for _ in range(2):
        now += timedelta(seconds=11)
        assert records.claim_job(["shard"], "w", lease_seconds=10, now=now) is not None
    assert len(records.reap_jobs(now=now + timedelta(seconds=11))) == 1
    job = records.job(job_id)
    assert job is not None and job.state == "failed" and "3 attempts" in (job.error or "")
    assert records.shards(job_id) == []


def test_cancelling_a_cut_job_forgets_its_shards(records: Records) -> None:
    job_id, (first, _) = shards_of(records)
    assert records.cancel_job(job_id) and records.shards(job_id) == []
    assert not records.beat_job(first, lease_seconds=10) and not records.complete_shard(first, b"x")
    assert not records.cancel_job(job_id)
