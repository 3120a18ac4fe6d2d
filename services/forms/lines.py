"""Where a thing stands in a TOML text (行号查找): ``tomllib`` keeps no line numbers, a polite refusal needs them."""

from __future__ import annotations

import re
from collections.abc import Mapping

Path = tuple[str | int, ...]

_HEADER = re.compile(r"\s*(\[\[?)\s*([A-Za-z0-9_.\-\s]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"\s*([A-Za-z0-9_\-]+|\"[^\"]*\"|'[^']*')\s*=")
_OPEN, _CLOSE = "[{", "]}"


def locate(text: str) -> dict[Path, int]:
    """Line (from 1) of every table, array element and key, by path: ``("part", 0, "section", 1, "field", 3, "label")``."""
    places: dict[Path, int] = {}
    counts: dict[Path, int] = {}
    table: Path = ()
    quote, depth = "", 0  # inside a multi-line string or a multi-line array
    for number, line in enumerate(text.splitlines(), 1):
        if not quote and not depth:
            if header := _HEADER.match(line):
                table = _enter(header[2], header[1] == "[[", counts)
                places.setdefault(table, number)
                continue
            if key := _KEY.match(line):
                places.setdefault((*table, key[1].strip("\"'")), number)
        quote, depth = _scan(line, quote, depth)
    return places


def line_of(places: Mapping[Path, int], path: Path) -> int:
    """The line of ``path`` or of the nearest thing around it; 1 if nothing is known."""
    for end in range(len(path), 0, -1):
        if path[:end] in places:
            return places[path[:end]]
    return 1


def _enter(dotted: str, is_array: bool, counts: dict[Path, int]) -> Path:
    names = [name.strip() for name in dotted.split(".")]
    path: Path = ()
    for name in names[:-1]:
        path = (*path, name)
        if path in counts:
            path = (*path, counts[path])
    path = (*path, names[-1])
    if is_array:
        counts[path] = counts.get(path, -1) + 1
        path = (*path, counts[path])
    return path


def _scan(line: str, quote: str, depth: int) -> tuple[str, int]:
    """Walk over one line; returns the multi-line string and the bracket depth it leaves open."""
    at = 0
    while at < len(line):
        char = line[at]
        if quote:
            if char == "\\" and quote[0] == '"':
                at += 2
                continue
            if line.startswith(quote, at):
                at += len(quote)
                quote = ""
                continue
        elif char == "#":
            break
        elif char in "\"'":
            quote = char * 3 if line.startswith(char * 3, at) else char
            at += len(quote)
            continue
        elif char in _OPEN:
            depth += 1
        elif char in _CLOSE:
            depth = max(depth - 1, 0)
        at += 1
    return (quote if len(quote) == 3 else ""), depth
