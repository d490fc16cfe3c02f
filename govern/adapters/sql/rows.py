"""Turn table rows into the plain frozen rows of ``govern.services.ports``."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, TypeVar

from sqlmodel import SQLModel

Row = TypeVar("Row")


def plain(row: SQLModel, kind: type[Row]) -> Row:
    """Copy the fields that ``kind`` has from a table row."""
    names = [item.name for item in fields(kind)]  # type: ignore[arg-type]
    values: dict[str, Any] = {name: getattr(row, name) for name in names}
    return kind(**values)
