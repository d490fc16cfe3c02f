"""Server time of the portal's pages with 100,000 candidates and as many statements.

Records of gates are in no table: the pages read a gate's published checkpoint, whose size
here is 10 million.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from govern.adapters.sql.records import Records
from govern.adapters.sql.searching import terms_of
from govern.adapters.sql.tables import (
    CandidateTable,
    CandidateTermTable,
    StatementTable,
    SubjectTable,
)
from govern.adapters.sql.timing import Queries
from govern.web import timing
from govern.web.app import create_app
from govern.web.config import WebSettings
from tests.support import world
from tests.support.postgres import postgres
from tests.support.statements import digest

CANDIDATES, CHUNK, ROUNDS = 100_000, 10_000, 9
RECORDS = 10_000_000
STATES = ("registered", "checked", "deny", "review", "allow", "admitted")


def bench_pages() -> list[dict[str, Any]]:
    timing.LOG.setLevel("ERROR")  # the table names the slowest query
    with tempfile.TemporaryDirectory() as folder:
        rows = [_measure("portal.page_p50_ms", Path(folder), None)]
    with postgres() as url, tempfile.TemporaryDirectory() as folder:
        rows.append(_measure("portal.page_p50_ms_postgres", Path(folder), url))
    return rows


def _measure(name: str, home: Path, url: str | None) -> dict[str, Any]:
    services = world.build(home, url)
    _fill(services.records)
    _gate(home)
    app = create_app(services, WebSettings(b"k" * 32, home, cookie_secure=False))
    client = app.test_client()
    client.get("/sign-in")
    with client.session_transaction() as session:
        form = {"csrf": session["csrf"], "email": world.mail("rosa"), "password": world.PASSWORD}
    assert client.post("/sign-in", data=form).status_code == 302
    request = services.records.list_requests()[0].id
    found = {path: _median(client, path) for path in _pages(request)}
    services.records.close()
    worst = max(found, key=lambda path: found[path][0])
    where = "SQLite" if url is None else "PostgreSQL"
    slow = found[worst][1]
    print(f"  {where}: slowest query of {worst}: {slow.slowest_seconds * 1000:.1f} ms, {slow.slowest[:160]}")
    for path in sorted(found, key=lambda path: -found[path][0]):
        print(f"    {found[path][0]:7.1f} ms  {path}")
    return {"name": name, "value": found[worst][0], "unit": "ms", "goal": "<=50",
            "against": f"median of the slowest page, {worst}, {where}, {CANDIDATES:,} candidates",
            "rounds": [round(value, 2) for value, _ in found.values()]}  # fmt: skip


def _pages(request: str) -> Iterator[str]:
    yield from ("/", "/candidates", "/candidates?page=1900", "/candidates?sort=name", "/candidates?sort=owner&page=900")
    yield from ("/candidates?q=model-77", "/candidates?q=nobody-has-this", "/candidates?status=review&tier=high")
    yield from (f"/candidates/{digest('mortgage-approval')}", "/approvals", f"/approvals/{request}")
    yield from ("/deployments", "/log", "/log?kind=candidate&before=50000", "/packs", "/reports", "/account")


def _median(client: Any, path: str) -> tuple[float, Queries]:
    took, queries = [], Queries()
    for _ in range(ROUNDS):
        started = time.perf_counter()
        with client:
            answer = client.get(path)
            assert answer.status_code == 200, path
            from flask import g

            queries = g.queries
        took.append((time.perf_counter() - started) * 1000)
    return statistics.median(took), queries


def _fill(records: Records) -> None:
    for start in range(0, CANDIDATES, CHUNK):
        numbers = range(start, start + CHUNK)
        with records.writing() as session:
            session.execute(insert(CandidateTable), [_candidate(number) for number in numbers])
            session.execute(insert(CandidateTermTable), [row for number in numbers for row in _terms(number)])
            session.execute(insert(StatementTable), [_statement(number) for number in numbers])
            pairs = [{"subject": _digest(number), "statement": _digest(number)} for number in numbers]
            session.execute(insert(SubjectTable), pairs)
    if records.engine.dialect.name == "postgresql":
        with records.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM ANALYZE")


def _digest(number: int) -> str:
    return f"sha256:{number * 2654435761 % 2**256:064x}"


def _candidate(number: int) -> dict[str, Any]:
    return {
        "digest": _digest(number), "name": f"model-{number * 7919 % CANDIDATES}", "version": "1",
        "owner": f"team-{number % 97}@bank.example", "author": f"author-{number % 331}@bank.example",
        "tier": ("high", "medium", "low")[number % 3], "domain": "credit", "intended_use": "A decision.",
        "status": STATES[number % len(STATES)], "statement": _digest(number),
        "registered_at": f"2026-{1 + number % 12:02d}-{1 + number % 28:02d}T00:00:00Z",
    }  # fmt: skip


def _terms(number: int) -> list[dict[str, str]]:
    row = _candidate(number)
    found = terms_of(row["digest"], row["name"], row["owner"], row["author"])
    return [{"term": term, "candidate": row["digest"]} for term in found]


def _statement(number: int) -> dict[str, Any]:
    return {
        "digest": _digest(number), "kind": "candidate", "predicate_type": "urn:govern:candidate:v1",
        "subject": _digest(number), "signer": "ada@bank.example", "log_index": 1000 + number,
        "created_at": "2026-11-24T00:00:00Z", "bundle": b"{}",
    }  # fmt: skip


def _gate(home: Path) -> None:
    log = home / "gates" / "main" / "log"
    log.mkdir(parents=True)
    (log / "checkpoint").write_text(f"bank.example/govern/gate-main\n{RECORDS}\nroot\n\n— x y\n")
