"""Stamped scans: the machine reads which figures a paper shows; wrong papers are refused by name, broken files politely."""

from __future__ import annotations

import io
import random
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pikepdf
import pypdfium2
import pytest
import zxingcpp
from PIL import Image, ImageDraw

from services.documents import codes, pdf, reader, scan
from services.documents.scan import ScanResult, Verdict
from services.documents.snapshot import FilingSnapshot
from services.errors import Refusal
from services.forms import digest
from tests import papers, scans
from tests.scans import Condition


@pytest.fixture(scope="module")
def full() -> FilingSnapshot:
    return papers.full()


@pytest.fixture(scope="module")
def printed(full: FilingSnapshot) -> bytes:
    return pdf.form_pdf(full)


def judged(result: ScanResult, snapshot: FilingSnapshot) -> Verdict:
    return scan.verdict(result, number=snapshot.number, digest_hex=snapshot.digest)


def chinese(text: str) -> bool:
    return text.endswith("。") and any("一" <= char <= "鿿" for char in text)


@pytest.mark.parametrize(
    "condition",
    [
        Condition(dpi=150, grey=True),
        Condition(dpi=150, angle=2.5, seal="code"),
        Condition(dpi=200, angle=-3, turned=True, grey=True, seal="code"),
        Condition(dpi=200, seal="codes"),
    ],
    ids=["grey", "tilted, seal on the code", "turned, grey, seal on the code", "seals on both codes"],
)
def test_a_stamped_scan_is_read_page_by_page_and_accepted(
    full: FilingSnapshot, printed: bytes, condition: Condition
) -> None:
    content = scans.stamped_pdf(printed, condition)
    result = scan.read(content)
    assert not result.own_export
    assert [page.codes[0].page for page in result.pages] == list(range(1, len(result.pages) + 1))
    answer = judged(result, full)
    assert (answer.refused, answer.ask_code) == ("", False)
    pages = [line for line in answer.lines if "印章" not in line]
    assert len(pages) == len(result.pages) and all("一致" in line for line in pages)


def test_red_ink_is_seen_on_a_colour_scan_and_not_expected_on_a_grey_one(printed: bytes) -> None:
    colour = scan.read(scans.stamped_pdf(printed, Condition(dpi=150, seal="code"), pages=[0])).pages[0]
    grey = scan.read(scans.stamped_pdf(printed, Condition(dpi=150, seal="code", grey=True), pages=[0])).pages[0]
    plain = scan.read(scans.stamped_pdf(printed, Condition(dpi=150, seal="none"), pages=[0])).pages[0]
    assert (colour.seal, grey.seal, plain.seal) == (True, False, False)
    assert (colour.colour, grey.colour) == (True, False)


def test_our_own_export_without_a_stamp_is_refused(full: FilingSnapshot, printed: bytes) -> None:
    result = scan.read(printed, "动态管理表.pdf")
    assert result.own_export
    assert "没有签字和公章" in judged(result, full).refused


def test_a_photo_beside_our_own_export_does_not_stamp_it(full: FilingSnapshot, printed: bytes) -> None:
    document, photo = pypdfium2.PdfDocument(printed), pypdfium2.PdfDocument(scans.blank_pages(1))
    document.import_pages(photo)
    out = io.BytesIO()
    document.save(out)
    for part in (photo, document):
        part.close()
    assert "没有签字和公章" in judged(scan.read(out.getvalue()), full).refused


def test_our_own_export_with_an_electronic_seal_is_a_stamped_one(full: FilingSnapshot, printed: bytes) -> None:
    document = pypdfium2.PdfDocument(printed)
    picture = pypdfium2.PdfImage.new(document)
    picture.set_bitmap(pypdfium2.PdfBitmap.from_pil(scans.seal(200).convert("RGB")))
    picture.set_matrix(pypdfium2.PdfMatrix().scale(120, 120).translate(500, 300))
    page = document[len(document) - 1]
    page.insert_obj(picture)
    page.gen_content()
    out = io.BytesIO()
    document.save(out)
    for part in (page, document):
        part.close()
    result = scan.read(out.getvalue())
    assert not result.own_export
    assert judged(result, full).refused == ""


