"""The README says what is so: variables, commands, paths, pictures."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import main
from tests import screenshots

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMAND = re.compile(r"^python3 -m venv \.venv && (?P<install>\.venv/bin/pip install .+) && (?P<run>.+)$", re.M)


def section(title: str) -> str:
    """The text under one heading of the second level."""
    return re.split(r"^## ", README, flags=re.M)[_titles().index(title) + 1].partition("\n")[2]


def _titles() -> list[str]:
    return re.findall(r"^## (.+)$", README, re.M)


def sources() -> list[Path]:
    found = [ROOT / "main.py"]
    for room in ("models", "services", "ui"):
        found += sorted((ROOT / room).rglob("*.py"))
    return found


def test_it_names_the_variables_the_code_reads_and_no_others() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in sources())
    read = set(re.findall(r'environ(?:\.get\(|\[)"(LVCE_\w+)"|env\.get\("(LVCE_\w+)"', code))
    wanted = {name for pair in read for name in pair if name}
    assert wanted <= set(re.findall(r"LVCE_\w+", code))
    assert set(re.findall(r"^\| `(LVCE_\w+)` \|", section("Configuration"), re.M)) == wanted
    assert set(re.findall(r"LVCE_[A-Z_]+[A-Z]", README)) == wanted


def test_it_has_two_commands_and_ci_runs_the_second() -> None:
    start, check = COMMAND.finditer(section("Two commands"))
    assert start["run"] == ".venv/bin/python main.py"
    assert check["run"] == ".venv/bin/python -m tests"
    assert start["install"] == check["install"]
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert f"exec {check['run']}" in ci.splitlines()
    assert "--require-hashes -r requirements.lock" in start["install"]
    assert "--require-hashes -r requirements.lock" in ci


def test_it_names_every_command_of_the_command_line() -> None:
    (known,) = (a for a in main.commands()._actions if isinstance(a, argparse._SubParsersAction))
    assert set(re.findall(r"^\| `main\.py ([a-z-]+)", section("Commands"), re.M)) == set(known.choices)


def test_every_path_it_names_exists() -> None:
    rooms = r"(?:assets|models|services|tests|ui|main)"
    named = set(re.findall(rf"`({rooms}(?:/[\w.]+)+)`", README)) | set(re.findall(r"\]\((tests/[^)]+)\)", README))
    examples = {path for path in named if path.startswith("assets/forms/2026")}
    assert len(named) > 100
    assert sorted(path for path in named - examples if not (ROOT / path).exists()) == []


def test_the_map_has_a_word_for_every_module() -> None:
    mapped = set(re.findall(r"`([\w/]+\.py)`", section("Map of the code")))
    modules = {str(path.relative_to(ROOT)) for path in sources() if path.name != "__init__.py"}
    modules = {name for name in modules if not name.startswith("models/migrations/versions/")} - {"main.py"}
    assert sorted(modules - mapped) == [], "add a line to the README, map of the code"


def test_every_link_within_it_leads_somewhere() -> None:
    anchors = {re.sub(r"[^\w -]", "", title).strip().lower().replace(" ", "-") for title in _titles()}
    assert set(re.findall(r"\]\(#([\w-]+)\)", README)) <= anchors


def test_its_pictures_are_taken_by_the_script_and_small() -> None:
    shown = set(re.findall(r"\]\(tests/screenshots/([\w.]+)\)", README))
    assert shown == set(screenshots.SHOTS)
    for name in shown:
        assert (screenshots.FOLDER / name).stat().st_size <= screenshots.MOST
