"""``govern check compare``: what mitigations would cost on a candidate's evaluation data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from govern.cli.output import JsonOption, find_candidate, opened, show_rows, show_value
from govern.errors import ConflictError, InvalidRequestError


def compare(
    candidate: Annotated[str, typer.Argument(help="Name or digest.")],
    attribute: Annotated[
        str | None, typer.Option(help="Sensitive feature; the first one where none is named.")
    ] = None,
    svg: Annotated[Path | None, typer.Option(help="Draw the trade-off into this file.")] = None,
    seed: Annotated[int, typer.Option(help="Of split, draws and random answers.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Try Fairlearn's reductions and thresholds and show what each would cost.

    It assesses on half of the candidate's evaluation table; it promises nothing.
    Example: govern check compare loan-logistic --attribute race --svg trade-off.svg
    """
    from govern.checks import mitigation

    with opened() as application:
        digest = find_candidate(application, candidate)
        data = _evaluation(application, digest)
    name = attribute or str(data.sensitive.columns[0])
    if name not in data.sensitive:
        known = ", ".join(map(str, data.sensitive.columns))
        raise InvalidRequestError(f"no sensitive feature {name!r}; there are {known}")
    table = mitigation.prepare(data.features, data.labels, data.sensitive[name])
    rows = _with_progress(mitigation.compare(table, seed), len(mitigation.attempts(seed)), as_json)
    if svg is not None:
        _draw(rows, name, svg)
    if as_json:
        left_out = table.left_out
        show_value(
            {"candidate": digest, "attribute": name, "left_out": left_out, "attempts": rows},
            as_json=True,
        )
        return
    _print(rows, name, table.left_out)


def _evaluation(application: Any, digest: str) -> Any:
    from govern.adapters.check_data import load_evaluation
    from govern.domain import predicates

    found = [
        item
        for item in application.operations.recorder.about(digest)
        if item.kind == predicates.CANDIDATE
    ]
    evaluation = found[-1].statement.predicate.get("evaluation") if found else None
    if not isinstance(evaluation, str):
        raise ConflictError("the candidate's card names no evaluation data to compare on")
    kind = found[-1].statement.predicate.get("task", "binary")
    if kind != "binary":
        raise ConflictError(f"mitigations answer yes or no; the candidate's task is {kind}")
    return load_evaluation(application.blobs, evaluation, digest)


def _with_progress(rows: Any, total: int, quiet: bool) -> list[dict[str, Any]]:
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True, quiet=quiet)
    return list(track(rows, "fitting", total=total, console=console, transient=True))


def _print(rows: list[dict[str, Any]], attribute: str, left_out: int) -> None:
    shown = [
        {
            "attempt": row["name"],
            "accuracy": f"{row['accuracy']:.3f}",
            "approved": f"{row['selection_rate']:.1%}",
            "ratio": _interval(row["ratio"]),
            "moved": "; ".join(
                f"{item['group']} +{item['gain']} -{item['lose']}" for item in row["moved"]
            ),
            "note": _note(row),
        }
        for row in rows
    ]
    columns = {
        "attempt": "attempt",
        "accuracy": "accuracy",
        "approved": "approved",
        f"ratio by {attribute}": "ratio",
        "who gains and loses": "moved",
        "note": "note",
    }
    show_rows(shown, columns, as_json=False, empty="nothing was tried")
    print(
        f"Measured on {rows[0]['n']} people whom no attempt was fitted on; {left_out} of unknown "
        f"{attribute} are left out. An assessment: nothing here is a candidate."
    )


def _interval(ratio: dict[str, Any]) -> str:
    if ratio["value"] is None:
        return "none"
    return f"{ratio['value']:.3f} ({ratio['low']:.2f} to {ratio['high']:.2f})"


def _note(row: dict[str, Any]) -> str:
    notes = ["needs the attribute at inference"] if row["needs_attribute"] else []
    notes += ["answers are random"] if row["random"] else []
    return ", ".join(notes)


def _draw(rows: list[dict[str, Any]], attribute: str, path: Path) -> None:
    from govern.adapters.files import write_durably
    from reports.figures import trade_off

    points = [
        {"name": row["name"], "accuracy": row["accuracy"], "ratio": row["ratio"]["value"]}
        for row in rows
    ]
    drawing = trade_off(
        points,
        f"Accuracy against the selection-rate ratio by {attribute}",
        x_label="Accuracy",
        y_label="Selection-rate ratio",
    )
    write_durably(path, str(drawing.svg).encode())
