"""``govern lineage import``: sign what another tool recorded of its runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from govern.cli.output import ByOption, JsonOption, opened, print_json
from govern.errors import InvalidRequestError


def import_runs(
    source: Annotated[str, typer.Argument(help="Which tool; `govern lineage sources` lists them.")],
    place: Annotated[str, typer.Argument(help="Folder, file or address, as that source takes it.")],
    by: ByOption,
    option: Annotated[
        list[str] | None, typer.Option(help="key=value for the source; repeatable.")
    ] = None,
    review: Annotated[
        list[Path] | None,
        typer.Option(help="Event file of GitHub or GitLab about the code; repeatable."),
    ] = None,
    people: Annotated[
        Path | None, typer.Option(help="JSON: login to e-mail address, for --review.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Record what a tool tells of its training runs; telling it again changes nothing.

    Example: govern lineage import recorder out --by ada@bank.example
    """
    from dataclasses import asdict

    from govern.adapters.sources.ci_events import review_in
    from govern.adapters.sources.finding import load_source
    from govern.adapters.sources.keeping import keep_in
    from govern.domain.code_review import with_review
    from govern.services.importing import record_run

    runs = load_source(source)(place, _options(option or []))
    if review:
        told = review_in(review, people)
        runs = [with_review(run, told) for run in runs]
    with opened() as application:
        recorder, keep = application.operations.recorder, keep_in(application.blobs)
        found = [record_run(recorder, run, signer=by, keep=keep) for run in runs]
    if as_json:
        print_json([asdict(item) for item in found])
        return
    for item in found:
        _tell(asdict(item))


def list_sources(as_json: JsonOption = False) -> None:
    """List the sources of lineage that are installed."""
    from govern.adapters.sources.finding import sources
    from govern.cli.output import show_rows

    rows = [{"source": name, "reads": point.value} for name, point in sorted(sources().items())]
    show_rows(rows, {"source": "source", "reads": "reads"}, as_json=as_json, empty="none")


def settle_events(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Files of OpenLineage events, one a line.")
    ] = None,
    by: Annotated[str, typer.Option(metavar="EMAIL", help="Who tells what the files say.")] = "",
    now: Annotated[bool, typer.Option("--now", help="Wait for no stragglers.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Sign the pipeline runs whose OpenLineage events say that they have ended.

    A worker does so by itself. Example: govern lineage settle events.jsonl --by ada@bank.example
    """
    from datetime import timedelta

    from govern.adapters.lineage_inbox import LineageInbox
    from govern.adapters.sources import openlineage_inbox as inboxes
    from govern.services.pipelines import GRACE

    if files and not by:
        raise InvalidRequestError("files need --by EMAIL: who tells what they say")
    with opened() as application:
        inbox, recorder = LineageInbox(application.home), application.operations.recorder
        for path in files or ():
            for data in inboxes.events_in(path):
                inboxes.receive(inbox, data, sender=by, now=recorder.clock())
        found = inboxes.settle_inbox(
            inbox, recorder, application.blobs,
            signer=application.operations.identities["service"],
            grace=timedelta(0) if now or files else GRACE,
        )  # fmt: skip
    rows = [{"run": item.statement.predicate["run_id"], "job": item.statement.predicate["job"],
             "state": item.statement.predicate["state"], "statement": item.digest,
             "gaps": len(item.statement.predicate["gaps"]),
             "marks": list(item.statement.predicate["marks"])} for item in found.made]  # fmt: skip
    _tell_settled(rows, len(found.waiting), as_json=as_json)


def _tell_settled(rows: list[dict[str, Any]], waiting: int, *, as_json: bool) -> None:
    from govern.cli.output import show_rows

    if as_json:
        print_json({"signed": rows, "waiting": waiting})
        return
    columns = {"run": "run", "job": "job", "state": "state", "gaps": "gaps", "marks": "marks"}
    show_rows(rows, columns, as_json=False, empty="no run has ended")
    if waiting:
        print(f"{waiting} events wait for their run to end")


def _tell(item: dict[str, Any]) -> None:
    said = "recorded" if item["new"] else "was on record already:"
    print(f"{said} run {item['run_id']} of {item['model']}")
    for name in ("gaps", "marks"):
        for sentence in item[name]:
            print(f"  {name[:-1]}: {sentence}")


def _options(texts: list[str]) -> dict[str, str]:
    found = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise InvalidRequestError(f"--option is key=value, got {text[:80]!r}")
        found[key] = value
    return found
