"""Sheets to draw on (画布): fpdf2 with our two faces, everything in millimetres from the top left corner."""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from services import clock
from services.documents import fonts

if TYPE_CHECKING:
    from fpdf.drawing_primitives import DeviceGray, DeviceRGB

POINTS = 72 / 25.4  # per millimetre
PRODUCER = "Lvce"

A4_LANDSCAPE = (297.0, 210.0)
A4_PORTRAIT = (210.0, 297.0)

Colour = tuple[float, float, float]
BLACK: Colour = (0, 0, 0)

_LINE = 0.5 / POINTS
_FAINT = 0.16  # opacity of a watermark
_OVERLAP = 1.02  # rows of a code reach into the next one, or viewers draw a white line between them


class Paper:
    """One document; type sizes in points, ``y`` of a text is its base line. The same calls give the same bytes."""

    def __init__(self, size: tuple[float, float]) -> None:
        # importing fpdf2 takes as long as printing twenty forms: only a process that prints waits for it
        from fpdf import FPDF

        from services.documents import embedding

        self.width, self.height = size
        self._pdf = FPDF(format=size)
        self._output = embedding.add_faces(self._pdf)
        self._pdf.set_line_width(_LINE)

    def add_page(self) -> None:
        self._pdf.add_page()

    def text(self, x: float, y: float, text: str, face: str, size: float, colour: Colour = BLACK) -> None:
        if text:
            self._pdf.set_font(face, size=size)
            self._pdf.set_text_color(_device(colour))
            self._pdf.text(x, y, text)

    def slanted(self, x: float, y: float, text: str, face: str, size: float, degrees: float, colour: Colour) -> None:
        """A see-through word across the page (水印), centred on (x, y)."""
        half = fonts.face(face).width(text) * size / fonts.UNITS_PER_EM / 2
        with self._pdf.local_context(fill_opacity=_FAINT), self._pdf.rotation(degrees, x, y):
            self.text(x - half / POINTS, y + size * 0.35 / POINTS, text, face, size, colour)

    def fill(self, x: float, y: float, width: float, height: float, colour: Colour) -> None:
        self._pdf.set_fill_color(_device(colour))
        self._pdf.rect(x, y, width, height, "F")

    def frame(self, x: float, y: float, width: float, height: float) -> None:
        self._pdf.rect(x, y, width, height)

    def modules(self, x: float, y: float, side: float, rows: tuple[str, ...]) -> None:
        """A QR code of ``rows`` of 0 and 1, ``side`` wide without its quiet zone, as one filled path."""
        step, top = side / len(rows) * POINTS, (self.height - y) * POINTS
        boxes = [
            f"{x * POINTS + start * step:.2f} {top - row * step:.2f} {(end - start) * step:.2f} {-step * _OVERLAP:.2f} re"
            for start, end, row in _runs(rows)
        ]
        self._pdf.set_fill_color(_device(BLACK))
        # a path object of fpdf2 takes eight times as long, rectangles of their own show white seams
        self._pdf._out(" ".join((*boxes, "f")))

    def finish(self, *, title: str, dated: datetime, subject: str = "", keywords: str = "") -> bytes:
        """The file; ``dated`` is the creation time inside it, so that a rebuild is the same to the byte."""
        from fpdf.prefs import ViewerPreferences

        pdf = self._pdf
        pdf.set_title(title)
        pdf.set_subject(subject)
        pdf.set_keywords(keywords)
        pdf.set_creator(PRODUCER)
        pdf.set_producer(PRODUCER)
        pdf.set_creation_date(clock.local(dated))
        pdf.set_lang("zh-CN")
        pdf.set_display_mode("default")
        pdf.viewer_preferences = ViewerPreferences(display_doc_title=True)
        return bytes(pdf.output(output_producer_class=self._output))


@lru_cache
def _device(colour: Colour) -> DeviceRGB | DeviceGray:
    from fpdf.drawing_primitives import DeviceGray, DeviceRGB

    return DeviceRGB(*colour) if any(colour) else DeviceGray(0)


@lru_cache(maxsize=4)
def _runs(rows: tuple[str, ...]) -> tuple[tuple[int, int, int], ...]:
    """Start, end and row of each run of 1; both codes of a page are the same."""
    return tuple((*run.span(), number) for number, row in enumerate(rows) for run in re.finditer("1+", row))
