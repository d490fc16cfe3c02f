"""What commands print: tables for people, JSON for machines; and the options they share."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from govern.bootstrap import Application

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
ByOption = Annotated[
    str, typer.Option("--by", metavar="EMAIL", help="Who does this; the statement is signed so.")
]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why; it is recorded.")]
DIGEST_CHARS = 15


def new_app(help_text: str) -> typer.Typer:
    """Return a Typer app with the house settings: no tracebacks of its own, no completion."""
    app = typer.Typer(
        help=help_text,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback()(lambda: None)
    return app


@contextmanager
def opened(*, migrate: bool = False) -> Iterator[Application]:
    """Open the home that the environment names, and close it afterwards.

    Args:
        migrate: create or upgrade the database first.

    Raises:
        StorageError: the home has not been initialised.
    """
    from govern.bootstrap import open_application
    from govern.settings import Settings

    application = open_application(Settings.from_environment(os.environ), migrate=migrate)
    try:
        yield application
    finally:
        application.close()


def short(digest: str) -> str:
    """Return a digest as shown in tables: enough to tell apart and to look up."""
    return digest[:DIGEST_CHARS] if digest.startswith("sha256:") else digest


def print_json(value: Any) -> None:
    """Print a value as indented JSON; dataclasses become objects."""
    sys.stdout.write(json.dumps(value, indent=2, default=_plain, ensure_ascii=False) + "\n")


def show_rows(
    rows: Sequence[Any], columns: Mapping[str, str], *, as_json: bool, empty: str
) -> None:
    """Print rows as a table, or as JSON.

    Args:
        rows: dataclasses or mappings.
        columns: heading to the field it shows.
        as_json: print every field as JSON instead.
        empty: the sentence for no rows.
    """
    values = [_plain(row) for row in rows]
    if as_json:
        print_json(values)
        return
    if not values:
        print(empty)
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in columns:
        table.add_column(heading, overflow="fold")
    for value in values:
        table.add_row(*(_cell(value.get(field)) for field in columns.values()))
    Console().print(table)


def show_value(value: Any, *, as_json: bool) -> None:
    """Print one object as ``name  value`` lines, or as JSON."""
    plain = _plain(value)
    if as_json:
        print_json(plain)
        return
    width = max((len(name) for name in plain), default=0)
    for name, item in plain.items():
        print(f"{name.replace('_', ' '):<{width}}  {_cell(item, whole=True)}")


def show_done(sentence: str, value: Mapping[str, Any], *, as_json: bool) -> None:
    """Say what was done, or print its values as JSON."""
    if as_json:
        print_json(dict(value))
    else:
        print(sentence)


def find_candidate(application: Application, text: str) -> str:
    """Return the digest of the one candidate that a name, digest or its beginning means.

    Raises:
        NotFoundError: none matches.
        InvalidRequestError: several do.
    """
    from govern.errors import InvalidRequestError, NotFoundError

    prefix = text if text.startswith("sha256:") else f"sha256:{text}"
    rows = list(application.records.list_candidates(text, size=200).rows)
    exact = [row for row in rows if row.name == text]
    matches = exact or [row for row in rows if row.digest.startswith(prefix)]
    if not matches:
        raise NotFoundError(f"no candidate {text}; see `govern candidate list`")
    digests = {row.digest for row in matches}
    if len(digests) > 1:
        raise InvalidRequestError(
            f"{text} means {len(digests)} candidates; give more of the digest"
        )
    return matches[0].digest


def find_admission(application: Application, text: str) -> str:
    """Return the digest of the admission that a deployment, digest or its beginning means.

    Raises:
        NotFoundError: none matches.
        InvalidRequestError: several do.
    """
    from govern.errors import InvalidRequestError, NotFoundError

    current = {row.deployment: row.digest for row in application.records.current_admissions()}
    if text in current:
        return current[text]
    prefix = text if text.startswith("sha256:") else f"sha256:{text}"
    rows = application.records.list_admissions()
    digests = {row.digest for row in rows if row.digest.startswith(prefix)}
    if not digests:
        raise NotFoundError(f"no admission {text}; see `govern admission list`")
    if len(digests) > 1:
        raise InvalidRequestError(
            f"{text} means {len(digests)} admissions; give more of the digest"
        )
    return digests.pop()


def _plain(value: Any) -> Any:
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value


def _cell(value: Any, *, whole: bool = False) -> str:
    if value is None:
        return "–"
    if isinstance(value, str):
        return value if whole else short(value)
    if isinstance(value, list | tuple):
        return ", ".join(_cell(item, whole=whole) for item in value)
    if isinstance(value, Mapping):
        return json.dumps(value, ensure_ascii=False)
    return str(value)
