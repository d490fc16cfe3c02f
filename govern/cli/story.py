"""The acts of the demo: each does one thing for real and returns what it found."""

from __future__ import annotations

import hashlib
import json
import secrets
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from govern.adapters import demo_data, demo_models
from govern.adapters.check_data import store_evaluation
from govern.adapters.files import write_durably
from govern.bootstrap import Application
from govern.checks.registry import CHECKS
from govern.cli import demo_people as people
from govern.cli.processes import Processes
from govern.domain import predicates
from govern.domain.decision import PolicyDecision
from govern.errors import GovernError, RefusedError
from govern.services import publishing, tracing
from govern.transparency.digest import folder_digest, hex_of

BACKGROUND_ROWS = 400
ROWS_PER_CALL = 4
CHECK_SECONDS_MAX = 900.0
Progress = Callable[[int, int], None]


@dataclass
class Story:
    """What has happened so far."""

    opened: Application
    data: demo_data.LoanData
    candidates: list[demo_models.Trained] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)
    decisions: dict[str, PolicyDecision] = field(default_factory=dict)
    statements: dict[str, str] = field(default_factory=dict)
    votes: list[dict[str, str]] = field(default_factory=list)
    refused_vote: str = ""
    admission: str = ""
    admitted: str = ""
    calls: dict[str, Any] = field(default_factory=dict)
    receipts: list[str] = field(default_factory=list)


def register(story: Story) -> None:
    """Sign data, record features and training, register four candidates."""
    opened, data = story.opened, story.data
    recorder, author = opened.operations.recorder, people.ADA
    opened.blobs.put(data.csv)
    dataset = tracing.record_dataset(
        recorder, "loanapp", {"loanapp.csv": data.csv}, data.profile, signer=author
    )
    features = opened.blobs.put(data.features_csv())
    tracing.record_build(
        recorder,
        build_type=predicates.BUILD_FEATURES,
        subject=("features.csv", features),
        dependencies=[("loanapp", dataset.statement.subject)],
        parameters={"columns": list(demo_data.FEATURES)},
        internal={"refused": list(demo_data.LEAKING)},
        signer=author,
    )
    evaluation = _store_evaluation(story)
    story.candidates = demo_models.train_candidates(data)
    for trained in story.candidates:
        digest = folder_digest(tracing.file_digests(trained.files))
        tracing.record_build(
            recorder,
            build_type=predicates.BUILD_TRAINING,
            subject=(trained.name, digest),
            dependencies=[("features.csv", features)],
            parameters=trained.card["training"],
            internal={"trained_by": author, "seed": 0},
            signer=author,
        )
        card = _card(trained, evaluation)
        story.digests[trained.name] = opened.operations.register_candidate(
            card, trained.files, author
        )


def _store_evaluation(story: Story) -> str:
    data = story.data
    return store_evaluation(
        story.opened.blobs,
        features=data.features.iloc[data.test],
        labels=data.labels[data.test],
        sensitive=data.sensitive.iloc[data.test],
        background=data.features.iloc[data.train[:BACKGROUND_ROWS]],
        profile=data.profile,
        directions=demo_data.DIRECTIONS,
        positive="approve",
        strata=demo_data.strata(data.features.iloc[data.test]),
        subjects=data.subjects.iloc[data.test],
        parts={"train": data.train_tables()},
    )


def _card(trained: demo_models.Trained, evaluation: str) -> dict[str, Any]:
    copied = ("name", "version", "format", "protected_inputs", "randomised", "training")
    return {
        **{key: trained.card[key] for key in copied},
        "title": trained.title,
        "inputs": trained.card["inputs"][0]["columns"],
        "owner": f"retail-credit@{people.DOMAIN}",
        "intended_use": people.INTENDED_USE,
        "risk_tier": "high",
        "domain": "credit",
        "use": "credit-decision",
        "jurisdictions": ["US", "US-MA"],
        "evaluation": evaluation,
        "declarations": people.declarations(),
    }


