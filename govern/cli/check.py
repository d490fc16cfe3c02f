"""``govern check``: queue checks for the worker, list and show their results."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from govern.cli.check_compare import compare
from govern.cli.output import (
    ByOption,
    JsonOption,
    find_candidate,
    new_app,
    opened,
    show_done,
    show_rows,
    show_value,
)
from govern.domain import predicates
from govern.errors import ConflictError, NotFoundError

if TYPE_CHECKING:
    from govern.bootstrap import Application

app = new_app("Run, list and show checks.")
CHECKS = ("data", "performance", "fairness", "explainability", "repeatability")
WAIT_SECONDS_MAX = 3_600
app.command()(compare)
Candidate = Annotated[str, typer.Argument(help="Name or digest.")]


@app.command()
def run(
    candidate: Candidate,
    by: ByOption,
    only: Annotated[list[str] | None, typer.Option("--check", help="Only these checks.")] = None,
    wait: Annotated[bool, typer.Option(help="Wait until a worker has run them.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Queue the checks of a candidate; a worker runs them."""
    with opened() as application:
        digest = find_candidate(application, candidate)
        jobs = application.operations.run_checks(digest, only or CHECKS, by)
        if wait:
            _wait(application, jobs)
    state = "ran" if wait else "queued"
    value = {"candidate": digest, "jobs": jobs}
    show_done(f"{state} {len(jobs)} checks of {candidate}", value, as_json=as_json)


@app.command("list")
def list_(candidate: Candidate, as_json: JsonOption = False) -> None:
    """List the check results of a candidate, oldest first."""
    with opened() as application:
        rows = _results(application, find_candidate(application, candidate))
    columns = {"check": "check", "verdict": "verdict", "finished": "finished_at", "by": "signer"}
    show_rows(rows, columns, as_json=as_json, empty="no checks yet")


@app.command()
def show(
    candidate: Candidate,
    check: Annotated[str, typer.Argument(help="Such as fairness.")],
    as_json: JsonOption = False,
) -> None:
    """Show the newest result of one check, with its findings."""
    with opened() as application:
        rows = _results(application, find_candidate(application, candidate))
    found = [row for row in rows if row["check"] == check]
    if not found:
        raise NotFoundError(f"no result of the check {check} for {candidate}")
    if as_json:
        show_value(found[-1], as_json=True)
        return
    print(f"{check}: {found[-1]['verdict']}")
    columns = {"finding": "title", "verdict": "verdict", "about": "subject", "why": "message"}
    show_rows(found[-1]["findings"], columns, as_json=False, empty="no findings")


def _results(application: Application, candidate: str) -> list[dict[str, Any]]:
    statements = application.operations.recorder.about(candidate)
    found = [item for item in statements if item.kind == predicates.TEST_RESULT]
    found.sort(key=lambda item: item.log_index)
    return [
        {
            **item.statement.predicate["govern"],
            "statement": item.digest,
            "signer": item.signer,
        }
        for item in found
    ]


def _wait(application: Application, jobs: Sequence[str]) -> None:
    ends = time.monotonic() + WAIT_SECONDS_MAX
    while time.monotonic() < ends:
        found = [application.records.job(job) for job in jobs]
        failed = [job for job in found if job is not None and job.state == "failed"]
        if failed:
            raise ConflictError(f"a check failed to run: {failed[0].error}")
        if all(job is None or job.state in ("done", "cancelled") for job in found):
            return
        time.sleep(0.5)
    raise ConflictError(
        f"the checks have not ended after {WAIT_SECONDS_MAX} s; is a worker running?"
    )
