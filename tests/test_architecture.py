"""The rooms and who may enter them (README, map of the code)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TOP_LEVEL = {"ui", "models", "services", "assets", "tests", "main.py", "pyproject.toml", "README.md"}
BESIDE = {".ci", ".git", ".gitignore", "LICENSE", "requirements.lock"}

# room → rooms it may import (besides the standard library and packages)
PURE = {"services.forms", "services.workflow"}
ROOMS = {
    "models": {"models"},
    "services": {"services", "models"},
    "ui": {"ui", "services", "models.enums"},
}


def modules(room: str) -> Iterator[Path]:
    return (ROOT / room).rglob("*.py")


def imports(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                yield node.lineno, f"{node.module}.{alias.name}"


def ours(name: str) -> bool:
    return name.split(".")[0] in {"ui", "models", "services", "tests", "main"}


def within(name: str, rooms: set[str]) -> bool:
    return any(name == room or name.startswith(room + ".") for room in rooms)


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_a_room_imports_only_what_lies_below_it(room: str) -> None:
    strays = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in modules(room)
        for line, name in imports(path)
        if ours(name) and not within(name, ROOMS[room])
    ]
    assert strays == []


@pytest.mark.parametrize("room", sorted(PURE))
def test_a_pure_room_knows_no_database_no_page_and_no_clock(room: str) -> None:
    forbidden = {"sqlalchemy", "sqlmodel", "nicegui", "starlette", "fastapi"}
    strays = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in modules(room.replace(".", "/"))
        for line, name in imports(path)
        if name.split(".")[0] in forbidden or (ours(name) and not within(name, PURE | {"models.enums"}))
    ]
    assert strays == []


def test_a_page_never_imports_a_page() -> None:
    strays = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in modules("ui/pages")
        for line, name in imports(path)
        if path.name != "__init__.py" and name.startswith("ui.pages.")
    ]
    assert strays == []


def test_nobody_hides_niceguis_ui_behind_our_package() -> None:
    strays = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for room in ("ui", "main.py")
        for path in ([ROOT / room] if room.endswith(".py") else modules(room))
        if path.exists()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import) and any(alias.name.split(".")[0] == "ui" for alias in node.names)
    ]
    assert strays == []


def test_the_top_level_holds_what_was_agreed() -> None:
    import subprocess

    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    found = {line.split("/")[0] for line in listed if line}
    assert found <= TOP_LEVEL | BESIDE
