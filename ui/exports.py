"""The one :class:`Batches` of this application (批量导出), made at start-up and closed with it."""

from __future__ import annotations

from nicegui import app

from services.db import Database
from services.documents import batches
from services.documents.batches import Batches
from services.filings.batches import tell_interrupted
from services.settings import Settings

FOLDER = "batches"
KEPT = batches.KEPT

_house: Batches | None = None


def install(database: Database, settings: Settings) -> None:
    """Make it (启动时), and tell the owners of what a former run did not finish."""
    global _house
    _house = made = Batches(settings.data_dir / FOLDER)
    tell_interrupted(database, made)
    app.on_shutdown(made.close)


def house() -> Batches:
    if _house is None:
        raise RuntimeError("exports.install() has not been called")
    return _house
