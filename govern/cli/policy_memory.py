"""``govern policy diff``, ``backtest`` and ``decisions``: a rule change and past decisions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from govern.cli.output import JsonOption, opened, print_json, show_done
from govern.errors import InvalidRequestError, MalformedError

if TYPE_CHECKING:
    from rich.console import Console

    from govern.adapters.decision_files import Progress
    from govern.policy.backtesting import Recorded, Replayed
    from govern.policy.diffing import Change
    from govern.policy.document import Pack

PoliciesOption = Annotated[
    Path | None,
    typer.Option("--policies", metavar="DIR", help="Packs in question (default: those in use)."),
]
FromOption = Annotated[
    Path | None,
    typer.Option(
        "--from", metavar="PATH", help="Decisions: JSON lines, a dossier or evidence folder."
    ),
]
TrustOption = Annotated[
    Path | None, typer.Option("--trust", metavar="FILE", help="Trust file, with a dossier.")
]
MarkdownOption = Annotated[bool, typer.Option("--markdown", help="Print Markdown for a comment.")]
COLOURS = {"denied": "red", "suspended": "red", "reviewed": "yellow", "allowed": "green"}
SHOWN_MAX = 50


def diff(
    old: Annotated[str, typer.Argument(help="A folder of packs, or a git revision.")],
    new: Annotated[str | None, typer.Argument(help="The same (default: --policies).")] = None,
    policies: PoliciesOption = None,
    source: FromOption = None,
    trust: TrustOption = None,
    as_json: JsonOption = False,
    markdown: MarkdownOption = False,
) -> None:
    """Say in words which rules changed, and which past decisions flip (with --from)."""
    from govern.policy.diffing import diff_packs

    folder = policies_folder(policies)
    before = named_packs(old, folder)
    after = named_packs(new, folder) if new else named_packs(str(folder), folder)
    changes = diff_packs(before, after)
    replayed = _replay(recorded(source, trust), after, before) if source else []
    flips = [item for item in replayed if item.effect != "same"]
    if as_json:
        rows = [change.to_json() for change in changes]
        print_json({"changes": rows, "flips": [item.to_json() for item in flips]})
        return
    typer.echo(diff_text(changes, markdown=markdown))
    if source:
        typer.echo(backtest_text(replayed, markdown=markdown))


def backtest(
    base: Annotated[
        str | None,
        typer.Option(metavar="REF", help="Compare with packs of a git revision or folder."),
    ] = None,
    policies: PoliciesOption = None,
    source: FromOption = None,
    trust: TrustOption = None,
    as_json: JsonOption = False,
    markdown: MarkdownOption = False,
) -> None:
    """Say what packs would have done to past decisions: denied, allowed, suspended, and when."""
    folder = policies_folder(policies)
    packs = named_packs(str(folder), folder)
    against = named_packs(base, folder) if base else None
    replayed = _replay(recorded(source, trust), packs, against)
    if as_json:
        rows = [item.to_json() for item in replayed]
        print_json({"decisions": len(rows), "effects": counts(replayed), "replayed": rows})
        return
    typer.echo(backtest_text(replayed, markdown=markdown))


def decisions(
    output: Annotated[Path, typer.Option("-o", "--output", help="JSON lines file to write.")],
    source: FromOption = None,
    trust: TrustOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write recorded decisions with the evidence they read, for back-tests elsewhere."""
    from govern.adapters.decision_files import write_lines
    from govern.adapters.files import write_durably

    found = recorded(source, trust)
    write_durably(output, write_lines(found))
    value = {"file": str(output), "decisions": len(found)}
    show_done(f"wrote {len(found)} decisions to {output}", value, as_json=as_json)


def policies_folder(given: Path | None) -> Path:
    """Return the folder of packs: what was given, GOVERN_POLICIES, or the shipped one.

    Raises:
        InvalidRequestError: there is no such folder.
    """
    import os

    from govern.settings import Settings

    folder = given or Settings.from_environment(os.environ).policies
    if not folder.is_dir():
        raise InvalidRequestError(f"there is no folder {folder}")
    return folder


def named_packs(text: str, folder: Path) -> list[Pack]:
    """Return the packs of a folder, or of a git revision of ``folder``."""
    from govern.adapters.git_packs import packs_at
    from govern.adapters.pack_files import load_packs

    return load_packs(Path(text)) if Path(text).is_dir() else packs_at(text, folder)


