"""Putting the parts together (装配) without any page: settings → clock → database → migrations."""

from __future__ import annotations

from services.schema import migrate as migrate
