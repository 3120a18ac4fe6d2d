"""The pages (页面), one file each: importing this package imports and so registers all of them.

A module may have ``routes(app)``, which adds what is not a NiceGUI page: plain HTML, sign-in, downloads.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from importlib import import_module

from fastapi import FastAPI

_MODULES = tuple(import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__))

ROUTES: tuple[Callable[[FastAPI], None], ...] = tuple(module.routes for module in _MODULES if hasattr(module, "routes"))
