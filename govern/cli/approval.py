"""``govern approval``: ask reviewers, vote, withdraw, list, export a vote."""

from __future__ import annotations

from pathlib import Path
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
from govern.errors import ConflictError

app = new_app("Ask for approval, vote, withdraw and list.")
Request = Annotated[str, typer.Argument(help="The approval request's id.")]
Comment = Annotated[str, typer.Option("--comment", help="Why; needed to reject or dissent.")]
Read = Annotated[
    list[str] | None, typer.Option("--read", help="Digest of a statement that was read.")
]

SshKey = Annotated[
    Path | None,
    typer.Option("--ssh-key", metavar="FILE", help="Sign with this key of your own, too."),
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
    ssh_key: SshKey = None,
    as_json: JsonOption = False,
) -> None:
    """Approve a decision; who trained or evaluated the candidate cannot.

    Example: govern approval approve REQUEST --by rosa@bank.example --ssh-key ~/.ssh/id_ed25519
    """
    _vote(request_id, by, "approve", comment, read, ssh_key, as_json=as_json)


@app.command()
def reject(
    request_id: Request,
    by: ByOption,
    comment: Comment,
    read: Read = None,
    dissent: Annotated[bool, typer.Option(help="Record a dissent without closing it.")] = False,
    ssh_key: SshKey = None,
    as_json: JsonOption = False,
) -> None:
    """Reject a decision, or record a dissent from it."""
    vote = "dissent" if dissent else "reject"
    _vote(request_id, by, vote, comment, read, ssh_key, as_json=as_json)


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


@app.command()
def export(
    statement: Annotated[str, typer.Argument(help="The vote's digest, or its beginning.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder to create.")],
    as_json: JsonOption = False,
) -> None:
    """Write a vote so that `ssh-keygen` alone verifies who signed which words.

    Example: govern approval export 3fa1c2 -o vote
    """
    from govern.adapters.files import write_durably
    from govern.services.ballots import ballot_files

    if output.exists():
        raise ConflictError(f"{output} is there already")
    with opened() as application:
        files, command = ballot_files(application.operations.recorder, statement)
    for name, data in files.items():
        write_durably(output / name, data)
    show_done(
        f"wrote {output}\nverify, in that folder: {command}",
        {"folder": str(output), "verify": command},
        as_json=as_json,
    )


def _vote(
    request_id: str,
    by: str,
    vote: str,
    comment: str,
    read: list[str] | None,
    ssh_key: Path | None,
    *,
    as_json: bool,
) -> None:
    from govern.adapters.ssh_keygen import sign_with_ssh_key
    from govern.domain.ballot import NAMESPACE

    def sign(words: bytes) -> str:
        assert ssh_key is not None
        return sign_with_ssh_key(ssh_key, words, NAMESPACE)

    with opened() as application:
        digest = application.operations.approve(
            request_id, by, vote, comment, read or [], sign if ssh_key is not None else None
        )
    show_done(f"recorded {vote}: {digest}", {"statement": digest, "vote": vote}, as_json=as_json)
