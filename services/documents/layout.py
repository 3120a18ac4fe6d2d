"""Rows of boxes onto pages (版面): Chinese line breaking, repeated heads, no row cut, nothing left alone at the end."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from services.documents import fonts
from services.documents.paper import POINTS, Colour, Paper

PADDING = 1.3  # mm left and right inside a box
LEADING = 1.32  # line height in type sizes
_AIR = 1.6  # mm above and below the lines of a box together
_FEWEST_LINES = 3  # of a long text on either side of a page break

_NOT_FIRST = frozenset("，。、；：？！）】》〉」』”’％%‰℃…—·.,;:?!)]}~～")
_NOT_LAST = frozenset("（【《〈「『“‘([{￥$№")
# what is not parted: an option and its mark, a word or figure, else one character
_TOKEN = re.compile(r"[○●□■] [^　\n]+|[0-9A-Za-z]+(?:[.,:/@_+\-][0-9A-Za-z]+)*|.", re.S)


@dataclass(frozen=True, slots=True)
class Box:
    """One cell of a row. ``run``: boxes of rows below each other with the same run are one (合并单元格)."""

    x: float
    width: float
    text: str = ""
    face: str = fonts.SONG
    size: float = 9
    align: Literal["left", "centre", "right"] = "left"
    top: bool = False  # text at the top instead of the middle
    fill: Colour | None = None
    colour: Colour = (0, 0, 0)
    run: str = ""
    framed: bool = True

    @property
    def lines(self) -> tuple[str, ...]:
        return wrap(self.text, self.face, self.size, self.width - 2 * PADDING)

    @property
    def leading(self) -> float:
        return self.size * LEADING / POINTS

    @property
    def needs(self) -> float:
        return len(self.lines) * self.leading + _AIR

    def cut(self, room: float) -> tuple[str, str]:
        """The text above and below a page break with ``room`` mm above it; a short one, 序号 or a figure, is said again."""
        lines, fitting = self.lines, int(room / self.leading + 0.01)
        if len(lines) <= _FEWEST_LINES:
            return self.text, self.text
        return "\n".join(lines[:fitting]), "\n".join(lines[fitting:])


@dataclass(frozen=True, slots=True)
class Row:
    """``heads``: rows repeated above this one when it opens a page; ``keep``: stays with the row after it."""

    boxes: tuple[Box, ...]
    height: float
    keep: bool = False
    heads: tuple[Row, ...] = ()
    is_head: bool = False
    breakable: bool = False

    def split(self, room: float) -> tuple[Row, Row] | None:
        """Cut what is longer than ``room``; None if not enough lines would stay on either side. Short texts stand in both parts."""
        box = max(self.boxes, key=lambda b: b.needs)
        fitting = min(int((room - _AIR) / box.leading), len(box.lines) - _FEWEST_LINES)
        if not self.breakable or fitting < _FEWEST_LINES:
            return None
        parts = [b.cut(fitting * box.leading) for b in self.boxes]
        first, rest = (
            row(replace(b, text=cut[side]) for b, cut in zip(self.boxes, parts, strict=True)) for side in (0, 1)
        )
        return replace(first, heads=self.heads), replace(rest, heads=self.heads, keep=self.keep, breakable=True)


def row(
    boxes: Iterable[Box], *, least: float = 6.2, keep: bool = False, heads: tuple[Row, ...] = (), **more: bool
) -> Row:
    """A row as high as its highest box, at least ``least`` mm."""
    found = tuple(boxes)
    return Row(found, max([least, *(box.needs for box in found if not box.run)]), keep, heads, **more)


@lru_cache(maxsize=40_000)
def wrap(text: str, face: str, size: float, width: float) -> tuple[str, ...]:
    """Lines of ``text`` no wider than ``width`` mm: ASCII words whole, no 标点 where it must not stand (避头尾)."""
    room = width * POINTS / size * fonts.UNITS_PER_EM
    measure = fonts.face(face).width
    lines: list[str] = []
    for paragraph in fonts.drawable(text).replace("\t", " ").split("\n"):
        if measure(paragraph) <= room:
            lines.append(paragraph)
        else:
            lines.extend(_broken(paragraph, measure, room))
    return tuple(lines)


def _broken(paragraph: str, measure: Callable[[str], int], room: float) -> list[str]:
    tokens: list[str] = []
    for token in _TOKEN.findall(paragraph):
        tokens.extend([token] if measure(token) <= room else token)
    lines: list[str] = []
    start, used, at = 0, 0, 0
    while at < len(tokens):
        wide = measure(tokens[at])
        if used + wide <= room or at == start:
            used += wide
            at += 1
            continue
        end = at
        while end > start + 1 and (tokens[end][0] in _NOT_FIRST or tokens[end - 1] in _NOT_LAST):
            end -= 1
        if tokens[end][0] in _NOT_FIRST:
            end = at  # nothing but such marks: cut where the line is full
        lines.append("".join(tokens[start:end]).rstrip())
        while end < len(tokens) and tokens[end] in " 　":
            end += 1
        start, used, at = end, 0, end
    if start < len(tokens):
        lines.append("".join(tokens[start:]))
    return lines


def paginate(rows: Sequence[Row], capacity: float) -> list[list[Row]]:
    """Rows by page of ``capacity`` mm. Rows tied by ``keep`` stay on one page; only what no page holds, or may be, is cut."""
    queue, pages = deque(rows), [list[Row]()]
    room = capacity

    def place(placed: Iterable[Row]) -> None:
        nonlocal room
        for one in placed:
            pages[-1].append(one)
            room -= one.height

    while queue:
        chunk = [queue.popleft()]
        while chunk[-1].keep and queue:
            chunk.append(queue.popleft())
        heads = () if chunk[0].is_head else chunk[0].heads
        need, above = sum(r.height for r in chunk), sum(r.height for r in heads)
        fits_a_page = need + above <= capacity + 0.01
        if not fits_a_page and not any(r.breakable for r in chunk):
            highest = max(chunk, key=lambda r: r.height)
            chunk[chunk.index(highest)] = replace(highest, breakable=True)
        if pages[-1] and need > room + 0.01 and fits_a_page:
            pages.append([])
            room = capacity
        if not pages[-1]:
            place(heads)
        if need <= room + 0.01:
            place(chunk)
            continue
        at = max((i for i, r in enumerate(chunk) if r.breakable), key=lambda i: chunk[i].height)
        parts = chunk[at].split(room - sum(r.height for r in chunk[:at]))
        if parts is None:
            if len(pages[-1]) > len(heads):
                queue.extendleft(reversed(chunk))
                pages.append([])
                room = capacity
                continue
            place(chunk)
            continue
        place([*chunk[:at], parts[0]])
        queue.extendleft(reversed([parts[1], *chunk[at + 1 :]]))
        pages.append([])
        room = capacity
    return pages


def draw(paper: Paper, rows: Sequence[Row], top: float) -> float:
    """Draw the rows of one page below each other; returns where the last one ends."""
    y = top
    for number, current in enumerate(rows):
        for place, box in enumerate(current.boxes):
            height = current.height
            if box.run:
                if number and _same_run(rows[number - 1], place, box.run):
                    continue
                for below in rows[number + 1 :]:
                    if not _same_run(below, place, box.run):
                        break
                    height += below.height
            _draw_box(paper, box, y, height)
        y += current.height
    return y


def _same_run(other: Row, place: int, run: str) -> bool:
    return place < len(other.boxes) and other.boxes[place].run == run


def _draw_box(paper: Paper, box: Box, y: float, height: float) -> None:
    if box.fill:
        paper.fill(box.x, y, box.width, height, box.fill)
    if box.framed:
        paper.frame(box.x, y, box.width, height)
    lines, leading = box.lines, box.leading
    block = len(lines) * leading
    base = y + (_AIR / 2 if box.top else (height - block) / 2) + leading * 0.5 + box.size * 0.36 / POINTS
    for line in lines:
        x = box.x + PADDING
        if box.align != "left":
            spare = box.width - 2 * PADDING - fonts.face(box.face).width(line) * box.size / fonts.UNITS_PER_EM / POINTS
            x += spare if box.align == "right" else spare / 2
        paper.text(x, base, line, box.face, box.size, box.colour)
        base += leading
