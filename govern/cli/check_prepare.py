"""``govern check prepare``: store the tables that a candidate is checked on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from govern.cli.output import JsonOption, opened, show_done
from govern.errors import InvalidRequestError


def prepare(
    test: Annotated[Path, typer.Argument(help="CSV: one row a case, inputs and label.")],
    label: Annotated[str, typer.Option(help="Column of the recorded outcome.")],
    sensitive: Annotated[
        Path | None, typer.Option(help="CSV of sensitive features by subject id.")
    ] = None,
    subject: Annotated[
        str | None, typer.Option(help="Column of the subject id, in all the tables.")
    ] = None,
    group: Annotated[
        list[str] | None, typer.Option(help="Column of the test table that is sensitive.")
    ] = None,
    leaking: Annotated[
        list[str] | None, typer.Option(help="Column known only afterwards; left out.")
    ] = None,
    stratum: Annotated[
        list[str] | None, typer.Option(help="Column inside which groups are compared again.")
    ] = None,
    sentinel: Annotated[
        list[str] | None, typer.Option(help="COLUMN=VALUE that means missing.")
    ] = None,
    direction: Annotated[
        list[str] | None, typer.Option(help="FEATURE=+ or FEATURE=-, as declared.")
    ] = None,
    train: Annotated[
        Path | None, typer.Option(help="CSV the model learnt from: overlap and drift.")
    ] = None,
    validation: Annotated[Path | None, typer.Option(help="CSV it was chosen on.")] = None,
    recent: Annotated[Path | None, typer.Option(help="CSV of recent traffic: drift.")] = None,
    positive: Annotated[str, typer.Option(help="What the positive outcome is called.")] = "approve",
    as_json: JsonOption = False,
) -> None:
    """Store evaluation tables and print their digest, for `evaluation` in a candidate's card.

    Sensitive features lie in a table of their own and never enter the model's inputs.
    Example: govern check prepare test.csv --label approve --subject id --sensitive people.csv
    """
    from govern.adapters.check_data import store_evaluation
    from govern.adapters.evaluation_tables import Roles, prepared

    roles = Roles(
        label=label, subject=subject, groups=tuple(group or ()), leaking=tuple(leaking or ()),
        strata=tuple(stratum or ()), sentinels=_numbers(sentinel or [], "--sentinel"),
    )  # fmt: skip
    given = {"train": train, "validation": validation, "recent": recent}
    parts = {name: path for name, path in given.items() if path is not None}
    tables = prepared(test, sensitive, roles, parts)
    with opened() as application:
        digest = store_evaluation(
            application.blobs,
            **tables,
            directions=_pairs(direction or [], "--direction"),
            positive=positive,
        )
    rows = len(tables["labels"])
    value = {"evaluation": digest, "rows": rows, "profile": tables["profile"]}
    show_done(f"stored {rows} rows; evaluation {digest}", value, as_json=as_json)


def _pairs(given: list[str], option: str) -> dict[str, str]:
    found = {}
    for text in given:
        name, sign, value = text.rpartition("=")
        if not sign or not name or not value:
            raise InvalidRequestError(f"{option} is written NAME=VALUE, not {text!r}")
        found[name] = value
    return found


def _numbers(given: list[str], option: str) -> dict[str, Any]:
    try:
        return {name: float(value) for name, value in _pairs(given, option).items()}
    except ValueError:
        raise InvalidRequestError(f"{option} needs a number after =") from None
