"""``govern report``: build reports as signed PDFs; compare a report with its own facts."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from govern.cli.output import JsonOption, find_candidate, new_app, opened, show_done

if TYPE_CHECKING:
    from reports.reprinting import Reprint

DIFFERS = 17
app = new_app("Build signed reports as PDF, with their evidence attached.")


@app.command()
def build(
    candidate: Annotated[
        str | None, typer.Argument(help="Name or digest; by default the one admitted last.")
    ] = None,
    kind: Annotated[
        str,
        typer.Option(
            help="`model-audit`, `bias-audit` (NYC Local Law 144), or `technical-documentation` "
            "(EU AI Act, Annex IV)."
        ),
    ] = "model-audit",
    language: Annotated[
        str, typer.Option(help="`en`, or `de` (German: words, dates and numbers).")
    ] = "en",
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", help="PDF to write.  [default: as report.pdf, report-de.pdf]"
        ),
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write the same as a web page, to publish.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Build, seal and record a report; takes some seconds.

    Example: govern report build loan-reduction -o audit.pdf
    """
    from rich.console import Console

    from govern.adapters.files import write_durably
    from govern.building import make_report
    from govern.services.report_form import ReportForm

    form, console = ReportForm(kind, language), Console(stderr=True)
    with opened() as application, console.status("building the report"):
        digest = find_candidate(application, candidate) if candidate else None
        made = make_report(application, digest, form)
    target = output or Path(f"{made.name}.pdf")
    write_durably(target, made.rendered.pdf)
    if html is not None:
        write_durably(html, made.rendered.html.encode())
    show_done(
        f"wrote {target}\nverify: govern verify {target} --trust trust.json",
        {
            "file": str(target),
            "digest": made.digest,
            "statement": made.statement,
            "kind": kind,
            "language": language,
        },
        as_json=as_json,
    )


@app.command()
def compare(
    file: Annotated[Path, typer.Argument(help="A report as PDF.")],
    as_json: JsonOption = False,
) -> None:
    """Lay a report's attached facts out again and name the pages that show something else.

    Exit 17 where any does. What the facts are worth, `govern verify` says.

    Example: govern report compare audit-report.pdf
    """
    from rich.console import Console

    from govern.errors import InvalidRequestError
    from reports.errors import ReportError
    from reports.reprinting import reprint

    try:
        with Console(stderr=True).status("laying the report out again"):
            found = reprint(file.read_bytes())
    except (OSError, ReportError) as error:
        raise InvalidRequestError(f"{file}: {error}") from None
    show_done(_said(found), dataclasses.asdict(found), as_json=as_json)
    if not found.same:
        raise typer.Exit(DIFFERS)


def _said(found: Reprint) -> str:
    if found.same:
        return f"all {found.pages} pages show the attached facts, byte for byte"
    if not found.differing:
        return "the pages draw the attached facts, but fonts, figures or texts differ"
    pages = ", ".join(map(str, found.differing))
    return f"these pages show something else than the attached facts: {pages}"