def check(story: Story, processes: Processes, progress: Progress) -> None:
    """Queue every check of every candidate and wait for the Celery worker.

    Raises:
        GovernError: the worker died, a job failed, or it took too long.
    """
    operations, records = story.opened.operations, story.opened.records
    for digest in story.digests.values():
        operations.run_checks(digest, CHECKS, people.ADA)
    total, deadline = len(CHECKS) * len(story.digests), time.monotonic() + CHECK_SECONDS_MAX
    while True:
        jobs = records.list_jobs(limit=total)
        failed = [job for job in jobs if job.state == "failed"]
        if failed:
            raise GovernError(f"a check failed: {failed[0].error}")
        done = sum(job.state == "done" for job in jobs)
        progress(done, total)
        if done == total:
            return
        if time.monotonic() > deadline:
            raise GovernError(f"the checks took longer than {CHECK_SECONDS_MAX:.0f} seconds")
        processes.require_alive()
        time.sleep(0.1)


def decide(story: Story) -> None:
    """Publish the policy packs, signed, and let them decide about each candidate."""
    recorder, blobs = story.opened.operations.recorder, story.opened.blobs
    for pack in story.opened.operations.packs():
        publishing.publish(recorder, blobs, pack, by=people.CARL)
    for name, digest in story.digests.items():
        decision, statement = story.opened.operations.decide_with_value(digest, people.ADA)
        story.decisions[name] = decision
        story.statements[name] = statement.digest


def approve(story: Story) -> None:
    """Ask reviewers about the allowed candidate: one refusal, two approvals, one dissent.

    Raises:
        GovernError: the author's own approval was not refused.
    """
    operations, chosen = story.opened.operations, allowed(story)
    request = operations.request_approval(story.digests[chosen], people.ADA)
    try:
        operations.approve(request, people.ADA, "approve", "I made it, it is good.", [])
    except RefusedError as refusal:
        story.refused_vote = str(refusal)
    if not story.refused_vote:
        raise GovernError("the author could approve their own model; this must not happen")
    read = [item["digest"] for item in story.decisions[chosen].evidence]
    for person, vote, comment in (
        (people.ROSA, "approve", "Both prongs hold, the cost in accuracy is stated."),
        (people.NADIA, "dissent", people.DISSENT),
        (people.TOMAS, "approve", "Lineage is closed; reasons can be given for each denial."),
    ):
        operations.approve(request, person, vote, comment, read)
        story.votes.append({"person": person, "vote": vote, "comment": comment})


def allowed(story: Story) -> str:
    """Return the name of the candidate that was allowed.

    Raises:
        GovernError: none was.
    """
    if story.admitted:
        return story.admitted
    for name, decision in story.decisions.items():
        if decision.outcome == "allow":
            return name
    raise GovernError("no candidate was allowed; the story cannot go on")


def admit(story: Story) -> None:
    """Admit the approved candidate for ninety days."""
    story.admission = story.opened.operations.admit(
        story.digests[allowed(story)],
        people.DEPLOYMENT,
        "demo",
        {"kind": "oip", "binding": "strong"},
        90,
        people.PRIYA,
    )


def reopened(opened: Application) -> Story:
    """Return the story of a home in which it has been told already.

    Raises:
        GovernError: nothing is admitted there.
    """
    told = Story(opened, demo_data.load_loans())
    for candidate in opened.operations.recorder.all(predicates.CANDIDATE):
        name = str(candidate.statement.predicate["name"])
        told.digests[name] = candidate.statement.subject
    admitted = opened.records.current_admissions()
    if not admitted:
        raise GovernError("nothing is admitted in this home; run `govern demo` again")
    told.admitted = next(
        name for name, digest in told.digests.items() if digest == admitted[0].candidate
    )
    return told


