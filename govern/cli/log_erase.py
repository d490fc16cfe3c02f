"""``govern log erase``: erase a subject's payloads, or one record's, and put that on record."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from govern.cli.output import ByOption, JsonOption, ReasonOption, opened, show_rows
from govern.errors import NotFoundError

if TYPE_CHECKING:
    from datetime import datetime

    from govern.adapters.gate_erasing import GateEraser
    from govern.bootstrap import Application

KINDS = ("subject", "caller")


def register(app: typer.Typer) -> None:
    """Add the command to ``govern log``."""
    app.command()(erase)


def erase(
    by: ByOption,
    reason: ReasonOption,
    subject: Annotated[
        str | None,
        typer.Argument(help="`subject:NAME` as `Govern-Subject` said, `caller:NAME`, or a NAME."),
    ] = None,
    index: Annotated[int | None, typer.Option(min=0, help="Or one record, with --log.")] = None,
    deployment: Annotated[
        str | None, typer.Option(help="Or what is too old of a deployment, with --older-than.")
    ] = None,
    older_than: Annotated[
        int | None, typer.Option(min=1, metavar="DAYS", help="How long its payloads are kept.")
    ] = None,
    log: Annotated[
        str | None, typer.Option("--log", metavar="NAME", help="Only this gate; default all.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Erase what gates keep of a subject, for good; every leaf and proof stays valid.

    Copies elsewhere, such as backups and dossiers handed out, are not reached.

    With --deployment and --older-than, the payloads that a purpose no longer needs: run it daily.

    Example: govern log erase subject:maria --by carla@bank.example --reason "Art. 17 GDPR"
    """
    from govern.adapters.gate_erasing import gates_with

    wanted = [subject is not None, index is not None, deployment is not None]
    incomplete = (index is not None and log is None) or (deployment is None) != (older_than is None)
    if sum(wanted) != 1 or incomplete:
        raise typer.BadParameter(
            "name a SUBJECT, or --index N with --log NAME, or --deployment NAME with --older-than DAYS"
        )
    if subject is not None and subject.partition(":")[0] not in KINDS:
        subject = f"subject:{subject}"
    rows: list[dict[str, Any]] = []
    with opened() as application:
        for gate in gates_with(application.home, log):
            chosen = _Chosen(subject, index, deployment, older_than)
            rows += _erase_in(application, gate, chosen, reason, by)
    if not rows and deployment is None:
        raise NotFoundError(f"no gate here keeps anything under {subject}")
    columns = {"gate": "gate", "records erased": "records", "log size": "size", "root": "root"}
    show_rows(rows, columns, as_json=as_json, empty="nothing was erased")


@dataclass(frozen=True, slots=True)
class _Chosen:
    """What is to be erased: one of a subject, a record, or a deployment's old payloads."""

    subject: str | None
    index: int | None
    deployment: str | None
    days: int | None

    def of(self, eraser: GateEraser, now: datetime) -> tuple[tuple[str, ...], tuple[int, ...]]:
        """Return key ids (hexadecimal) and record indexes in one gate."""
        if self.subject is not None:
            return tuple(item.key_id.hex() for item in eraser.keys_of(self.subject)), ()
        if self.index is not None:
            return (), (self.index,)
        assert self.deployment is not None
        assert self.days is not None
        return (), tuple(eraser.indexes_of(self.deployment, now - timedelta(days=self.days)))


def _erase_in(
    application: Application,
    gate: Path,
    chosen: _Chosen,
    reason: str,
    by: str,
) -> list[dict[str, Any]]:
    """Finish what an earlier run left, then erase in one gate; return a row for each erasure."""
    from govern.adapters.gate_erasing import Erasing, GateEraser

    eraser, rows = GateEraser(gate), []
    unfinished = eraser.unfinished()
    if unfinished is not None:
        rows.append(_carry_out(application, gate, eraser, unfinished))
    key_ids, indexes = chosen.of(eraser, application.operations.recorder.clock())
    if not key_ids and not indexes:
        return rows
    asked = Erasing(key_ids, indexes, reason, by)
    eraser.begin(asked)
    return [*rows, _carry_out(application, gate, eraser, asked)]


def _carry_out(application: Application, gate: Path, eraser: Any, erasing: Any) -> dict[str, Any]:
    from govern.adapters.log_reading import open_published
    from govern.cli.progress import bar
    from govern.services.erasing import prove_still_there, record_erasure

    log = open_published(application.home, gate.name)[0]
    gone = eraser.erase(erasing)
    if not gone and erasing.indexes:
        eraser.finish()
        raise NotFoundError(f"the gate {gate.name} has no record {erasing.indexes[0]}")
    operations = application.operations
    statements = record_erasure(
        operations.recorder, log.origin, gone, reason=erasing.reason, by=erasing.by,
        signer=operations.identities["service"],
    )  # fmt: skip
    eraser.finish()
    with bar("proving leaves") as progress:
        checkpoint = prove_still_there(log, gone, progress)
    return {
        "gate": gate.name,
        "records": len(gone),
        "size": checkpoint.size,
        "root": f"sha256:{checkpoint.root.hex()}",
        "statements": statements,
    }
