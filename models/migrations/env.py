"""Alembic's environment (数据库迁移环境). Driven by ``services.schema`` over the one connection that it hands in."""

from __future__ import annotations

from typing import Any

from alembic import context
from sqlalchemy import Enum
from sqlmodel import SQLModel
from sqlmodel.sql.sqltypes import AutoString, UTCDateTime

import models as models  # registers every table


def render_item(kind: str, thing: Any, _autogen: Any) -> Any:
    """Write plain SQLAlchemy types into a migration, so that it still runs when SQLModel has changed."""
    if kind != "type":
        return False
    if isinstance(thing, AutoString):
        length = getattr(thing.impl, "length", None)
        return f"sa.String({length})" if length else "sa.String()"
    if isinstance(thing, Enum):
        return f"sa.String({thing.length})"  # a new member is no migration
    if isinstance(thing, UTCDateTime):
        return "sa.DateTime(timezone=True)"
    return False


def run() -> None:
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=SQLModel.metadata,
        render_as_batch=True,  # SQLite cannot alter a column in place
        transactional_ddl=True,  # all steps or none, on SQLite too
        render_item=render_item,
        compare_type=True,
    )
    with context.begin_transaction():
        context.run_migrations()


run()
