"""Bring a database to the newest schema; works from any folder.

The migrations lie beside the packages in a checkout and inside the package in a wheel.
Alembic is loaded only to upgrade: every command asks which schema the database has, and
importing Alembic costs more than most commands.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine, inspect, text
from sqlalchemy.exc import OperationalError

from govern.adapters.sql.engine import WRITE, open_engine
from govern.errors import MissingPartError, StorageError


def migrations_folder() -> Path:
    """Return the folder of the migrations.

    Raises:
        MissingPartError: it is neither beside nor inside the package.
    """
    package = Path(__file__).resolve().parents[2]
    for folder in (package.parent / "migrations", package / "_migrations"):
        if (folder / "env.py").is_file():
            return folder
    raise MissingPartError("the migrations folder is missing; reinstall govern")


def upgrade(url: str) -> None:
    """Create or upgrade the database at ``url`` to the newest schema.

    Raises:
        StorageError: the database cannot be opened.
    """
    engine = open_engine(url)
    try:
        upgrade_engine(engine)
    finally:
        engine.dispose()


def upgrade_engine(engine: Engine) -> None:
    """Upgrade through an engine that is open already."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    try:
        with engine.execution_options(**{WRITE: True}).begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except OperationalError as error:
        raise StorageError(f"the database cannot be opened: {error.orig}") from None


def current_revision(engine: Engine) -> str | None:
    """Return the revision the database stands at, or None for an empty one."""
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        return None if found is None else str(found)


def head_revision() -> str:
    """Return the newest revision there is."""
    return (migrations_folder() / ".current-head").read_text("ascii").strip()