def start_serving(
    story: Story, processes: Processes, *, web_port: int = 0, gate_port: int = 0
) -> dict[str, str]:
    """Start control plane, model host and gate; return their addresses."""
    home, files = story.opened.home, story.opened.operations.check_files
    digest = story.digests[allowed(story)]
    folder = home / "models" / hex_of(digest)[:16]
    for name, stored in files(digest).items():
        write_durably(folder / name, story.opened.blobs.get(stored))
    logins = dict.fromkeys(people.NAMES, people.PASSWORD)
    write_durably(home / "run" / "logins.json", json.dumps(logins).encode(), mode=0o600)
    web = processes.start_ready(
        "portal",
        ["govern.web", "--port", str(web_port), "--demo-logins", f"{home}/run/logins.json"],
    )
    host = processes.start_ready(
        "model host",
        [
            "serving_gate.model_host",
            "--model-dir",
            str(folder),
            "--digest",
            digest,
            "--name",
            people.DEPLOYMENT,
        ],
    )
    upstream = f"http://127.0.0.1:{host['port']}"
    arguments = ["serving_gate", "--home", str(home), "--name", people.GATE]
    arguments += ["--control-plane", f"http://127.0.0.1:{web['port']}", "--port", str(gate_port)]
    for deployment in (people.DEPLOYMENT, people.UNAPPROVED):
        arguments += ["--upstream", f"{deployment}={upstream}"]
    gate = processes.start_ready("gate", arguments)
    return {
        "portal": f"http://127.0.0.1:{web['port']}",
        "gate": f"http://127.0.0.1:{gate['port']}",
        "upstream": upstream,
    }


def make_caller(story: Story) -> str:
    """Write the gate's callers file with one caller; return the caller's key."""
    key = secrets.token_urlsafe(32)
    row = {"name": "loan-desk", "key_sha256": hashlib.sha256(key.encode()).hexdigest()}
    value = {"callers": [{**row, "deployments": ["*"]}]}
    path = story.opened.home / "gates" / people.GATE / "callers.json"
    write_durably(path, json.dumps(value).encode(), mode=0o600)
    return key


def call_gate(story: Story, gate: str, key: str, progress: Progress) -> None:
    """Send the test applications through the gate, then ask for an unapproved candidate."""
    rows = story.data.features.iloc[story.data.test].to_numpy()
    receipts, approved, started = [], 0, time.monotonic()
    for low in range(0, len(rows), ROWS_PER_CALL):
        part = rows[low : low + ROWS_PER_CALL]
        status, headers, answer = infer(gate, people.DEPLOYMENT, part, key)
        if status != 200 or "Govern-Receipt" not in headers:
            raise GovernError(f"the gate answered {status}: {str(answer)[:200]}")
        receipts.append(headers["Govern-Receipt"])
        outputs = {item["name"]: item["data"] for item in answer["outputs"]}
        approved += sum(outputs["label"])
        progress(min(low + ROWS_PER_CALL, len(rows)), len(rows))
    status, headers, answer = infer(gate, people.UNAPPROVED, rows[:1], key)
    story.receipts = [*receipts, headers.get("Govern-Receipt", "")]
    story.calls = {
        "requests": len(receipts),
        "applications": len(rows),
        "approved": approved,
        "seconds": round(time.monotonic() - started, 2),
        "last_receipt": receipts[-1],
        "refusal": {
            "deployment": people.UNAPPROVED,
            "status": status,
            "reason": answer.get("reason"),
            "receipt": headers.get("Govern-Receipt"),
        },
    }
    if status != 403 or not headers.get("Govern-Receipt"):
        raise GovernError(f"the unapproved candidate was not refused with a receipt: {status}")


def infer(gate: str, deployment: str, rows: Any, key: str) -> tuple[int, Any, dict[str, Any]]:
    """Ask a deployment through the gate by the Open Inference Protocol.

    Returns:
        status, headers and the parsed body.
    """
    values = [None if value != value else float(value) for value in rows.ravel()]
    tensor = {"name": "x", "shape": list(rows.shape), "datatype": "FP32", "data": values}
    request = urllib.request.Request(
        f"{gate}/v2/models/{deployment}/infer",
        data=json.dumps({"inputs": [tensor]}).encode(),
        headers={"Content-Type": "application/json", "Authorization": f"Bearer {key}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.headers, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, error.headers, json.loads(error.read() or b"{}")