def recorded(source: Path | None, trust: Path | None) -> list[Recorded]:
    """Return past decisions from JSON lines, a dossier, an evidence folder, or the home.

    Raises:
        InvalidRequestError: a dossier without a trust file.
        MalformedError: no decision is there.
    """
    from govern.domain.assembling import StatementIndex
    from govern.services.remembering import recorded_decisions

    if source is None:
        with opened() as application:
            recorder = application.operations.recorder
            found = list(recorded_decisions(StatementIndex(recorder.every()), recorder.trust))
    elif source.suffix in (".jsonl", ".ndjson"):
        from govern.adapters.decision_files import read_lines

        found = list(read_lines(source))
    else:
        found = _from_evidence(source, trust)
    if not found:
        raise MalformedError("no decision is recorded there; nothing can be back-tested")
    return found


def _from_evidence(source: Path, trust: Path | None) -> list[Recorded]:
    from govern.adapters.evidence_files import read_evidence
    from govern.domain.evidence_folder import verified_statements
    from govern.services.remembering import recorded_decisions
    from govern.transparency.trust import TrustRoot

    if trust is None:
        raise InvalidRequestError("--from a dossier or folder needs --trust FILE")
    root = TrustRoot.from_json(trust.read_bytes())
    return list(recorded_decisions(verified_statements(read_evidence(source), root), root))


def _replay(
    past: Sequence[Recorded], packs: Sequence[Pack], base: Sequence[Pack] | None
) -> list[Replayed]:
    from govern.adapters.decision_files import backtest_all

    with progress_bar("decisions") as progress:
        return backtest_all(past, packs, base, progress)


@contextmanager
def progress_bar(what: str) -> Iterator[Progress]:
    """Yield a function that moves a bar on standard error; nothing where that is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def counts(replayed: Sequence[Replayed]) -> dict[str, int]:
    """Return how many decisions have each effect."""
    from govern.policy.backtesting import EFFECTS

    effects = [item.effect for item in replayed]
    return {effect: effects.count(effect) for effect in EFFECTS if effect in effects}


def diff_text(changes: Sequence[Change], *, markdown: bool) -> str:
    """Return the changes, grouped by pack and rule."""
    if not changes:
        return "no rule changed"
    lines, last = [], ""
    for change in changes:
        if change.where != last:
            lines.append(f"\n**{change.where}**\n" if markdown else change.where)
        lines.append(f"- {change.sentence}" if markdown else f"  {change.sentence}")
        last = change.where
    return "\n".join(lines).strip()


def backtest_text(replayed: Sequence[Replayed], *, markdown: bool) -> str:
    """Return the tally and the decisions that are touched."""
    said = ", ".join(f"{count} {effect}" for effect, count in counts(replayed).items())
    head = f"{len(replayed)} past decisions: {said}"
    touched = [item for item in replayed if item.effect != "same"]
    rows = [_row(item) for item in touched[:SHOWN_MAX]]
    more = len(touched) - len(rows)
    if markdown:
        lines = [f"### Back-test: {head}", ""]
        if rows:
            lines += [
                "| would have been | from | candidate | was | rules |",
                "|---|---|---|---|---|",
            ]
            lines += [
                "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows
            ]
        return "\n".join(lines + ([f"\nand {more} more"] if more else []))
    return head + ("\n" + _table(rows) if rows else "") + (f"and {more} more" if more else "")


def _row(item: Replayed) -> tuple[str, str, str, str, str]:
    since = item.since.isoformat() if item.since else ""
    name = item.recorded.name or item.recorded.candidate[:15]
    return item.effect, since, name, item.before, ", ".join(item.rules)


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    import io

    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("would have been", "from", "candidate", "was", "rules"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(Text(row[0], style=COLOURS.get(row[0], "")), *map(Text, row[1:]))
    console: Console = _console(io.StringIO())
    console.print(table)
    text: Any = console.file
    return str(text.getvalue())


def _console(file: Any) -> Console:
    import sys

    from rich.console import Console

    terminal = sys.stdout.isatty()
    return Console(file=file, force_terminal=terminal, width=None if terminal else 110)
