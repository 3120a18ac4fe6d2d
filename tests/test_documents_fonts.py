"""Our way of putting faces into a document against fpdf2's own: the same pages, the same text, far less work."""

from __future__ import annotations

import gc
import importlib.metadata
import re
from dataclasses import replace
from typing import Any

import fpdf
import pypdfium2
import pytest
from fpdf.output import OutputProducer
from PIL import ImageChops

from services.documents import embedding, fonts, pdf
from services.documents.embedding import Producer, SharedFace
from services.documents.paper import A4_PORTRAIT, Paper
from tests import papers


def pages(content: bytes) -> list[tuple[Any, str]]:
    document = pypdfium2.PdfDocument(content)
    found = []
    for page in document:
        reading = page.get_textpage()
        found.append((page.render(scale=100 / 72).to_pil(), reading.get_text_range()))
        reading.close()
        page.close()
    document.close()
    return found


@pytest.fixture
def another_fpdf2(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if fpdf2 had been upgraded without trying our part of it again."""
    monkeypatch.setattr(embedding, "TESTED", "2.0.0")


def test_the_version_that_was_tried_is_the_one_installed() -> None:
    # a new fpdf2 must not silently make every form ten times slower: try it here, then name it in TESTED and pyproject
    assert importlib.metadata.version("fpdf2") == fpdf.__version__ == embedding.TESTED
    assert embedding.add_faces(fpdf.FPDF()) is Producer


def test_both_ways_show_the_same_pixels_and_the_same_text(request: pytest.FixtureRequest) -> None:
    rare = papers.full(edits={"contact": papers.RARE_NAMES, "highlights": "吨CO₂当量 ☐☑☒ ≤ m² ㎡ − • 𪚥"})
    snapshots = (papers.full(), replace(rare, validated=False))
    ours = [pages(pdf.form_pdf(snapshot)) for snapshot in snapshots]
    request.getfixturevalue("another_fpdf2")
    theirs = [pages(pdf.form_pdf(snapshot)) for snapshot in snapshots]
    for one, other in zip(ours, theirs, strict=True):
        for (picture, text), (their_picture, their_text) in zip(one, other, strict=True):
            assert ImageChops.difference(picture, their_picture).getbbox() is None
            assert text == their_text


def test_another_fpdf2_uses_its_own_fonts(another_fpdf2: None) -> None:
    document = fpdf.FPDF()
    assert embedding.add_faces(document) is OutputProducer
    assert not [face for face in document.fonts.values() if isinstance(face, SharedFace)]


def test_both_ways_measure_alike(another_fpdf2: None) -> None:
    # our layout breaks lines by HarfBuzz's widths
    document = fpdf.FPDF()
    embedding.add_faces(document)
    text = "绿色工厂 A1,234.5 kgce/万元 （GB/T 36132-2018）"
    for name in fonts.NAMES:
        document.set_font(name, size=10)
        assert document.get_string_width(text) * 72 / 25.4 == pytest.approx(fonts.face(name).width(text) / 100)


def test_only_the_characters_used_are_in_the_file() -> None:
    paper = Paper(A4_PORTRAIT)
    paper.add_page()
    paper.text(20, 20, "绿绿册", fonts.SONG, 12)
    content = paper.finish(title="样张", dated=papers.DATED)
    assert content.count(b"/FontFile2") == 1  # nothing was set in 黑
    document = pypdfium2.PdfDocument(content)
    (line,) = document[0].get_objects()
    assert re.fullmatch(r"[A-Z]{6}\+LvceSong", line.get_font().get_base_name())
    document.close()
    assert len(content) < 4000


def test_what_was_printed_is_forgotten() -> None:
    pdf.form_pdf(papers.full())
    gc.collect()
    assert not [thing for thing in gc.get_objects() if type(thing) in (SharedFace, fpdf.FPDF)]
