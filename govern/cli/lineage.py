"""``govern lineage``: show, record, export and recall."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from govern.cli.lineage_importing import import_runs, list_sources, settle_events
from govern.cli.output import (
    ByOption,
    JsonOption,
    find_candidate,
    new_app,
    opened,
    print_json,
    show_done,
)
from govern.errors import InvalidRequestError

app = new_app("Lineage: what came from what. Example: GOVERN_HOME=demo govern lineage show NAME")
app.command("import")(import_runs)
app.command("sources")(list_sources)
app.command("settle")(settle_events)
Target = Annotated[str, typer.Argument(help="Digest or its beginning, name, key id or address.")]
RecordsOption = Annotated[bool, typer.Option(help="Count the records in gates as well.")]
FORMATS = ("json", "svg", "dot")
CANDIDATE_FORMATS = ("in-toto", "cyclonedx")
KINDS = ("dataset", "features", "training")


@app.command()
def show(
    target: Target,
    svg: Annotated[Path | None, typer.Option(help="Draw it into this file.")] = None,
    records: RecordsOption = True,
    as_json: JsonOption = False,
) -> None:
    """Show what something came from, what followed from it, and what is missing."""
    from govern.cli import lineage_output

    view = _lineage(target, records=records)
    if svg is not None:
        _write(svg, lineage_output.svg(view))
    if as_json:
        print_json(view)
    else:
        lineage_output.print_tree(view)


@app.command()
def export(
    target: Target,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder to write into.")],
    file_format: Annotated[
        str, typer.Option("--format", help="json, svg, dot; of a candidate in-toto, cyclonedx.")
    ] = "json",
    records: RecordsOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write the lineage around something as ``lineage.json``, ``.svg`` or ``.dot``.

    Of a candidate also as an in-toto layout with links for ``in-toto-verify``
    (``root.layout``, ``*.link``, ``owner.pub``), or as a CycloneDX ML-BOM (``bom.cdx.json``).
    """
    from govern.cli import lineage_output

    if file_format in CANDIDATE_FORMATS:
        _export_candidate(target, output, file_format, as_json=as_json)
        return
    if file_format not in FORMATS:
        every = ", ".join((*FORMATS, *CANDIDATE_FORMATS))
        raise InvalidRequestError(f"--format is one of {every}")
    view = _lineage(target, records=records)
    path = output / f"lineage.{file_format}"
    _write(path, lineage_output.written(view, file_format))
    show_done(f"wrote {path}", {"file": str(path), "format": file_format}, as_json=as_json)


@app.command()
def record(
    kind: Annotated[str, typer.Option(help="One of dataset, features, training.")],
    name: Annotated[str, typer.Option(help="What it is called.")],
    files: Annotated[list[Path], typer.Option(help="File or folder that was made; repeatable.")],
    by: ByOption,
    read: Annotated[
        list[str] | None, typer.Option("--from", help="Digest or name it read; repeatable.")
    ] = None,
    param: Annotated[
        list[str] | None, typer.Option(help="key=value that the person chose; repeatable.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Record a data set, a feature build or a training run from files on disk.

    Files are digested a block at a time. Those of a data set are kept in the home, so that
    dossiers hold them.
    """
    from govern.cli import lineage_recording

    if kind not in KINDS:
        raise InvalidRequestError(f"--kind is one of {', '.join(KINDS)}")
    with opened() as application:
        value = lineage_recording.record(
            application, kind, name, files, read or [], param or [], by
        )
    for warning in value["warnings"]:
        typer.echo(warning, err=True)
    show_done(f"recorded {kind} {name}: {value['digest']}", value, as_json=as_json)


@app.command()
def recall(
    target: Target,
    suspend: Annotated[bool, typer.Option("--suspend", help="Suspend what is live.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what --suspend would do; change nothing.")
    ] = False,
    reason: Annotated[str, typer.Option(help="Why; it is recorded.")] = "",
    by: Annotated[str, typer.Option(metavar="EMAIL", help="Who suspends.")] = "",
    since: Annotated[
        str | None, typer.Option(help="Only what happened since then, such as 2026-11-01T00:00:00Z")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List everything that a digest, key or person touched, and stop it if asked to.

    Exit 1 where something live could not be suspended.
    """
    from govern.cli import lineage_output
    from govern.services.ports import Suspend
    from govern.transparency.encoding import parse_time

    if suspend and (not by or not reason):
        raise InvalidRequestError("--suspend needs --reason TEXT and --by EMAIL")
    if dry_run and not suspend:
        raise InvalidRequestError("--dry-run goes with --suspend")
    moment = None if since is None else parse_time(since)
    change = Suspend(reason, by, dry_run) if suspend else None
    with opened() as application:
        found = application.operations.recall(target, moment=moment, suspend=change)
    if as_json:
        print_json(found)
    else:
        lineage_output.print_recall(found)
    if any(row["result"] == "not suspended" for row in found.get("suspensions", ())):
        raise typer.Exit(1)


def _lineage(target: str, *, records: bool) -> dict[str, Any]:
    with opened() as application:
        return application.operations.lineage(target, records=records)


def _export_candidate(target: str, output: Path, file_format: str, *, as_json: bool) -> None:
    import json

    from govern.adapters.files import write_durably
    from govern.services.exporting import in_toto_layout, ml_bom_of

    with opened() as application:
        digest = find_candidate(application, target)
        recorder = application.operations.recorder
        if file_format == "cyclonedx":
            files = {"bom.cdx.json": json.dumps(ml_bom_of(recorder, digest), indent=2).encode()}
        else:
            keys = application.keys
            files = in_toto_layout(recorder, digest, sign_layout=keys.sign_layout)
            files["owner.pub"] = keys.layout_pem()
    for name, data in files.items():
        write_durably(output / name, data)
    said = f"wrote {len(files)} file{'' if len(files) == 1 else 's'} to {output}"
    show_done(said, {"folder": str(output), "files": sorted(files)}, as_json=as_json)


def _write(path: Path, text: str) -> None:
    from govern.adapters.files import write_durably

    write_durably(path, text.encode())
