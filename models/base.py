"""Column helpers shared by the tables; the naming convention that Alembic relies on is set here, before any table."""

from __future__ import annotations

from enum import Enum as PyEnum
from typing import Any

from sqlalchemy import JSON, Enum, MetaData
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import SQLModel

SQLModel.metadata.naming_convention = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
).naming_convention

Json = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


def enum_type(cls: type[PyEnum]) -> Any:
    """A portable enum column type: stored by its value, no native database type, so that a new member is no migration."""
    return Enum(
        cls, native_enum=False, length=32, create_constraint=False, values_callable=lambda e: [m.value for m in e]
    )
