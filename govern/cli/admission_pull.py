"""``govern admission pull``: fetch the admitted model for a server's start, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from govern.cli.output import JsonOption, opened, show_done
from govern.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from govern.adapters.artifact_copies import Blocks
    from govern.domain.snapshot import Route

SNAPSHOT_BYTES_MAX = 64 << 20


def register(app: typer.Typer) -> None:
    """Add the command to ``govern admission``."""
    app.command()(pull)


def pull(
    wanted: Annotated[str, typer.Argument(help="Deployment, or the model's digest.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder to create.")],
    snapshot: Annotated[
        str | None,
        typer.Option(
            metavar="URL|FILE", help="The control plane's snapshot; default: this home's."
        ),
    ] = None,
    trust: Annotated[Path | None, typer.Option(help="Trust file; needed with --snapshot.")] = None,
    source: Annotated[
        Path | None,
        typer.Option(help="Folder with the model's files, trusted for nothing; with --snapshot."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Copy the model that is admitted now into a new folder; refuse any other bytes.

    Exit code 15 where the admission is suspended, revoked or over, 17 where bytes differ.

    Example: govern admission pull iris -o /models/iris && exec model-server /models/iris
    """
    from govern.adapters.artifact_copies import copy_exactly

    if len({snapshot is None, trust is None, source is None}) != 1:
        raise typer.BadParameter("--snapshot, --trust and --source go together, or none of them")
    if snapshot is None or trust is None or source is None:
        route, files = _from_home(wanted)
    else:
        route, files = _from_elsewhere(wanted, snapshot, trust, source)
    copy_exactly(files, output, route.candidate)
    value = {"deployment": route.deployment, "model": route.candidate, "folder": str(output),
             "admission": route.admission}  # fmt: skip
    show_done(f"{route.deployment}: {route.candidate} is in {output}", value, as_json=as_json)


def _from_home(wanted: str) -> tuple[Route, Mapping[str, Blocks]]:
    from govern.services.pulling import admitted_now

    with opened() as application:
        operations = application.operations
        recorder = operations.recorder
        document = operations.snapshot_document()
        route = admitted_now(document, recorder.trust, wanted, recorder.clock())
        named = operations.check_files(route.candidate)
        blobs = {name: application.blobs.get(digest) for name, digest in named.items()}
    return route, {name: lambda data=data: iter((data,)) for name, data in blobs.items()}


def _from_elsewhere(
    wanted: str, snapshot: str, trust: Path, source: Path
) -> tuple[Route, Mapping[str, Blocks]]:
    from datetime import UTC, datetime

    from govern.adapters.artifact_copies import files_of
    from govern.adapters.http_reading import fetch_page
    from govern.services.pulling import admitted_now
    from govern.transparency.trust import TrustRoot

    trusted = TrustRoot.from_json(_read(trust))
    document = (
        fetch_page(snapshot, SNAPSHOT_BYTES_MAX) if "://" in snapshot else _read(Path(snapshot))
    )
    return admitted_now(document, trusted, wanted, datetime.now(UTC)), files_of(source)


def _read(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(SNAPSHOT_BYTES_MAX)
    except OSError as error:
        raise InvalidRequestError(f"{path}: {error.strerror}") from None
