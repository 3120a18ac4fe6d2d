"""What a click can do (用例清单): every function of the services that a page hands to the database other than to read."""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
READERS = frozenset({"read", "read_as", "aread", "anonymous"})
ENTRANCES = frozenset({"Session", "Database"})  # what the first parameter of a use case is


def found() -> frozenset[str]:
    """``module.function`` of each, without the leading ``services.``."""
    return frozenset(name for path in (ROOT / "ui").rglob("*.py") for name in _handed_over(path))


def _handed_over(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    modules = {
        alias.asname or alias.name: f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "services"
        for alias in node.names
    }
    only_read = {
        id(node.args[0])
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and node.args
        and (node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")) in READERS
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute) or not isinstance(node.value, ast.Name) or id(node) in only_read:
            continue
        module = modules.get(node.value.id)
        if module and _is_use_case(module, node.attr):
            yield f"{module.removeprefix('services.')}.{node.attr}"


def _is_use_case(module: str, name: str) -> bool:
    try:
        place: ModuleType = importlib.import_module(module)
    except ModuleNotFoundError:  # a class or a value
        return False
    function = getattr(place, name, None)
    if not inspect.isfunction(function):
        return False
    first = next(iter(inspect.signature(function).parameters.values()), None)
    return first is not None and str(first.annotation).split(".")[-1] in ENTRANCES
