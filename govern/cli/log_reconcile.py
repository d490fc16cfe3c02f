"""``govern log reconcile``: compare what gates, their logs and upstreams counted."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from govern.cli.output import JsonOption, show_rows
from govern.errors import CompletenessError, InvalidRequestError

if TYPE_CHECKING:
    from govern.services.reconciling import Logged, Samples

PAGE_BYTES_MAX = 16 << 20
PUBLISHED_SECONDS = 5.0


def register(app: typer.Typer) -> None:
    """Add the command to ``govern log``."""
    app.command()(reconcile)


def reconcile(
    log: Annotated[
        str | None, typer.Option("--log", metavar="NAME", help="Only this gate; default all.")
    ] = None,
    gate: Annotated[
        str | None, typer.Option("--gate", metavar="URL", help="The running gate's address.")
    ] = None,
    upstream: Annotated[
        list[str] | None,
        typer.Option(
            "--upstream",
            metavar="DEPLOYMENT=N",
            help="Requests since the gate's start, as the upstream counted; repeatable.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare counts of gate, log and upstream while no requests are under way.

    Exit code 16 where they do not agree.

    Example: govern log reconcile --gate http://127.0.0.1:8181 --upstream iris=1200
    """
    from govern.adapters.gate_erasing import gates_with
    from govern.adapters.http_reading import fetch_page
    from govern.services.reconciling import compare, compare_upstreams, of_gate, read_metrics
    from govern.settings import Settings

    told = _told(upstream or [])
    if told and gate is None:
        raise typer.BadParameter("--upstream needs --gate: what it sent is compared")
    home = Settings.from_environment(os.environ).home
    page = None
    if gate is not None:
        data = fetch_page(gate.rstrip("/") + "/gate/metrics", PAGE_BYTES_MAX)
        page = read_metrics(data.decode("utf-8", "replace"))
    parts: list[tuple[str, Samples]] = []
    rows = []
    for folder in gates_with(home, log):
        samples = None if page is None else of_gate(page, folder.name)
        if samples is not None and not samples:
            raise InvalidRequestError(f"{gate} does not speak for the gate {folder.name}")
        if samples is not None:
            parts.append((folder.name, samples))
        rows += compare(folder.name, _logged(home, folder, samples), samples)
    rows += compare_upstreams(parts, told)
    columns = {"gate": "gate", "what": "what", "gate counted": "counted", "in the log": "logged",
               "upstream counted": "upstream", "agree": "agrees"}  # fmt: skip
    show_rows(rows, columns, as_json=as_json, empty="nothing to compare")
    wrong = [row for row in rows if not row.agrees]
    if wrong:
        raise CompletenessError(f"{len(wrong)} of {len(rows)} counts do not agree")


def _told(texts: list[str]) -> dict[str, int]:
    found = {}
    for text in texts:
        name, separator, count = text.partition("=")
        if not separator or not count.isdigit() or len(count) > 15:
            raise typer.BadParameter(f"--upstream is DEPLOYMENT=N, got {text[:80]!r}")
        found[name] = int(count)
    return found


def _logged(home: Path, folder: Path, samples: Samples | None) -> Logged:
    """Count what a gate's folder holds; a running gate has a moment to publish it."""
    from collections import Counter

    from govern.adapters.gate_files import read_records
    from govern.adapters.log_reading import open_published
    from govern.services.reconciling import Logged, records_at_start
    from govern.transparency.canonical import parse_json

    start = 0 if samples is None else records_at_start(samples)
    kinds: Counter[str] = Counter()
    records = 0
    for index, item in enumerate(read_records(folder)):
        records += 1
        if index >= start and item is not None:
            record: Any = parse_json(item.record)
            kinds[record["kind"]] += 1
    end = time.monotonic() + PUBLISHED_SECONDS
    published = open_published(home, folder.name)[0].checkpoint().size
    while samples is not None and published < records and time.monotonic() < end:
        time.sleep(0.1)
        published = open_published(home, folder.name)[0].checkpoint().size
    return Logged(kinds, records, published)
