"""``govern log``: look into the logs, prove entries, export, have them witnessed, erase, reindex."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from govern.cli import log_erase, log_reconcile, log_replay, log_witness
from govern.cli.output import (
    JsonOption,
    new_app,
    opened,
    print_json,
    show_done,
    show_rows,
    show_value,
)
from govern.errors import ConflictError, InvalidRequestError

if TYPE_CHECKING:
    from govern.adapters.log_reading import PublishedLog
    from govern.transparency.trust import TrustRoot

app = new_app("Look into the logs; prove, export, have them witnessed, erase, reindex.")
LogOption = Annotated[
    str, typer.Option("--log", metavar="NAME", help="`lineage`, or a gate's name.")
]
IndexArgument = Annotated[int, typer.Argument(min=0, help="Log index, from 0.")]
ROWS_MAX = 10_000


@contextmanager
def published(name: str) -> Iterator[tuple[PublishedLog, TrustRoot]]:
    """Open a log of the home for reading, by the key that the trust file names.

    Raises:
        NotFoundError: there is no such log.
    """
    from govern.adapters.log_reading import open_published
    from govern.settings import Settings

    yield open_published(Settings.from_environment(os.environ).home, name)


@app.command()
def tail(
    log: LogOption = "lineage",
    rows: Annotated[int, typer.Option("-n", min=1, max=ROWS_MAX, help="How many.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """Show the newest entries, oldest of them first.

    Example: govern log tail -n 5 --log demo
    """
    with published(log) as (found, _):
        size = found.checkpoint().size
        start = max(0, size - rows)
        lines = [
            _entry_row(log, found, start + place, entry)
            for place, entry in enumerate(found.entries(start, size))
        ]
    lineage = {"index": "index", "kind": "kind", "subject": "subject", "payload": "payload"}
    gate = {"index": "index", "at": "at", "commitment": "commitment"}
    columns = lineage if log == "lineage" else gate
    show_rows(lines, columns, as_json=as_json, empty="the log is empty")


@app.command()
def show(index: IndexArgument, log: LogOption = "lineage", as_json: JsonOption = False) -> None:
    """Show one entry, and what stands in it.

    Example: govern log show 0
    """
    with published(log) as (found, _):
        row = _entry_row(log, found, index, found.entry(index))
        if log == "lineage":
            row["statement"] = _statement(found.bundle(index))
    if as_json:
        print_json(row)
        return
    statement = row.pop("statement", None)
    show_value(row, as_json=False)
    if statement is not None:
        print_json(statement)


@app.command()
def prove(
    index: IndexArgument,
    log: LogOption = "lineage",
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="File to write; else standard output.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write a C2SP tlog-proof of one entry; `govern verify` and others' tools read it.

    Example: govern log prove 3 -o third.tlog-proof
    """
    with published(log) as (found, _):
        text = found.prove(index).text()
    if output is None:
        typer.echo(text, nl=False)
        return
    write_new(output, text.encode())
    show_done(f"wrote {output}", {"file": str(output), "index": index, "log": log}, as_json=as_json)


@app.command()
def export(
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder to create.")],
    log: LogOption = "lineage",
    as_json: JsonOption = False,
) -> None:
    """Copy a log's public files, checked against its checkpoint, into a new folder.

    Example: govern log export -o lineage-log
    """
    from govern.adapters.log_export import export_log

    if output.exists():
        raise ConflictError(f"{output} exists; choose a new folder")
    with published(log) as (found, _):
        size = export_log(found, output, bundles=log == "lineage")
    show_done(
        f"exported {size} entries of {log} to {output}",
        {"folder": str(output), "log": log, "entries": size},
        as_json=as_json,
    )


@app.command()
def reindex(as_json: JsonOption = False) -> None:
    """Rebuild the database's index from the lineage log and the bundles beside it.

    Files are the truth: this works after the database was lost. People, tokens, jobs and
    questions to reviewers are in no statement; back the database up for those.

    Example: govern log reindex
    """
    from govern.cli.progress import bar
    from govern.services.indexing import rebuild

    with opened(migrate=True) as application, bar("verifying statements") as progress:
        count = rebuild(application.log, application.records, application.trust, progress)
    show_done(f"indexed {count} statements", {"statements": count}, as_json=as_json)


@app.command()
def anchor(
    gate: Annotated[
        str | None, typer.Option("--gate", metavar="NAME", help="Only this gate.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Put the state of the gates' logs into the lineage log, where each grew.

    The worker does this by itself (GOVERN_ANCHOR_SECONDS). A log that was rolled back or
    rewritten since is refused, and the others are anchored all the same.

    Example: govern log anchor
    """
    from dataclasses import asdict

    from govern.bootstrap import anchor_gates

    with opened() as application:
        found = anchor_gates(application, only=gate)
    columns = {"gate": "gate", "records": "records", "entry": "lineage entry", "problem": "problem"}
    rows = [asdict(row) for row in found]
    show_rows(rows, columns, as_json=as_json, empty="no gate keeps records in this home")
    if code := next((row.exit_code for row in found if row.problem), 0):
        raise typer.Exit(code)


def write_new(path: Path, data: bytes) -> None:
    """Write a whole file or none."""
    from govern.adapters.files import write_durably

    if path.is_dir():
        raise InvalidRequestError(f"{path} is a folder")
    write_durably(path, data)


def _entry_row(log: str, found: PublishedLog, index: int, entry: bytes) -> dict[str, Any]:
    from govern.transparency.encoding import b64

    if log != "lineage":
        from govern.domain.gate_record import parse_leaf

        seq, at_us, committed = parse_leaf(entry)
        return {"index": index, "sequence": seq, "at": _at(at_us), "commitment": b64(committed)}
    from govern.domain.predicates import name_of
    from govern.transparency.bundle import parse_bundle
    from govern.transparency.statement import parse_statement

    statement = parse_statement(parse_bundle(found.bundle(index)).payload)
    kind = name_of(statement.predicate_type)
    return {
        "index": index,
        "kind": kind,
        "subject": statement.subject,
        "payload": statement.digest,
        "entry_bytes": len(entry),
    }


def _at(at_us: int) -> str:
    from datetime import UTC, datetime, timedelta

    from govern.transparency.encoding import format_time

    return format_time(datetime.fromtimestamp(0, UTC) + timedelta(microseconds=at_us))


def _statement(bundle: bytes) -> Any:
    from govern.transparency.bundle import parse_bundle
    from govern.transparency.canonical import parse_json

    return parse_json(parse_bundle(bundle).payload)


log_witness.register(app)
log_erase.register(app)
log_reconcile.register(app)
log_replay.register(app)