def test_a_scan_of_older_figures_is_refused_with_both_codes(full: FilingSnapshot, printed: bytes) -> None:
    changed = papers.full(edits={"gross_output:2024": "98631"})
    answer = judged(scan.read(scans.stamped_pdf(printed, Condition(dpi=150, grey=True))), changed)
    assert "修改前的数据" in answer.refused and chinese(answer.refused)
    assert digest.code(full.digest) in answer.refused and digest.code(changed.digest) in answer.refused


def test_a_scan_of_another_filing_is_refused_by_its_number(full: FilingSnapshot) -> None:
    other = pdf.form_pdf(replace(full, number="GF-2025-440106-00099"))
    answer = judged(scan.read(scans.stamped_pdf(other, Condition(dpi=150, grey=True), pages=[0, 1])), full)
    assert "GF-2025-440106-00099" in answer.refused and papers.NUMBER in answer.refused


def test_a_stamped_draft_is_refused(full: FilingSnapshot) -> None:
    draft = pdf.form_pdf(replace(full, validated=False))
    answer = judged(scan.read(scans.stamped_pdf(draft, Condition(dpi=150, grey=True))), full)
    assert "草稿" in answer.refused


def test_missing_pages_are_named(full: FilingSnapshot, printed: bytes) -> None:
    answer = judged(scan.read(scans.stamped_pdf(printed, Condition(dpi=150, grey=True), pages=[0, 1, 3])), full)
    assert "缺少" in answer.refused and "3" in answer.refused


def test_a_page_mixed_in_from_another_print_is_refused(full: FilingSnapshot, printed: bytes) -> None:
    changed = pdf.form_pdf(papers.full(edits={"gross_output:2024": "98631"}))
    condition = Condition(dpi=150, grey=True, noise=0)
    pictures, strange = scans.rasterise(printed, 150), scans.rasterise(changed, 150)
    mixed = scans.to_pdf([*pictures[:3], strange[3], *pictures[4:]], condition)
    assert "第 4 页是修改前的数据" in judged(scan.read(mixed), full).refused


def test_an_unreadable_page_is_said_and_asks_for_the_code_printed_on_it(full: FilingSnapshot, printed: bytes) -> None:
    pictures = scans.rasterise(printed, 150)
    ImageDraw.Draw(pictures[1]).rectangle((0, 0, *pictures[1].size), fill="white")
    answer = judged(scan.read(scans.to_pdf(pictures, Condition(dpi=150))), full)
    assert (answer.refused, answer.ask_code) == ("", True)
    assert "没有读到二维码" in answer.lines[1] and "人工核对" in answer.lines[1]


def test_a_scan_without_any_readable_code_asks_for_the_printed_one(full: FilingSnapshot) -> None:
    result = scan.read(scans.blank_pages(2))
    answer = judged(result, full)
    assert (answer.refused, answer.ask_code) == ("", True)
    few = scan.verdict(result, number=full.number, digest_hex=full.digest, pages=12)
    assert "共 12 页" in few.refused and "至少 10 页" in few.refused and not few.ask_code


def test_a_letter_beside_all_pages_of_the_form_asks_for_nothing(full: FilingSnapshot, printed: bytes) -> None:
    pictures = [Image.new("RGB", (1754, 1240), "white"), *scans.rasterise(printed, 150)]
    answer = judged(scan.read(scans.to_pdf(pictures, Condition(dpi=150))), full)
    assert (answer.refused, answer.ask_code) == ("", False)


def test_a_scan_without_a_red_seal_is_taken_with_a_hint(full: FilingSnapshot, printed: bytes) -> None:
    sealed = judged(scan.read(scans.stamped_pdf(printed, Condition(dpi=150))), full)
    grey = judged(scan.read(scans.stamped_pdf(printed, Condition(dpi=150, grey=True))), full)
    assert not [line for line in sealed.lines if "印章" in line]
    assert (grey.refused, "印章" in grey.lines[-1]) == ("", True)


