"""Alembic environment: runs on the connection that ``govern.adapters.sql.migrate`` hands in."""

from __future__ import annotations

from alembic import context
from sqlmodel import SQLModel

from govern.adapters.sql import tables

assert tables.StatementTable.__tablename__ == "statements"  # Importing fills the metadata.

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=SQLModel.metadata,
    render_as_batch=connection.dialect.name == "sqlite",
)
with context.begin_transaction():
    context.run_migrations()
