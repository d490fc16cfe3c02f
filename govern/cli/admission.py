"""``govern admission``: admit, suspend, reinstate, revoke, list."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from govern.cli import admission_probes, admission_pull
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
    probes: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Requests, a JSON body a line: the gate asks them too."),
    ] = None,
    probe_from: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Server that answers them; default: our own model host."),
    ] = None,
    tolerance: Annotated[
        float, typer.Option(min=0, max=0.5, help="How far numbers of their answers may differ.")
    ] = 1e-5,
    member: Annotated[
        list[str] | None,
        typer.Option(help="Deployment or admission of another model that it is composed with."),
    ] = None,
    upstream_model: Annotated[
        str | None, typer.Option(help="What an `openai` upstream calls it; default: DEPLOYMENT.")
    ] = None,
    environment: Annotated[str, typer.Option(help="Where it serves.")] = "production",
    days: Annotated[int, typer.Option(min=1, max=DAYS_MAX, help="Until it expires.")] = 30,
    as_json: JsonOption = False,
) -> None:
    """Admit an approved candidate to a deployment.

    With --probes, the admitted model's answers are signed with the admission, and a gate serves
    only what answers alike. With --member, it serves only while each of these is admitted too.

    Example: govern admission admit credit --deployment credit --by priya@bank.example
    --upstream kserve-v1 --probes requests.jsonl
    """
    if probe_from is not None and probes is None:
        raise typer.BadParameter("--probe-from needs --probes")
    with opened() as application:
        digest = find_candidate(application, candidate)
        served: dict[str, object] = {"kind": upstream}
        if states_digest:
            served["states_digest"] = True
        if upstream_model is not None:
            served["model"] = upstream_model
        if member:
            served["members"] = [find_admission(application, item) for item in member]
        if probes is not None:
            asked = admission_probes.Asked(digest, deployment, upstream, probe_from, tolerance)
            served["probes"] = admission_probes.answered(application, asked, probes)
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
