"""``govern log replay``: ask the archived model again what is on record, and compare."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from govern.cli.output import JsonOption, opened, show_rows, show_value
from govern.errors import DigestMismatchError, NotFoundError
from govern.transparency.tiles import TILE_WIDTH

if TYPE_CHECKING:
    from govern.adapters.log_reading import PublishedLog
    from govern.bootstrap import Application
    from govern.domain.gate_archive import ArchivedRecord

SAMPLE = 1_000
DEVICES = ("", "cpu", "cuda")
DIVERGENT = 18


@dataclass(frozen=True, slots=True)
class Pick:
    """Which records of a log are asked again."""

    how: Mapping[str, Any]
    count: int
    wanted: Callable[[int], bool]


def register(app: typer.Typer) -> None:
    """Add the command to ``govern log``."""
    app.command()(replay)


def replay(
    log: Annotated[
        str | None, typer.Option("--log", metavar="NAME", help="Only this gate; default all.")
    ] = None,
    index: Annotated[int | None, typer.Option(min=0, help="One record, with --log.")] = None,
    sample: Annotated[int, typer.Option(min=1, help="Records drawn from each log.")] = SAMPLE,
    everything: Annotated[bool, typer.Option("--all", help="Every record instead.")] = False,
    seed: Annotated[int, typer.Option(help="Of the draw.")] = 0,
    tolerance: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Largest difference of a score that is close.")
    ] = 1e-6,
    device: Annotated[
        str, typer.Option(help="cpu or cuda; by default what the model's card asks for.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Ask archived models again what gates have on record; the outcome becomes a statement.

    An answer is exact, close (the same labels, scores within the tolerance) or divergent.
    Exit code 18 where one diverges.

    Example: govern log replay --log demo --sample 200
    """
    from govern.adapters.gate_erasing import gates_with

    if device not in DEVICES:
        raise typer.BadParameter(f"--device is cpu or cuda, not {device!r:.20}")
    if index is not None and log is None:
        raise typer.BadParameter("--index needs --log: a record is one of a gate's")
    with opened() as application, ExitStack() as stack:
        found = [
            _replay(
                application,
                stack,
                gate,
                _picker(index, everything, sample, seed),
                tolerance,
                device,
            )
            for gate in gates_with(application.home, log)
        ]
    if not found:
        raise NotFoundError("no gate here keeps records")
    _show(found, as_json=as_json)
    if any(one["counts"]["divergent"] for one in found):
        raise typer.Exit(DIVERGENT)


def _picker(index: int | None, everything: bool, sample: int, seed: int) -> Callable[[int], Pick]:
    """Return what picks records of a log of so many."""

    def pick(size: int) -> Pick:
        if index is not None:
            if index >= size:
                raise NotFoundError(f"the log has {size} published records, no record {index}")
            return Pick({"how": "one", "index": index}, 1, index.__eq__)
        if everything or sample >= size:
            return Pick({"how": "all", "size": size}, size, range(size).__contains__)
        chosen = set(random.Random(seed).sample(range(size), sample))
        how = {"how": "sample", "size": size, "sample": sample, "seed": seed}
        return Pick(how, sample, chosen.__contains__)

    return pick


def _replay(
    application: Application,
    stack: ExitStack,
    gate: Path,
    picker: Callable[[int], Pick],
    tolerance: float,
    device: str,
) -> dict[str, Any]:
    from govern.adapters.log_reading import open_published
    from govern.adapters.replay_hosts import ArchivedModel, open_archived
    from govern.cli.progress import bar
    from govern.services import replaying

    operations, log = application.operations, open_published(application.home, gate.name)[0]

    def host(candidate: str) -> ArchivedModel:
        return open_archived(stack, application.blobs, operations.check_files(candidate), device)

    size, done = log.checkpoint().size, 0
    pick = picker(size)
    with bar(f"replaying {gate.name}") as progress:

        def count(more: int) -> None:
            nonlocal done
            done += more
            progress(done, pick.count)

        outcome = replaying.replay(
            _logged(log, size, gate, pick), host, tolerance=tolerance, progress=count
        )
    statement = replaying.record_replay(
        operations.recorder, outcome, origin=log.origin, picked=pick.how, tolerance=tolerance,
        signer=operations.identities["evaluator"],
    )  # fmt: skip
    return {
        "gate": gate.name,
        "origin": log.origin,
        "picked": dict(pick.how),
        "counts": {name: outcome.counts[name] for name in replaying.OUTCOMES},
        "not_replayed": dict(outcome.reasons),
        "rows": outcome.rows,
        "largest_gap": outcome.worst,
        "divergent": outcome.divergent,
        "ran_on": outcome.devices,
        "statement": statement,
    }


def _logged(
    log: PublishedLog, size: int, gate: Path, pick: Pick
) -> Iterator[ArchivedRecord | None]:
    """Yield the picked records, each compared with the log's own leaf.

    Raises:
        DigestMismatchError: a record is not the one that the log holds.
    """
    from govern.adapters.gate_files import read_records
    from govern.domain.gate_record import parse_leaf

    @lru_cache(maxsize=1)
    def bundle(place: int) -> list[bytes]:
        return log.entry_bundle(place, min(TILE_WIDTH, size - place * TILE_WIDTH))

    for item in read_records(gate, pick.wanted):
        if item is not None:
            place, at = divmod(parse_leaf(item.leaf)[0], TILE_WIDTH)
            if bundle(place)[at] != item.leaf:
                raise DigestMismatchError(
                    f"record {place * TILE_WIDTH + at} of {gate.name} is not the one in its log"
                )
        yield item


def _show(found: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        show_value({"gates": found}, as_json=True)
        return
    rows = [
        {
            "gate": one["gate"],
            **one["counts"],
            "rows": one["rows"],
            "gap": f"{one['largest_gap']:.2g}",
            "statement": one["statement"],
        }
        for one in found
    ]
    columns = {
        "gate": "gate", "exact": "exact", "close": "close", "divergent": "divergent",
        "not replayed": "not replayed", "rows": "rows", "largest gap": "gap",
        "statement": "statement",
    }  # fmt: skip
    show_rows(rows, columns, as_json=False, empty="no gate here keeps records")
    for one in found:
        for why, count in one["not_replayed"].items():
            print(f"{one['gate']}: {count} not replayed: {why}")
        for item in one["divergent"][:10]:
            print(
                f"{one['gate']}: record {item['index']} diverges: {item['labels_changed']} of "
                f"{item['rows']} labels differ, scores by up to {item['gap']}"
            )
