"""``govern candidate``: register, list, show and export candidates."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

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
from govern.cli.progress import bar
from govern.errors import InvalidRequestError

app = new_app("Register, list, show and export candidates.")


@app.command()
def register(
    folder: Annotated[Path, typer.Argument(help="Model folder: model.json and the model's files.")],
    card: Annotated[Path, typer.Option("--card", help="JSON: owner, intended use, risk tier, …")],
    by: ByOption,
    as_json: JsonOption = False,
) -> None:
    """Sign a model folder and register it as a candidate."""
    from govern.adapters.hashing import hash_folder
    from govern.services.tracing import ListedFile

    described = {**_object(folder / "model.json"), **_object(card)}
    with bar("hashing, bytes") as progress:
        hashed = hash_folder(folder, progress=progress).files
    files = [(file.path, ListedFile(file.name, file.digest, file.size)) for file in hashed]
    with opened() as application:
        digest = application.operations.register_folder(described, files, by)
    show_done(f"registered {digest}", {"candidate": digest}, as_json=as_json)


@app.command("list")
def list_(
    query: Annotated[str, typer.Argument(help="Part of a name, owner, author or digest.")] = "",
    as_json: JsonOption = False,
) -> None:
    """List the inventory, newest first."""
    with opened() as application:
        rows = application.records.list_candidates(query, size=200).rows
    columns = {
        "candidate": "digest",
        "name": "name",
        "version": "version",
        "tier": "tier",
        "owner": "owner",
        "decision": "outcome",
        "status": "status",
    }
    show_rows(rows, columns, as_json=as_json, empty="no candidates yet")


@app.command()
def show(
    candidate: Annotated[str, typer.Argument(help="Name or digest.")], as_json: JsonOption = False
) -> None:
    """Show one candidate."""
    with opened() as application:
        row = application.records.candidate(find_candidate(application, candidate))
    show_value(row, as_json=as_json)


@app.command()
def export(
    candidate: Annotated[str, typer.Argument(help="Name or digest.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder to write.")],
    without_model: Annotated[bool, typer.Option(help="Leave the model's bytes out.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write a candidate's evidence as a folder that `govern ci` reads offline."""
    from govern.adapters.evidence_files import write_evidence
    from govern.services.exporting import export_evidence

    with opened() as application:
        digest = find_candidate(application, candidate)
        recorder, blobs = application.operations.recorder, application.blobs
        files = export_evidence(recorder, blobs, digest, with_model=not without_model)
    write_evidence(output, files)
    value = {"candidate": digest, "folder": str(output), "files": len(files)}
    show_done(f"wrote {len(files)} files to {output}", value, as_json=as_json)


def _object(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise InvalidRequestError(f"{path} is missing") from None
    except ValueError as error:
        raise InvalidRequestError(f"{path} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise InvalidRequestError(f"{path} must hold a JSON object")
    return value
