"""How lineage and recall read on a terminal, and as files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from govern.domain.lineage_reading import WORDS
from reports.lineage_figure import lineage, natural_width

if TYPE_CHECKING:
    from rich.tree import Tree

View = Mapping[str, Any]
DEPTH_MAX = 200


def print_tree(view: View) -> None:
    """Print what something came from and what followed, and the gaps in words."""
    from rich.console import Console
    from rich.markup import escape
    from rich.tree import Tree

    shown = drawn(view)
    nodes = {node["id"]: node for node in shown["nodes"]}
    seeds = [id_ for id_ in view["target"]["seeds"] if id_ in nodes]
    root = Tree(f"[bold]{escape(view['target']['text'])}[/]  {view['target']['digest']}")
    for title, backwards in (("came from", True), ("led to", False)):
        after: dict[str, list[str]] = {}
        for source, target in shown["edges"]:
            start, end = (target, source) if backwards else (source, target)
            after.setdefault(start, []).append(end)
        branch, seen = root.add(f"[dim]{title}[/]"), set[str]()
        first = [id_ for id_ in seeds if not _reached(id_, seeds, after)]
        for id_ in first or seeds:
            _grow(branch, id_, nodes, after, seen)
    console = Console()
    console.print(root)
    console.print(_gaps_sentence(view["gaps"]))
    for gap in view["gaps"]:
        console.print(f"  [red]missing[/] {escape(gap['sentence'])}")


def _reached(id_: str, seeds: Sequence[str], after: Mapping[str, Sequence[str]]) -> bool:
    return any(id_ in after.get(other, ()) for other in seeds if other != id_)


def _grow(
    branch: Tree,
    id_: str,
    nodes: Mapping[str, View],
    after: Mapping[str, Sequence[str]],
    seen: set[str],
    depth: int = 0,
) -> None:
    again = id_ in seen
    twig = branch.add(_node_line(nodes[id_]) + ("  [dim](see above)[/]" if again else ""))
    seen.add(id_)
    if not again and depth < DEPTH_MAX:
        for other in after.get(id_, ()):
            _grow(twig, other, nodes, after, seen, depth + 1)


def _node_line(node: View) -> str:
    from rich.markup import escape

    where = "" if node["log_index"] is None else f" · entry {node['log_index']}"
    return (
        f"{WORDS[node['kind']]} [bold]{escape(node['label'])}[/] "
        f"[dim]{node['digest'][7:15]} {escape(node['by'])}{where}[/]"
    )


def _gaps_sentence(gaps: Sequence[View]) -> str:
    if not gaps:
        return "Complete: every statement that is quoted is recorded."
    return f"{len(gaps)} gap{'' if len(gaps) == 1 else 's'}:"


def drawn(view: View) -> dict[str, Any]:
    """Return a lineage as pictures show it: quoted folder signatures are left out."""
    sources = {source for source, _ in view["edges"]}
    hidden = {n["id"] for n in view["nodes"] if n["kind"] == "signature" and n["id"] in sources}
    nodes = [node for node in view["nodes"] if node["id"] not in hidden]
    known = {node["id"] for node in nodes}
    return {"nodes": nodes, "edges": [edge for edge in view["picture"] if set(edge) <= known]}


def written(view: View, file_format: str) -> str:
    """Return a lineage as the text of a ``json``, ``svg`` or ``dot`` file."""
    if file_format == "svg":
        return svg(view)
    if file_format == "dot":
        return dot(view)
    return json.dumps(view, indent=2, ensure_ascii=False) + "\n"


def svg(view: View) -> str:
    """Return a lineage as an SVG file with title, description and text."""
    shown = drawn(view)
    known = {node["id"] for node in shown["nodes"]}
    missing = [
        {"id": f"gap:{at}", "kind": gap["kind"], "label": gap["what"], "asked_by": asker}
        for at, gap in enumerate(view["gaps"])
        for asker in [id_ for id_ in gap["asked_by"] if id_ in known][:1]
    ]
    return lineage(
        shown["nodes"],
        shown["edges"],
        f"Lineage of {view['target']['text']}",
        kind_word=lambda kind: WORDS.get(kind, kind),
        missing=missing,
        width=natural_width(shown["nodes"], missing),
    ).svg


def dot(view: View) -> str:
    """Return a lineage in Graphviz's DOT language."""
    shown = drawn(view)
    lines = ["digraph lineage {", "  rankdir=LR;", "  node [shape=box];"]
    for node in shown["nodes"]:
        label = _quoted(f"{WORDS[node['kind']]}\n{node['label']}\n{node['digest'][7:15]}")
        lines.append(f"  {_quoted(node['id'])} [label={label}];")
    lines += [f"  {_quoted(source)} -> {_quoted(target)};" for source, target in shown["edges"]]
    return "\n".join([*lines, "}", ""])


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def print_recall(found: View) -> None:
    """Print a recall: tables, totals in sentences, what was done, what to do next."""
    from rich.console import Console
    from rich.markup import escape

    console = Console()
    for title, rows, columns in (
        ("Started from", found["started_from"], ("kind", "label", "role", "by", "at")),
        ("Models", found["models"], ("label", "candidate", "by", "at")),
        ("Votes", found["approvals"], ("label", "by", "at")),
        (
            "Admissions",
            found["admissions"],
            ("deployment", "status", "expires_at", "answers", "refusals", "failures"),
        ),
        ("Suspensions", found.get("suspensions", ()), ("deployment", "result", "problem")),
    ):
        if rows:
            _table(console, title, rows, columns)
    for sentence in sentences(found):
        console.print(escape(sentence), soft_wrap=True)
    console.print("Next:")
    for step in found["next"]:
        console.print(f"  - {escape(step)}", soft_wrap=True)


def _table(console: Any, title: str, rows: Sequence[View], columns: Sequence[str]) -> None:
    from rich.table import Table
    from rich.text import Text

    from govern.cli.output import short

    table = Table(box=None, header_style="bold", pad_edge=False, title=title, title_justify="left")
    for name in columns:
        right = name in ("answers", "refusals", "failures")
        table.add_column(
            name.replace("_", " "), justify="right" if right else "left", overflow="fold"
        )
    for row in rows:
        values = (str(row.get(name, "")) for name in columns)
        table.add_row(*(Text(short(value)) for value in values))
    console.print(table)
    console.print()


def sentences(found: View) -> list[str]:
    """Return a recall's totals as plain sentences."""
    total = found["totals"]
    found_here = (
        f"{found['target']['text']} touches {_many(total['models'], 'model')}, "
        f"{_many(total['approvals'], 'vote')} and {_many(total['admissions'], 'admission')} "
        f"to {_many(total['deployments'], 'deployment')}; {total['live']} of them live."
    )
    left = (
        f"{_many(total['answers'], 'answer')} left under them, "
        f"{_many(total['refusals'], 'request')} refused and {total['failures']} failed."
    )
    said = [found_here, left]
    if total["erased_in_these_gates"]:
        said.append(
            f"{_many(total['erased_in_these_gates'], 'record')} in these gates "
            "erased: which admission they stand under can no longer be told."
        )
    said += [
        f"The gate {gate['gate']} is not counted in full: {gate['problem']}."
        for gate in found["gates"]
        if gate["problem"]
    ]
    if found.get("statement"):
        said.append(f"The recall is recorded as {found['statement']}.")
    return said


def _many(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"
