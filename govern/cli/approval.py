"""``govern approval``: ask reviewers, vote, withdraw, list."""

from __future__ import annotations

from typing import Annotated

import typer

from govern.cli.output import (
    ByOption,
    JsonOption,
    find_candidate,
    new_app,
    opened,
    show_done,
    show_rows,
)

app = new_app("Ask for approval, vote, withdraw and list.")
Request = Annotated[str, typer.Argument(help="The approval request's id.")]
Comment = Annotated[str, typer.Option("--comment", help="Why; needed to reject or dissent.")]
Read = Annotated[
    list[str] | None, typer.Option("--read", help="Digest of a statement that was read.")
]


@app.command()
def request(
    candidate: Annotated[str, typer.Argument(help="Name or digest.")],
    by: ByOption,
    decision_digest: Annotated[
        str | None, typer.Option(help="Digest that `govern ci` printed; refused if it differs.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Put the newest decision about a candidate to the reviewers."""
    with opened() as application:
        digest = find_candidate(application, candidate)
        found = application.operations.request_approval(digest, by, decision_digest)
    show_done(f"requested: {found}", {"request": found, "candidate": digest}, as_json=as_json)


@app.command()
def approve(
    request_id: Request,
    by: ByOption,
    comment: Comment = "",
    read: Read = None,
    as_json: JsonOption = False,
) -> None:
    """Approve a decision; who trained or evaluated the candidate cannot."""
    _vote(request_id, by, "approve", comment, read, as_json=as_json)


@app.command()
def reject(
    request_id: Request,
    by: ByOption,
    comment: Comment,
    read: Read = None,
    dissent: Annotated[bool, typer.Option(help="Record a dissent without closing it.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Reject a decision, or record a dissent from it."""
    _vote(request_id, by, "dissent" if dissent else "reject", comment, read, as_json=as_json)


@app.command()
def withdraw(request_id: Request, by: ByOption, as_json: JsonOption = False) -> None:
    """Withdraw an open request."""
    with opened() as application:
        application.operations.withdraw_request(request_id, by)
    show_done(f"withdrawn: {request_id}", {"request": request_id}, as_json=as_json)


@app.command("list")
def list_(
    state: Annotated[str | None, typer.Option(help="Such as open.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List approval requests."""
    with opened() as application:
        rows = application.records.list_requests(state=state)
    columns = {
        "request": "id",
        "candidate": "candidate",
        "tier": "tier",
        "state": "state",
        "asked by": "requested_by",
        "at": "requested_at",
    }
    show_rows(rows, columns, as_json=as_json, empty="no approval requests")


def _vote(
    request_id: str, by: str, vote: str, comment: str, read: list[str] | None, *, as_json: bool
) -> None:
    with opened() as application:
        digest = application.operations.approve(request_id, by, vote, comment, read or [])
    show_done(f"recorded {vote}: {digest}", {"statement": digest, "vote": vote}, as_json=as_json)
