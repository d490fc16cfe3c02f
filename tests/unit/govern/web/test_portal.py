"""Pages: what they say, who may act, and what reaches the services."""

from __future__ import annotations

import re

import pytest

from tests.support import world
from tests.support.statements import digest

DENIED, ADMITTED = digest("mortgage-logistic"), digest("mortgage-approval")
PAGES = (
    "/", "/candidates", f"/candidates/{DENIED}", f"/candidates/{ADMITTED}", "/approvals",
    "/deployments", "/log", "/packs", "/reports", "/account",
)  # fmt: skip


def open_request(services: world.FakeServices, name: str) -> str:
    return services.records.list_requests(candidate=digest(name))[0].id


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_small_has_landmarks_and_no_inline_script(signed_in, path) -> None:
    answer = signed_in("olga").get(path)
    text = answer.get_data(as_text=True)
    assert answer.status_code == 200
    assert len(answer.data) < 100_000
    assert 'lang="en"' in text
    assert text.count("<h1") == 1
    assert "<main" in text
    assert not re.search(r"<script|style=|\son\w+=", text)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for table in re.findall(r"<table>.*?</table>", text, re.DOTALL):
        assert '<th scope="col"' in table


def test_the_candidate_page_gives_the_reason_with_its_measure(signed_in) -> None:
    text = signed_in("olga").get(f"/candidates/{DENIED}").get_data(as_text=True)
    assert "Denied for 1 reason; first: selection rates stay within four fifths." in text
    for part in ("0.729", "0.615 – 0.829", "0.800", "Internal fair lending policy, section 4.2"):
        assert part in text
    assert text.index("0.729") < text.index("Advice that does not decide")


def test_a_check_in_shards_is_one_line_with_its_rows(services, signed_in) -> None:
    records = services.records
    name = records.add_job("check", {"check": "fairness"}, candidate=DENIED)
    job = records.claim_job(["check"], "w", lease_seconds=60, job_id=name)
    payloads = [{"piece": "answers", "low": at, "high": at + 1, "evaluations": size} for at, size in enumerate((300, 700))]
    assert records.split_job(job, "shard", payloads, 1000)
    assert records.complete_shard(records.claim_job(["shard"], "w", lease_seconds=60), b"")
    text = signed_in("olga").get(f"/candidates/{DENIED}").get_data(as_text=True)
    assert text.count("Running in shards") == 1 and "300 of 1 000 rows" in text and "<strong>shard" not in text
    assert records.cancel_job(name)


def test_dissent_is_shown_with_the_approvals(signed_in) -> None:
    text = signed_in("olga").get(f"/candidates/{ADMITTED}").get_data(as_text=True)
    assert "Dissents" in text
    assert "Seventy-nine people are few." in text


def test_text_from_outside_is_escaped(services, signed_in) -> None:
    request = open_request(services, "mortgage-randomised")
    services.records.add_message(
        request, author="x@y.example", kind="question", text="<script>alert(1)</script>",
        at="2026-11-24T03:00:00Z",
    )  # fmt: skip
    text = signed_in("rosa").get(f"/approvals/{request}").get_data(as_text=True)
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("ada", "You are not a reviewer."),
        ("root", "You are not a reviewer."),
        ("olga", "You are not a reviewer."),
    ],
)
def test_who_cannot_vote_is_told_why(services, signed_in, name, why) -> None:
    request = open_request(services, "mortgage-randomised")
    text = signed_in(name).get(f"/approvals/{request}").get_data(as_text=True)
    assert why in text
    assert 'value="approve"' not in text


def test_an_approval_answers_every_concern(services, signed_in, send) -> None:
    client, request = signed_in("rosa"), open_request(services, "mortgage-randomised")
    path = f"/approvals/{request}/vote"
    answer = send(client, path, vote="approve", **{"answer-0": "small share"})
    assert answer.status_code == 400
    assert services.calls == []
    read = client.get(f"/approvals/{request}").get_data(as_text=True)
    opened = re.search(r"/statements/(sha256:[0-9a-f]{64})\?review", read)
    assert opened is not None
    client.get(f"{opened.group(0)}={request}")
    answers = {"answer-0": "small share", "answer-1": "wide interval"}
    assert send(client, path, vote="approve", **answers).status_code == 302
    kind, request_id, email, vote, comment, evidence = services.calls[0]
    assert (kind, request_id, email, vote) == ("approve", request, world.mail("rosa"), "approve")
    assert "small share" in comment
    assert "wide interval" in comment
    assert evidence == [opened.group(1)]


