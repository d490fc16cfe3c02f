"""Bring a database to the newest schema; works from any folder.

The migrations lie beside the packages in a checkout and inside the package in a wheel.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine
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
    try:
        with engine.execution_options(**{WRITE: True}).begin() as connection:
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except OperationalError as error:
        raise StorageError(f"the database cannot be opened: {error.orig}") from None


def current_revision(engine: Engine) -> str | None:
    """Return the revision the database stands at, or None for an empty one."""
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def head_revision() -> str:
    """Return the newest revision there is."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None
    return head


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()).replace("%", "%%"))
    return config
