"""The printed form: everything on it, readable by people and machines, the same to the byte when printed again."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pypdfium2
import pytest
import zxingcpp

from models.enums import CellKind
from services.documents import codes, fonts, layout, pdf
from services.documents.snapshot import FilingSnapshot, NoteLine, OpinionLine
from services.filings.views import Difference, Receipt
from services.forms import digest
from tests import papers

LONG_TEXT = "本厂建成分布式光伏发电系统，全年自发自用电量约一百二十万千瓦时。" * 28


@contextmanager
def opened(content: bytes) -> Iterator[Any]:
    document = pypdfium2.PdfDocument(content)
    try:
        yield document
    finally:
        document.close()


def texts(content: bytes) -> list[str]:
    """The text of each page without white space: a line break inside a cell is not part of what it says."""
    with opened(content) as document:
        found = []
        for page in document:
            reading = page.get_textpage()
            found.append(re.sub(r"\s+", "", reading.get_text_range()))
            reading.close()
            page.close()
        return found


def page_codes(content: bytes) -> list[set[codes.PageCode]]:
    with opened(content) as document:
        found = []
        for page in document:
            image = page.render(scale=150 / 72).to_pil()
            read = zxingcpp.read_barcodes(image, formats=zxingcpp.BarcodeFormat.QRCode)
            found.append({code for one in read if (code := codes.decode(one.text))})
            page.close()
        return found


@pytest.fixture(scope="module")
def full() -> FilingSnapshot:
    return papers.full(edits={"highlights": LONG_TEXT[:900]})


@pytest.fixture(scope="module")
def printed(full: FilingSnapshot) -> bytes:
    return pdf.form_pdf(full)


def test_both_faces_can_draw_every_word_of_the_form() -> None:
    words = set(papers.template().source_text) - set("\n\t")
    assert [char for char in sorted(words) if not fonts.face(fonts.SONG).glyph(char)] == []
    titles = "".join(
        f"{part.title}{part.note}{section.title}" + "".join(f"{f.group}" for f in section.fields)
        for part in papers.template().parts
        for section in part.sections
    )
    assert [char for char in sorted(set(titles)) if not fonts.face(fonts.HEI).glyph(char)] == []


def test_rare_names_and_signs_are_in_the_font() -> None:
    assert fonts.missing(papers.RARE_NAMES + "吨CO₂当量 ☐☑☒ ≤ m² ㎡ − •") == ()


def test_a_character_no_font_has_is_printed_as_a_mark_with_its_number() -> None:
    assert fonts.drawable("张𪚥") == "张〓(U+2A6A5)"
    snapshot = papers.full(edits={"contact": "张𪚥"})
    assert "张〓(U+2A6A5)" in "".join(texts(pdf.form_pdf(snapshot)))


def test_every_label_and_every_filled_cell_is_on_the_paper(full: FilingSnapshot, printed: bytes) -> None:
    # a cell cut by a page or merged may not hide a figure; order of extraction follows the drawing
    paper = "".join(texts(printed))
    for field in full.template.fields.values():
        assert re.sub(r"\s+", "", field.label) in paper, field.key
    for address, cell in full.cells.items():
        if cell.kind is CellKind.TEXT and address.slot != "unit" and len(cell.text) < 60:
            for word in cell.text.split("；"):
                assert re.sub(r"\s+", "", word) in paper, address
        if cell.kind is CellKind.NUMBER:
            assert cell.text in paper or f"{float(cell.text):,}".removesuffix(".0") in paper, address


def test_rare_characters_can_be_copied_from_the_paper() -> None:
    snapshot = papers.full(edits={"contact": papers.RARE_NAMES})
    assert papers.RARE_NAMES in "".join(texts(pdf.form_pdf(snapshot)))


def test_each_page_says_which_page_of_which_filing_it_is(full: FilingSnapshot, printed: bytes) -> None:
    pages = texts(printed)
    for number, page in enumerate(pages, 1):
        assert f"第{number}页/共{len(pages)}页" in page
        assert papers.NUMBER in page
        assert digest.code(full.digest) in page


def test_each_page_bears_its_own_code_twice(full: FilingSnapshot, printed: bytes) -> None:
    found = page_codes(printed)
    for number, on_page in enumerate(found, 1):
        assert on_page == {codes.PageCode(papers.NUMBER, 1, full.digest[:16], number, len(found))}
    with opened(printed) as document:
        image = document[0].render(scale=150 / 72).to_pil()
        both = zxingcpp.read_barcodes(image, formats=zxingcpp.BarcodeFormat.QRCode)
    assert len(both) == 2


def test_a_page_code_survives_its_letters() -> None:
    for mark in ("0" * 16, "f" * 16, "00ff00ff00ff00ff"):
        code = codes.PageCode(papers.NUMBER, 99, mark, 12, 12)
        assert codes.decode(codes.encode(code)) == code
        assert len(codes.modules(codes.encode(code))) == 29  # the size the scans were measured with


@pytest.mark.parametrize("other", ["", "https://example.com/a/b/c/d/e", "LC1/a/1/ZZZZZZZZZZZZZ/1/1", "LC1/a/x/0/1/1"])
def test_other_codes_on_a_page_are_not_ours(other: str) -> None:
    assert codes.decode(other) is None


def test_a_draft_says_so_on_every_page_and_in_its_code(full: FilingSnapshot) -> None:
    draft = pdf.form_pdf(replace(full, validated=False))
    assert all("草稿未验证" in page for page in texts(draft))
    assert {code.version for page in page_codes(draft) for code in page} == {codes.DRAFT_VERSION}


def test_a_validated_form_bears_no_draft_mark(printed: bytes) -> None:
    assert not any("草稿" in page for page in texts(printed))


def test_a_blank_form_can_be_printed() -> None:
    pages = texts(pdf.form_pdf(papers.blank()))
    assert "工业总产值" in "".join(pages)


def test_printing_again_gives_the_same_bytes(full: FilingSnapshot, printed: bytes) -> None:
    assert pdf.form_pdf(full) == printed
    assert pdf.form_pdf(replace(full, dated=full.dated + timedelta(minutes=1))) != printed


@pytest.mark.parametrize("length", [0, 10, 300, 1000, 3000, 9000])
def test_the_pledge_is_whole_and_never_alone(full: FilingSnapshot, length: int) -> None:
    text = (LONG_TEXT * 10)[:length]
    pages = texts(pdf.form_pdf(papers.full(edits={"suggestions": text, "highlights": text})))
    assert "真实性承诺" in pages[-1] and "法人签字" in pages[-1] and "（单位公章）" in pages[-1]
    assert sum("法人签字" in page for page in pages) == 1
    assert "五、意见和建议" in pages[-1] or text[-20:] in pages[-1]


def test_the_pledge_stands_after_the_notes_and_never_alone(full: FilingSnapshot) -> None:
    for count in (1, 12, 13, 14, 15, 16, 40):
        notes = tuple(
            NoteLine(f"第{n}条：单位产值能耗超出常规范围。", "已核实无误", "陈志远", papers.DATED) for n in range(count)
        )
        last = texts(pdf.form_pdf(replace(full, notes=notes)))[-1]
        assert f"第{count - 1}条" in last and "法人签字" in last


def test_what_changed_since_the_last_version_follows_the_form_with_the_same_codes(full: FilingSnapshot) -> None:
    rows = tuple(Difference(f"a{n}:2024", f"指标{n} 2024年", "c", str(n), str(n + 1), "吨", "+1%") for n in range(40))
    plain = len(texts(pdf.form_pdf(full)))
    content = pdf.form_pdf(replace(full, differences=rows, compared_with="第1版（2025年2月27日上报）"))
    pages = texts(content)
    assert "附：修改对照表（与第1版（2025年2月27日上报）对照）" in pages[plain] and len(pages) > plain + 1
    assert all("修改前" in page for page in pages[plain:]) and "指标392024年" in pages[-1]
    assert f"第{plain}页/共{len(pages)}页" in pages[plain - 1] and "法人签字" in pages[plain - 1]
    for number, found in enumerate(page_codes(content), 1):
        assert found == {codes.PageCode(papers.NUMBER, 1, full.digest[:16], number, len(pages))}


def test_column_heads_are_repeated_on_every_page_of_the_grid(printed: bytes) -> None:
    for page in texts(printed):
        if "按公式计算" in page:
            assert "指标名称" in page and "2024年指标值" in page


def test_figures_of_a_page_stay_inside_it(printed: bytes) -> None:
    with opened(printed) as document:
        for page in document:
            width, height = page.get_size()
            for thing in page.get_objects(max_depth=1):
                left, bottom, right, top = thing.get_bounds()
                assert left >= 20 and right <= width - 20 and bottom >= 10 and top <= height - 10
            page.close()


PIECES = [f"{number:03}堃" for number in range(125)]
LONG, MANY_LINES = "".join(PIECES), "\n".join(PIECES)


def _opinion(said: str) -> OpinionLine:
    return OpinionLine("市审核", "广州市工业和信息化局", "已退回", said, "王芳", papers.DATED, (said,))


@pytest.mark.parametrize("text", [LONG, MANY_LINES], ids=["long", "many lines"])
@pytest.mark.parametrize(
    "printed_with",
    [
        lambda text: pdf.form_pdf(papers.full(edits={"gross_output:remark": text})),
        lambda text: pdf.form_pdf(
            replace(papers.full(), notes=(NoteLine("单位产值能耗超出常规范围。", text, "陈志远", papers.DATED),))
        ),
        lambda text: pdf.changes_pdf(
            replace(papers.full(), differences=(Difference("highlights", "亮点工作", "d", text * 3, text * 4, "", ""),))
        ),
        lambda text: pdf.opinions_pdf(replace(papers.full(), opinions=(_opinion(text),))),
    ],
    ids=["remark", "explanation", "both sides of a change", "opinion"],
)
def test_what_is_longer_than_a_page_goes_on_on_the_next_one(printed_with: Callable[[str], bytes], text: str) -> None:
    content = printed_with(text)
    with opened(content) as document:
        for page in document:
            lowest = min(thing.get_bounds()[1] for thing in page.get_objects(max_depth=1))
            assert lowest >= 20
            reading = page.get_textpage()
            foot = min(range(reading.count_rects()), key=lambda at: reading.get_rect(at)[1])
            assert re.search("校验码|第 .* 页", reading.get_text_bounded(*reading.get_rect(foot)))
            reading.close()
            page.close()
    paper = "".join(texts(content))
    assert [piece for piece in PIECES if piece not in paper] == []


def test_lines_never_begin_with_a_closing_mark_nor_end_with_an_opening_one() -> None:
    text = "（一）综合能源消费量合计（当量值），包括：煤、电、油；“实物量”不计。" * 6
    for width in range(20, 90, 3):
        lines = layout.wrap(text, fonts.SONG, 9, width)
        assert "".join(lines) == text
        assert not [line for line in lines if line[0] in "，。；：、）”"]
        assert not [line for line in lines[:-1] if line[-1] in "（“"]


def test_a_figure_is_not_broken_between_lines() -> None:
    lines = layout.wrap("产值增长到 1,234,567.89 万元（GB/T 36132-2018）", fonts.SONG, 9, 30)
    assert any("1,234,567.89" in line for line in lines)


def test_a_long_figure_is_set_smaller_and_never_on_two_lines() -> None:
    long = {"gross_output:2024": "12345678901234.5678", "water_intake:2024": "109089258712.25"}
    snapshot = papers.full(edits=long)
    boxes = [box for page in pdf.form_pages(snapshot) for row in page for box in row.boxes]
    for figure in ("12,345,678,901,234.5678", "109,089,258,712.25"):
        (box,) = (box for box in boxes if box.text == figure)
        assert box.lines == (figure,)


def test_the_mark_of_an_option_stays_with_its_word() -> None:
    options = "○ 未核算　○ 自行核算　● 第三方核查　○ 纳入碳市场"
    for width in range(30, 90):
        lines = layout.wrap(options, fonts.SONG, 9, width)
        assert [part for line in lines for part in line.split("　") if part] == options.split("　"), width


def test_a_receipt_says_what_was_sent_and_when() -> None:
    receipt = Receipt(
        7, "HZ-2025-000123", papers.NUMBER, 2, "CD14T-T1AM0", papers.DATED, "李明", True, "广州市工业和信息化局"
    )
    page = texts(pdf.receipt_pdf(receipt, "广州南沙晟电电路有限公司", "绿色工厂动态管理表", 2025))
    assert len(page) == 1
    for word in ("HZ-2025-000123", papers.NUMBER, "CD14T-T1AM0", "2025-03-2010:32", "逾期", "广州市工业和信息化局"):
        assert word in page[0]


def test_changes_are_listed_with_repeated_heads(full: FilingSnapshot) -> None:
    rows = tuple(Difference(f"a{n}:2024", f"指标{n} 2024年", "c", str(n), str(n + 1), "吨", "+1%") for n in range(60))
    pages = texts(pdf.changes_pdf(replace(full, differences=rows, compared_with="第1版")))
    assert len(pages) > 1 and all("修改前" in page for page in pages)
    assert "指标592024年" in pages[-1]
    assert "没有改动" in texts(pdf.changes_pdf(replace(full, compared_with="第1版")))[0]
    assert "第一次上报" in texts(pdf.changes_pdf(full))[0]


def test_opinions_are_printed_tier_by_tier(full: FilingSnapshot) -> None:
    lines = (
        OpinionLine(
            "市审核",
            "广州市工业和信息化局",
            "已上报",
            "数据属实，同意上报。",
            "王芳",
            papers.DATED,
            ("推荐文件已上传",),
        ),
        OpinionLine("省/集团审核", "广东省工业和信息化厅", "审核中", "", "", None),
    )
    page = texts(pdf.opinions_pdf(replace(full, opinions=lines)))[0]
    assert "同意上报" in page and "推荐文件已上传" in page and "广东省工业和信息化厅" in page


def test_every_paper_says_page_number_and_code_on_each_page(full: FilingSnapshot) -> None:
    """And a scan that holds such a paper beside the form is not taken for pages of the form."""
    rows = tuple(Difference(f"a{n}:2024", f"指标{n} 2024年", "c", str(n), str(n + 1), "吨", "+1%") for n in range(30))
    opinion = OpinionLine("市审核", "广州市工业和信息化局", "已上报", "同意上报。" * 300, "王芳", papers.DATED)
    receipt = Receipt(7, "HZ-01", papers.NUMBER, 2, digest.code(full.digest), papers.DATED, "李明", False, "某局")
    made = (
        (pdf.changes_pdf(replace(full, differences=rows, compared_with="第1版")), papers.NUMBER, 1),
        (pdf.opinions_pdf(replace(full, opinions=(opinion,))), papers.NUMBER, 1),
        (pdf.receipt_pdf(receipt, "某厂", "绿色工厂动态管理表", 2025), "HZ-01", 2),
    )
    for content, number, version in made:
        pages = texts(content)
        with opened(content) as document:
            for place, page in enumerate(document, 1):
                found = zxingcpp.read_barcodes(page.render(scale=150 / 72).to_pil())
                says = codes.paper(number, version, digest.code(full.digest), place, len(pages))
                assert [one.text for one in found] == [says]
                assert codes.decode(says) is None
                assert f"第{place}页/共{len(pages)}页" in pages[place - 1] and number in pages[place - 1]
                page.close()


def test_the_file_is_a_sound_pdf_with_small_fonts(printed: bytes) -> None:
    assert printed.startswith(b"%PDF-1.") and printed.endswith(b"%%EOF\n")
    assert len(printed) < 300_000
    start = int(printed.rsplit(b"startxref\n", 1)[1].split()[0])
    assert printed[start:].startswith(b"xref")
    places = re.findall(rb"(\d{10}) 00000 n ", printed[start:])
    for number, place in enumerate(places, 1):
        assert printed[int(place) :].startswith(b"%d 0 obj" % number)