def test_a_vote_needs_the_role(services, signed_in, send) -> None:
    request = open_request(services, "mortgage-randomised")
    answer = send(signed_in("ada"), f"/approvals/{request}/vote", vote="dissent", comment="no")
    assert answer.status_code == 403
    assert b"role reviewer" in answer.data
    assert services.calls == []


def test_only_who_asked_withdraws(services, signed_in, send) -> None:
    path = f"/approvals/{open_request(services, 'mortgage-randomised')}/withdraw"
    assert send(signed_in("rosa"), path).status_code == 403
    assert send(signed_in("ada"), path).status_code == 302
    assert services.calls[0][0] == "withdraw"


def test_suspension_needs_platform_and_carries_the_reason(services, signed_in, send) -> None:
    admission = services.records.list_admissions()[0].digest
    path, form = f"/admissions/{admission}/change", {"change": "suspend", "reason": "drift"}
    assert send(signed_in("rosa"), path, **form).status_code == 403
    assert send(signed_in("priya"), path, **form).status_code == 302
    assert services.calls == [("suspend", admission, world.mail("priya"), "drift")]
    assert send(signed_in("priya"), path, change="records", reason="x").status_code == 400


def test_an_auditor_changes_nothing(services, signed_in, send) -> None:
    request = open_request(services, "mortgage-randomised")
    client = signed_in("olga")
    for path in ("/reports", f"/approvals/{request}/messages", f"/candidates/{DENIED}/checks"):
        assert send(client, path, text="hello").status_code == 403
    assert services.calls == []


def test_wrong_passwords_and_foreign_redirects(app, send) -> None:
    client = app.test_client()
    client.get("/sign-in")
    form = {"email": world.mail("rosa"), "password": "not the password"}
    assert send(client, "/sign-in", **form).status_code == 401
    for target in ("//evil.example/", "https://evil.example/", "/\\evil.example"):
        client = app.test_client()
        client.get("/sign-in")
        good = {"email": world.mail("rosa"), "password": world.PASSWORD, "next": target}
        assert send(client, "/sign-in", **good).headers["Location"] == "/"


def test_a_changed_password_ends_other_sessions(services, signed_in) -> None:
    client = signed_in("tomas")
    assert client.get("/").status_code == 200
    services.records.put_person(
        world.mail("tomas"), name="Tomas", roles=["reviewer"], password=world.PASSWORD
    )
    assert client.get("/").status_code == 302


def test_set_up_is_gone_once_someone_is_here(app) -> None:
    assert app.test_client().get("/set-up").status_code == 409


def test_errors_are_sentences(signed_in) -> None:
    client = signed_in("olga")
    for path, status in (
        (f"/candidates/{digest('nobody')}", 404),
        ("/candidates/nonsense", 400),
        ("/candidates?page=x", 400),
        ("/log?before=x", 400),
        ("/reports/..%2Fgovern.db", 404),
        ("/reports/govern.db", 404),
        ("/nowhere", 404),
    ):
        answer = client.get(path)
        assert answer.status_code == status, path
        assert b"Traceback" not in answer.data


def test_a_pages_time_and_slowest_query_are_in_the_log_and_no_values(signed_in, caplog) -> None:
    client = signed_in("olga")
    with caplog.at_level("INFO", logger="govern.web.timing"):
        answer = client.get("/candidates?q=secret-name")
    assert re.fullmatch(r"app;dur=[\d.]+, db;dur=[\d.]+", answer.headers["Server-Timing"])
    (line,) = [one.getMessage() for one in caplog.records if one.name == "govern.web.timing"]
    assert line.startswith("GET inventory.candidates 200: ") and "slowest" in line and "SELECT" in line
    assert "secret-name" not in line


def test_roles_that_exclude_each_other_are_not_given(signed_in, send) -> None:
    client = signed_in("root")
    for roles in (["admin", "reviewer"], ["auditor", "platform"]):
        form = {"email": "new@bank.example", "name": "New", "roles": roles}
        assert send(client, "/people", **form).status_code == 400
