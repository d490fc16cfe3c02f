"""``govern report``: build the audit report, or the summary of a bias audit, as a signed PDF."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from govern.cli.output import JsonOption, find_candidate, new_app, opened, show_done

app = new_app("Build signed reports as PDF, with their evidence attached.")


@app.callback()
def _group() -> None:
    """Keep ``build`` a command of its own."""


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
