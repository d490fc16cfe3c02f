"""``govern lineage import``: sign what another tool recorded of its runs."""

from __future__ import annotations

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
    as_json: JsonOption = False,
) -> None:
    """Record what a tool tells of its training runs; telling it again changes nothing.

    Example: govern lineage import recorder out --by ada@bank.example
    """
    from dataclasses import asdict

    from govern.adapters.sources.finding import load_source
    from govern.adapters.sources.keeping import keep_in
    from govern.services.importing import record_run

    runs = load_source(source)(place, _options(option or []))
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
