"""Uploaded papers (扫描件): are they fit to be kept, and which codes does a machine find on them, page by page."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.documents import child, codes
from services.documents.codes import DRAFT_VERSION, PageCode
from services.errors import Refusal
from services.forms import digest

MAX_BYTES = 20 * 1024 * 1024
PDF, JPEG, PNG = "application/pdf", "image/jpeg", "image/png"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

MOST_PHOTOS = 60
_SECONDS = 40

WORDS: Mapping[str, str] = {
    "empty": "这个文件是空的。请检查扫描是否完成，再重新上传。",
    "size": "文件超过 20 MB。请按 150–300 dpi 扫描，或压缩后再上传。",
    "kind": "只接受 PDF、JPG、PNG 文件。请把扫描结果另存为 PDF 或 JPG 后再上传。",
    "heic": "这是苹果手机的 HEIC 照片，系统不能打开。请在手机上改存为 JPG（设置 → 相机 → 格式 → 兼容性最佳），或扫描为 PDF 后再上传。",
    "tiff": "这是 TIFF、WEBP 等格式的图片，系统只接受 PDF、JPG、PNG。请另存为 PDF 或 JPG 后再上传。",
    "password": "这个 PDF 设有密码或者加了密，不能接收。请去掉密码和权限限制，或打印后重新扫描，再上传。",
    "active": "这个 PDF 含有脚本、会启动程序的链接或夹带的文件，不能接收。请打印后重新扫描为普通 PDF 再上传。",
    "pages": "这个 PDF 超过 60 页。请只上传动态管理表各页。",
    "side": "这个 PDF 的页面尺寸异常（应接近 A4）。请按 A4 重新扫描后再上传。",
    "pixels": "图片的像素过多，系统不能打开。请按 150–300 dpi 重新扫描为 JPG 或 PDF 后再上传。",
    "complex": "这个文件的内容过于复杂，系统在限定时间内读不完，没有接收。请用扫描仪重新扫描为 PDF 或 JPG（150–300 dpi）后再上传。",
    "page": "没有这一页。请从文件列表重新打开。",
    "broken": "文件已损坏或不完整，无法打开。请重新扫描为 PDF 或 JPG（150–300 dpi）后再上传。",
}


@dataclass(frozen=True, slots=True)
class PageRead:
    """One page of the file: the codes of ours found on it, whether it has colour and red ink like a seal, and whether it is
    as we exported it (``own``), with nothing put on it.
    """

    page: int
    codes: tuple[PageCode, ...]
    colour: bool
    seal: bool
    own: bool = False


@dataclass(frozen=True, slots=True)
class ScanResult:
    media_type: str
    pages: tuple[PageRead, ...]

    @property
    def own_export(self) -> bool:
        """Every page of the form is as exported, whatever else was put beside them: not stamped."""
        coded = [page for page in self.pages if page.codes]
        return bool(coded) and all(page.own for page in coded)


@dataclass(frozen=True, slots=True)
class Verdict:
    """``refused``: why it is not taken. ``ask_code``: a page could not be read, a person must type the code printed on it."""

    refused: str
    ask_code: bool
    lines: tuple[str, ...]  # what was found, page by page


def media_type(content: bytes, name: str = "") -> str:
    """By content; the name only helps to say what is wrong. Raises :class:`Refusal`."""
    if not content:
        raise Refusal(WORDS["empty"], field="file")
    if len(content) > MAX_BYTES:
        raise Refusal(WORDS["size"], field="file")
    if b"%PDF-" in content[:1024]:
        return PDF
    if content.startswith(b"\xff\xd8\xff"):
        return JPEG
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return PNG
    suffix = Path(name).suffix.lower()
    if content[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftyphevc") or suffix in (".heic", ".heif"):
        raise Refusal(WORDS["heic"], field="file")
    if content[:4] in (b"II*\0", b"MM\0*") or content[8:12] == b"WEBP":
        raise Refusal(WORDS["tiff"], field="file")
    raise Refusal(WORDS["kind"], field="file")


def inspect(content: bytes, name: str = "") -> tuple[str, int]:
    """Media type and number of pages of a PDF or picture that may be kept; raises :class:`Refusal`."""
    kind = media_type(content, name)
    answer, _ = _ask(content, "inspect", kind)
    return kind, int(answer["pages"])


def read(content: bytes, name: str = "") -> ScanResult:
    """Find our codes on every page; raises :class:`Refusal` for a file that cannot be taken."""
    kind = media_type(content, name)
    answer, _ = _ask(content, "read", kind)
    pages = tuple(
        PageRead(
            number,
            tuple(code for text in page["codes"] if (code := codes.decode(text))),
            bool(page["colour"]),
            bool(page["seal"]),
            bool(page["own"]),
        )
        for number, page in enumerate(answer["pages"], 1)
    )
    return ScanResult(kind, pages)


def joined(photos: Sequence[tuple[str, bytes]]) -> tuple[str, bytes]:
    """Photos of pages, one file each, as one PDF in the order of their names; a single file as it is. Raises :class:`Refusal`."""
    if len(photos) == 1:
        return photos[0]
    if not photos or len(photos) > MOST_PHOTOS:
        raise Refusal(f"一次最多选择 {MOST_PHOTOS} 张照片。请减少后再上传，或扫描成一个 PDF。", field="file")
    ordered = sorted(photos, key=lambda one: [int(p) if p.isdigit() else p for p in re.split(r"([0-9]+)", one[0])])
    if any(media_type(content, name) == PDF for name, content in ordered):
        raise Refusal("一次选择多个文件时，只能都是照片（JPG、PNG）。PDF 请先合并成一个文件再上传。", field="file")
    if sum(len(content) for _, content in ordered) > MAX_BYTES:
        raise Refusal(f"{len(ordered)} 张照片共超过 20 MB。请压缩照片，或按 150–300 dpi 扫描成一个 PDF。", field="file")
    lengths = ",".join(str(len(content)) for _, content in ordered)
    _, made = _ask(b"".join(content for _, content in ordered), "join", "", lengths)
    return f"{Path(ordered[0][0]).stem}等{len(ordered)}张照片.pdf", made


def picture(content: bytes, kind: str, page: int = 1, width: int = 1200) -> tuple[bytes, int]:
    """One page redrawn as PNG, for a preview that runs nothing, and the number of pages."""
    answer, png = _ask(content, "picture", kind, str(page), str(width))
    return png, int(answer["pages"])


def verdict(result: ScanResult, *, number: str, digest_hex: str, pages: int = 0) -> Verdict:
    """Whether the scan shows the figures of ``digest_hex`` of the filing ``number`` (盖章件核对).

    ``pages``: of the form as it would be printed now, for a scan on which no page says how many there are.
    """
    current = digest.code(digest_hex)
    lines = (*(_line(page, number, digest_hex) for page in result.pages), *_about_the_seal(result))
    if result.own_export:
        return Verdict(
            "这是系统导出的原文件，上面没有签字和公章。请打印后由法定代表人签字、加盖单位公章，再扫描上传。",
            False,
            lines,
        )
    for page in result.pages:
        for code in page.codes:
            if refused := _contradiction(page.page, code, number, digest_hex, current):
                return Verdict(refused, False, lines)
    read_codes = [code for page in result.pages for code in page.codes]
    total = max((code.pages for code in read_codes), default=pages)
    seen = {code.page for code in read_codes}
    unread = sum(not page.codes for page in result.pages)
    absent = [str(page) for page in range(1, total + 1) if page not in seen]
    if len(absent) > unread:
        where = f"第 {'、'.join(absent)} 页" if not unread else f"至少 {len(absent) - unread} 页"
        return Verdict(
            f"扫描件不完整：动态管理表共 {total} 页，缺少{where}。请把全部页面按顺序扫描成一个 PDF，"
            "或把每页的照片一次选中后上传。",
            False,
            lines,
        )
    return Verdict("", bool(absent) or not read_codes, lines)


def _contradiction(page: int, code: PageCode, number: str, digest_hex: str, current: str) -> str:
    if code.number != number:
        return (
            f"扫描件第 {page} 页属于另一份填报（填报编号 {code.number}），本表的填报编号是 {number}。"
            "请核对后上传本表的盖章扫描件。"
        )
    if code.version == DRAFT_VERSION:
        return (
            f"扫描件第 {page} 页是验证之前打印的草稿（带有“草稿 未验证”字样）。"
            "请在“验证并保存”通过后重新导出 PDF，签字盖章后再上传。"
        )
    if code.digest16 != digest_hex[:16]:
        return (
            f"扫描件第 {page} 页是修改前的数据（校验码 {digest.code(code.digest16)}），当前数据的校验码是 {current}。"
            "请重新导出 PDF，签字盖章后再上传。"
        )
    return ""


def _line(page: PageRead, number: str, digest_hex: str) -> str:
    if not page.codes:
        return f"第 {page.page} 页：没有读到二维码，请人工核对页脚的校验码。"
    found: dict[str, list[PageCode]] = {}  # two pages of the form may be on one of the scan
    for code in page.codes:
        same = code.number == number and code.digest16 == digest_hex[:16]
        other = f"填报编号 {code.number}，校验码 {digest.code(code.digest16)}，与当前数据不符"
        found.setdefault("与当前数据一致" if same else other, []).append(code)
    said = "；".join(
        f"读到第 {'、'.join(str(code.page) for code in sorted(each, key=lambda one: one.page))} 页"
        f"（共 {each[0].pages} 页）的二维码，{words}"
        for words, each in found.items()
    )
    return f"第 {page.page} 页：{said}。"


def _about_the_seal(result: ScanResult) -> tuple[str, ...]:
    """A hint only: a seal may be faint, and a grey scan shows no colour."""
    if any(page.seal for page in result.pages):
        return ()
    if any(page.colour for page in result.pages):
        return ("各页都没有看到红色印章，请核对是否已加盖单位公章。",)
    return ("扫描件没有颜色，看不出红色印章，请核对是否已加盖单位公章。",)


def _ask(content: bytes, *arguments: str) -> tuple[dict[str, Any], bytes]:
    try:
        head, _, rest = child.run("services.documents.reader", arguments, content, _SECONDS).partition(b"\n")
    except child.Failed:
        raise Refusal(WORDS["complex"], field="file") from None
    answer: dict[str, Any] = json.loads(head)
    if "refused" in answer:
        raise Refusal(WORDS[str(answer["refused"])], field="file")
    return answer, rest
