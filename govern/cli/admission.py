"""``govern admission``: admit, suspend, reinstate, revoke, list."""

from __future__ import annotations

from typing import Annotated

import typer

from govern.cli import admission_pull
from govern.cli.output import (
    ByOption,
    JsonOption,
    ReasonOption,
    find_admission,
    find_candidate,
    new_app,
    opened,
    show_done,
    show_rows,
)

app = new_app("Admit, suspend, reinstate and revoke; list admissions; pull admitted models.")
DAYS_MAX = 365
Admission = Annotated[str, typer.Argument(help="Deployment, or the admission's digest.")]


@app.command()
def admit(
    candidate: Annotated[str, typer.Argument(help="Name or digest.")],
    deployment: Annotated[str, typer.Option(help="What the gate serves it as.")],
    by: ByOption,
    upstream: Annotated[str, typer.Option(help="Kind of model server behind the gate.")] = "ovms",
    states_digest: Annotated[
        bool, typer.Option("--states-digest", help="Its answers must state the model's digest.")
    ] = False,
    environment: Annotated[str, typer.Option(help="Where it serves.")] = "production",
    days: Annotated[int, typer.Option(min=1, max=DAYS_MAX, help="Until it expires.")] = 30,
    as_json: JsonOption = False,
) -> None:
    """Admit an approved candidate to a deployment."""
    with opened() as application:
        digest = find_candidate(application, candidate)
        served = {"kind": upstream, **({"states_digest": True} if states_digest else {})}
        admission = application.operations.admit(digest, deployment, environment, served, days, by)
    value = {"admission": admission, "candidate": digest, "deployment": deployment}
    show_done(f"admitted to {deployment}: {admission}", value, as_json=as_json)


@app.command()
def suspend(
    admission: Admission, by: ByOption, reason: ReasonOption, as_json: JsonOption = False
) -> None:
    """Stop an admission from serving until it is reinstated."""
    with opened() as application:
        digest = find_admission(application, admission)
        statement = application.operations.suspend(digest, by, reason)
    show_done(f"suspended {digest}", {"statement": statement}, as_json=as_json)


@app.command()
def reinstate(
    admission: Admission, by: ByOption, reason: ReasonOption, as_json: JsonOption = False
) -> None:
    """Let a suspended admission serve again."""
    with opened() as application:
        digest = find_admission(application, admission)
        statement = application.operations.reinstate(digest, by, reason)
    show_done(f"reinstated {digest}", {"statement": statement}, as_json=as_json)


@app.command()
def revoke(
    admission: Admission, by: ByOption, reason: ReasonOption, as_json: JsonOption = False
) -> None:
    """End an admission for good."""
    with opened() as application:
        digest = find_admission(application, admission)
        statement = application.operations.revoke(digest, by, reason)
    show_done(f"revoked {digest}", {"statement": statement}, as_json=as_json)


@app.command("list")
def list_(
    deployment: Annotated[str | None, typer.Option(help="Only this deployment.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List admissions, newest first."""
    with opened() as application:
        rows = application.records.list_admissions(deployment=deployment)
    columns = {
        "admission": "digest",
        "deployment": "deployment",
        "candidate": "candidate",
        "status": "status",
        "expires": "expires_at",
        "by": "admitted_by",
    }
    show_rows(rows, columns, as_json=as_json, empty="no admissions yet")


admission_pull.register(app)