def test_photos_become_one_upright_paper_in_the_order_of_their_names(full: FilingSnapshot, printed: bytes) -> None:
    pictures = scans.rasterise(printed, 150)
    on_its_side = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright
    pictures[1].rotate(90, expand=True).save(on_its_side, "JPEG", quality=70, exif=exif)
    png = io.BytesIO()
    pictures[2].save(png, "PNG")
    photos = [
        ("IMG_10.png", png.getvalue()),
        ("IMG_9.jpg", on_its_side.getvalue()),
        ("IMG_1.JPG", scans.to_jpeg(pictures[0])),
    ]
    name, content = scan.joined(photos)
    assert name == "IMG_1等3张照片.pdf"
    document = pypdfium2.PdfDocument(content)
    sizes = [document.get_page_size(page) for page in range(3)]
    document.close()
    assert all(width > height for width, height in sizes)
    assert [page.codes[0].page for page in scan.read(content).pages] == [1, 2, 3]
    assert photos[1][1][200:2000] in content, "a JPEG is kept as it is"
    assert scan.joined(photos[:1]) == photos[0]


def test_several_files_that_are_not_all_photos_are_refused(printed: bytes) -> None:
    photo = ("a.jpg", scans.to_jpeg(Image.new("RGB", (300, 212), "white")))
    for others, words in (
        ([("b.pdf", printed)], "PDF 请先合并"),
        ([("b.txt", b"text")], "只接受"),
        ([("b.jpg", photo[1][:200])], "损坏"),
        ([photo] * 60, "最多选择 60 张"),
    ):
        with pytest.raises(Refusal, match=words) as refusal:
            scan.joined([photo, *others])
        assert chinese(refusal.value.message)


def test_a_photo_of_one_page_is_read(full: FilingSnapshot, printed: bytes) -> None:
    picture = scans.scanned(
        scans.rasterise(printed, 200)[0], Condition(dpi=200, photo=True, angle=90), random.Random(5), last=False
    )
    result = scan.read(scans.to_jpeg(picture), "IMG_0001.jpg")
    assert result.media_type == scan.JPEG and result.pages[0].codes[0].page == 1
    assert "缺少" in judged(result, full).refused


@pytest.mark.parametrize("angle", [3, -3, 183, 177])
def test_a_crooked_photo_without_the_corners_of_the_paper_is_read(printed: bytes, angle: int) -> None:
    sheet = scans.rasterise(printed, 150)[1]
    edge = 30  # pixels: 5 mm of the paper are not on the photo
    crooked = sheet.rotate(angle, Image.Resampling.BICUBIC, fillcolor=(90, 84, 76))
    photo = crooked.crop((edge, edge, sheet.width - edge, sheet.height - edge))
    assert [code.page for code in scan.read(scans.to_jpeg(photo)).pages[0].codes] == [2]


def test_other_codes_on_the_paper_are_ignored() -> None:
    symbol = zxingcpp.create_barcode("https://example.com/", zxingcpp.BarcodeFormat.QRCode)
    picture = memoryview(symbol.to_image(scale=8))
    page = Image.new("RGB", (1200, 900), "white")
    page.paste(Image.frombytes("L", picture.shape[::-1], picture.tobytes()), (50, 50))
    assert scan.read(scans.to_jpeg(page)).pages[0].codes == ()


def test_a_page_is_drawn_again_as_a_picture(printed: bytes) -> None:
    png, pages = scan.picture(printed, scan.PDF, 2, 800)
    assert png.startswith(b"\x89PNG") and Image.open(io.BytesIO(png)).width == 800
    assert pages == len(scans.rasterise(printed, 30))
    with pytest.raises(Refusal, match="没有这一页"):
        scan.picture(printed, scan.PDF, 99)


