"""``govern check``: queue checks for the worker, list and show their results."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from govern.cli.check_challenge import challenge
from govern.cli.check_compare import compare
from govern.cli.check_prepare import prepare
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
    from rich.progress import Progress, TaskID

    from govern.bootstrap import Application
    from govern.services.ports import Job

app = new_app("Run, list and show checks.")
CHECKS = ("data", "performance", "fairness", "explainability", "repeatability")
WAIT_SECONDS_MAX = 3_600
POLL_SECONDS = 0.5
app.command()(compare)
app.command()(prepare)
app.command()(challenge)
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
            _wait(application, jobs, quiet=as_json)
    state = "ran" if wait else "queued"
    value = {"candidate": digest, "jobs": jobs}
    show_done(f"{state} {len(jobs)} checks of {candidate}", value, as_json=as_json)


@app.command()
def cancel(
    job: Annotated[str, typer.Argument(help="The job's id, as `govern check run` gave it.")],
    as_json: JsonOption = False,
) -> None:
    """Cancel a check that waits or runs; its worker stops the candidate within seconds.

    Example: govern check cancel 3f0c9a1b2d4e5f60
    """
    with opened() as application:
        found = application.records.job(job)
        if found is None:
            raise NotFoundError(f"no job {job}; `govern check run --json` prints the ids")
        if not application.records.cancel_job(job):
            raise ConflictError(f"the job is {found.state} already")
    show_done(f"cancelled {job}", {"job": job, "state": "cancelled"}, as_json=as_json)


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


def _wait(application: Application, jobs: Sequence[str], *, quiet: bool) -> None:
    """Show progress until the jobs have ended.

    Raises:
        ConflictError: one failed to run, or they take too long.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("{task.description:<16}"), BarColumn(), MofNCompleteColumn())
    times = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
    ends = time.monotonic() + WAIT_SECONDS_MAX
    with Progress(*columns, *times, console=Console(stderr=True), disable=quiet) as progress:
        shown: dict[str, TaskID] = {}
        while time.monotonic() < ends:
            found = [job for name in jobs if (job := application.records.job(name)) is not None]
            for job in found:
                _show_progress(progress, shown, job)
            failed = [job for job in found if job.state == "failed"]
            if failed:
                raise ConflictError(f"a check failed to run: {failed[0].error}")
            if all(job.state in ("done", "cancelled") for job in found):
                return
            time.sleep(POLL_SECONDS)
    raise ConflictError(
        f"the checks have not ended after {WAIT_SECONDS_MAX} s; is a worker running?"
    )


def _show_progress(progress: Progress, shown: dict[str, TaskID], job: Job) -> None:
    """Draw one job's line: rows answered, of how many where that is known."""
    if job.id not in shown:
        shown[job.id] = progress.add_task(str(job.payload.get("check", job.kind)), total=None)
    over = job.state in ("done", "cancelled", "failed")
    total = job.progress_total or (1 if over else None)
    done = total if over and total else job.progress_done
    progress.update(shown[job.id], total=total, completed=done or 0)
