"""Snapshots to make documents from (样张): the complete filings of the demo through the real form, as they stand or blank."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from models.enums import Form
from services import clock
from services.documents.snapshot import FilingSnapshot
from services.forms import loader
from services.forms.findings import Context
from services.forms.sheet import Sheet
from services.forms.template import Address, FormTemplate

NUMBER = "GF-2025-440115-00012"
DATED = datetime(2025, 3, 20, 10, 32, 5, tzinfo=clock.BEIJING)
_FORMS = Path(__file__).resolve().parents[1] / "assets" / "demo" / "full_forms.toml"
RARE_NAMES = "堃喆昇犇䶮㛃玥珺甯旻翀赟婳燚垚骉堉彧祎鋆"


def template() -> FormTemplate:
    return loader.find(Form.FACTORY, 2025)


@cache
def _texts(key: str) -> Mapping[str, str]:
    filings: list[dict[str, Any]] = tomllib.loads(_FORMS.read_text(encoding="utf-8"))["filing"]
    cells: Mapping[str, str] = next(filing["cells"] for filing in filings if filing["key"] == key)
    return cells


def full(key: str = "electronics", *, edits: Mapping[str, str] | None = None, **more: Any) -> FilingSnapshot:
    """A complete, validated filing; ``edits`` change cells by address, ``more`` fields of the snapshot."""
    typed = {**_texts(key), **(edits or {})}
    sheet = Sheet.typed(template(), {Address.parse(address): text for address, text in typed.items()}, Context())
    return _snapshot(sheet, typed["unit_name"], typed["credit_code"], **more)


def blank(**more: Any) -> FilingSnapshot:
    sheet = Sheet(template(), {}, Context())
    return _snapshot(sheet, "广州某某有限公司", "9144011552601815X4", validated=False, **more)


def _snapshot(sheet: Sheet, unit_name: str, credit_code: str, **more: Any) -> FilingSnapshot:
    values: dict[str, Any] = {
        "template": sheet.template,
        "cells": dict(sheet.cells),
        "derived": dict(sheet.derived),
        "number": NUMBER,
        "unit_name": unit_name,
        "credit_code": credit_code,
        "year": sheet.template.year,
        "digest": sheet.digest(),
        "version_no": 1,
        "validated": True,
        "dated": DATED,
    }
    return FilingSnapshot(**{**values, **more})
