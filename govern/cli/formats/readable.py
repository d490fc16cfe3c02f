"""For people and programs: a table, Markdown for step summaries, JSON."""

from __future__ import annotations

import io
import json

from govern.cli.formats.report import CiReport, is_advice, label
from govern.domain.decision import RuleResult

_COLOURS = {"allow": "green", "deny": "red", "review": "yellow"}
_WIDTH = 110


def as_json(report: CiReport) -> str:
    """Return the whole decision with its digest and the exit code."""
    value = {
        "outcome": report.decision.outcome,
        "exit_code": report.exit_code,
        "decision_digest": report.decision.digest,
        "candidate": report.decision.candidate,
        "name": report.name,
        "as_of": report.decision.as_of,
        "counts": report.counts(),
        "verified": list(report.notes),
        "decision": report.decision.to_json(),
    }
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def table(report: CiReport, *, colour: bool = False, width: int = _WIDTH) -> str:
    """Return what a person reads: every reason, then advice, counts and the digest."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("", "rule", "what was found"):
        shown.add_column(heading, overflow="fold")
    for rule in _against(report):
        word, style = _word(rule)
        found = Text(rule.message)
        if rule.fix:
            found.append(f"\nDo: {rule.fix}", style="dim")
        shown.add_row(Text(word, style=style), Text(label(rule)), found)
    out = io.StringIO()
    console = Console(
        file=out, width=width, force_terminal=colour, no_color=not colour, highlight=False
    )
    console.print(Text(report.headline, style=f"bold {_COLOURS[report.decision.outcome]}"))
    console.print(shown if shown.row_count else Text("every rule that applies holds"))
    for note in report.notes:
        console.print(Text(note, style="dim"))
    console.print(Text(f"decision {report.decision.digest} as of {report.decision.as_of}"))
    return out.getvalue()


def markdown(report: CiReport) -> str:
    """Return GitHub-flavoured Markdown for a job's step summary."""
    lines = [f"### govern ci: {_cell(report.headline)}", ""]
    against = _against(report)
    if against:
        lines += ["| | rule | what was found | to do |", "|---|---|---|---|"]
    for rule in against:
        cells = (_word(rule)[0], f"`{label(rule)}`", rule.message, rule.fix or "")
        lines.append("| " + " | ".join(map(_cell, cells)) + " |")
    lines += ["", f"Decision `{report.decision.digest}` as of {report.decision.as_of}.", ""]
    return "\n".join(lines)


def _against(report: CiReport) -> list[RuleResult]:
    advice = [rule for rule in report.decision.rules if is_advice(rule)]
    waived = [rule for rule in report.decision.rules if rule.status == "waived"]
    return [*report.decision.reasons(), *advice, *waived]


def _word(rule: RuleResult) -> tuple[str, str]:
    if rule.status == "waived":
        return "waived", "cyan"
    if is_advice(rule):
        return "advice", "blue"
    return rule.effect, _COLOURS[rule.effect]


def _cell(text: str) -> str:
    safe = text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
    return " ".join(safe.split())