def content_bomb() -> bytes:
    """Few bytes, endless drawing."""
    stream = zlib.compress(b"0 0 600 600 re f 1 0 0 rg 0 0 m 600 600 l S\n" * 4_000_000)
    return _pdf(b"<</Length %d/Filter/FlateDecode>>\nstream\n" % len(stream) + stream + b"\nendstream")


def _pdf(stream: bytes, *, size: bytes = b"595 842", pages: int = 1, catalog: bytes = b"") -> bytes:
    kids = b" ".join(b"%d 0 R" % (4 + n) for n in range(pages))
    objects = [
        b"<</Type/Catalog/Pages 2 0 R%s>>" % catalog,
        b"<</Type/Pages/Count %d/Kids[%s]>>" % (pages, kids),
        stream,
        *[b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 %s]/Contents 3 0 R>>" % size] * pages,
    ]
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    return out + b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)


EMPTY = b"<</Length 0>>\nstream\n\nendstream"
SCRIPT = b"/Names<</JavaScript<</Names[(a)<</S/JavaScript/JS(app.alert\\(1\\))>>]>>>>"


def _png(width: int, height: int) -> bytes:
    out = io.BytesIO()
    Image.new("1", (width, height)).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        (b"", "a.pdf", "空的"),
        (b"MZ\x90\x00" * 50, "a.pdf", "PDF、JPG、PNG"),
        (b"<html>", "a.html", "PDF、JPG、PNG"),
        (b"\0\0\0\x18ftypheic" + b"\0" * 50, "IMG_1.HEIC", "HEIC"),
        (b"II*\0" + b"\0" * 50, "a.tif", "TIFF"),
        (b"%PDF-1.7\n" + b"x" * 500, "a.pdf", "损坏"),
        (b"\xff\xd8\xff" + b"x" * 500, "a.jpg", "损坏"),
        (b"\x89PNG\r\n\x1a\n" + b"x" * 500, "a.png", "损坏"),
        (_pdf(EMPTY, pages=61), "a.pdf", "60 页"),
        (_pdf(EMPTY, size=b"9000 9000"), "a.pdf", "尺寸"),
        (_pdf(EMPTY, catalog=SCRIPT), "a.pdf", "脚本"),
        (_png(9000, 9000), "a.png", "像素"),
        (b"%PDF-" + b"0" * (scan.MAX_BYTES + 1), "a.pdf", "20 MB"),
    ],
)
def test_a_file_that_cannot_be_taken_is_refused_with_a_sentence(content: bytes, name: str, words: str) -> None:
    with pytest.raises(Refusal) as refusal:
        scan.read(content, name)
    assert words in refusal.value.message and chinese(refusal.value.message)


def made(change: Callable[[Any], object], **saved: Any) -> bytes:
    """A PDF of one page with something done to it."""
    document = pikepdf.new()
    document.add_blank_page(page_size=(595, 842))
    change(document)
    out = io.BytesIO()
    document.save(out, **saved)
    return out.getvalue()


def script() -> pikepdf.Dictionary:
    return pikepdf.Dictionary(S=pikepdf.Name.JavaScript, JS="app.alert(1)")


PACKED = {"object_stream_mode": pikepdf.ObjectStreamMode.generate}
ACTIVE: dict[str, bytes] = {
    "opens with a script": made(lambda d: d.Root.__setattr__("OpenAction", script())),
    "script of a page": made(lambda d: d.pages[0].obj.__setattr__("AA", pikepdf.Dictionary(O=script()))),
    "packed": made(lambda d: d.Root.__setattr__("OpenAction", d.make_indirect(script())), **PACKED),
    "spelt oddly": made(lambda d: d.Root.__setattr__("OpenAction", script())).replace(b"/JavaScript", b"/J#61vaScript"),
    "starts a program": made(
        lambda d: d.Root.__setattr__("OpenAction", pikepdf.Dictionary(S=pikepdf.Name.Launch, F="calc.exe"))
    ),
    "carries a file": made(lambda d: d.attachments.__setitem__("a.exe", b"MZ")),
    "carries a file on a page": made(
        lambda d: d.pages[0].obj.__setattr__(
            "Annots", pikepdf.Array([pikepdf.Dictionary(Type=pikepdf.Name.Annot, Subtype=pikepdf.Name.FileAttachment)])
        )
    ),
    "XFA form": made(lambda d: d.Root.__setattr__("AcroForm", pikepdf.Dictionary(XFA="x"))),
}


@pytest.mark.parametrize("how", ACTIVE)
def test_a_pdf_that_does_more_than_show_pages_is_refused(how: str) -> None:
    with pytest.raises(Refusal, match="脚本、会启动程序的链接或夹带的文件"):
        scan.inspect(ACTIVE[how], "a.pdf")


@pytest.mark.parametrize("password", ["", "geheim"])
def test_an_encrypted_pdf_is_refused_also_when_it_opens_without_password(password: str) -> None:
    locked = made(lambda d: None, encryption=pikepdf.Encryption(owner="owner", user=password))
    with pytest.raises(Refusal, match="加了密"):
        scan.inspect(locked, "a.pdf")


def test_a_pdf_that_only_says_which_page_to_show_first_is_taken() -> None:
    shown = made(lambda d: d.Root.__setattr__("OpenAction", pikepdf.Array([d.pages[0].obj, pikepdf.Name.Fit])))
    assert scan.inspect(shown, "a.pdf") == (scan.PDF, 1)


@pytest.mark.parametrize(("mode", "width", "height"), [("RGBA", 4500, 4500), ("RGB", 5200, 5200), ("I;16", 6000, 6000)])
def test_a_picture_that_would_fill_the_memory_is_refused_before_it_is_read(mode: str, width: int, height: int) -> None:
    out = io.BytesIO()
    Image.new(mode, (width, height)).save(out, "PNG")
    with pytest.raises(Refusal, match="像素过多"):
        scan.inspect(out.getvalue(), "a.png")


def test_a_large_photo_is_read_at_a_part_of_its_size() -> None:
    out = io.BytesIO()
    Image.new("RGB", (8000, 6000), (250, 250, 250)).save(out, "JPEG")
    assert scan.inspect(out.getvalue(), "a.jpg") == (scan.JPEG, 1)


@pytest.mark.slow
def test_a_file_that_never_ends_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "_SECONDS", 6)
    with pytest.raises(Refusal, match="过于复杂"):
        scan.read(content_bomb(), "a.pdf")


def test_junk_before_the_head_of_a_pdf_is_tolerated(printed: bytes) -> None:
    kind, pages = scan.inspect(b"\n" * 200 + scans.stamped_pdf(printed, Condition(dpi=60), pages=[0]), "a.pdf")
    assert (kind, pages) == (scan.PDF, 1)


def test_the_child_answers_only_what_it_is_asked() -> None:
    assert set(reader.TASKS) == {"inspect", "read", "picture", "join"}
    assert all(chinese(words) for words in scan.WORDS.values())


def test_conflicting_codes_on_one_page_are_refused(full: FilingSnapshot) -> None:
    ours = codes.PageCode(papers.NUMBER, 1, full.digest[:16], 1, 1)
    other = replace(ours, digest16="0" * 16)
    result = ScanResult(scan.PDF, (scan.PageRead(1, (ours, other), True, True),))
    answer = judged(result, full)
    assert "修改前的数据" in answer.refused
    assert "一致" in answer.lines[0] and digest.code("0" * 16) in answer.lines[0]


def test_two_pages_on_one_of_the_scan_are_both_said(full: FilingSnapshot) -> None:
    first = codes.PageCode(papers.NUMBER, 1, full.digest[:16], 1, 2)
    result = ScanResult(scan.PDF, (scan.PageRead(1, (replace(first, page=2), first), True, True),))
    answer = judged(result, full)
    assert answer.refused == ""
    assert answer.lines == ("第 1 页：读到第 1、2 页（共 2 页）的二维码，与当前数据一致。",)
