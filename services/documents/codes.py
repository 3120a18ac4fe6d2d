"""What a printed page says about itself to a machine (二维码内容), and the same read back."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from string import digits
from typing import Any

PREFIX = "LC1"
_PAPER = "LC1P"  # 回执, 修改对照表, 审核意见表: nothing to stamp, so :func:`decode` passes over them
DRAFT_VERSION = 0  # printed before 验证并保存
_LETTERS = digits + "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_MARK_LENGTH = 13  # 64 bits in base 36: with the filing number this still fits the smaller symbol 3-Q


@dataclass(frozen=True, slots=True)
class PageCode:
    """One page of one printed form. ``digest16``: the first 16 hex digits of the digest of the figures."""

    number: str  # 填报编号
    version: int
    digest16: str
    page: int
    pages: int


def encode(code: PageCode) -> str:
    """``LC1/<number>/<version>/<digest in base 36>/<page>/<pages>``, only letters of the compact QR alphabet."""
    return f"{PREFIX}/{code.number}/{code.version}/{_to_letters(code.digest16)}/{code.page}/{code.pages}"


def paper(number: str, version: int, code: str, page: int = 1, pages: int = 1) -> str:
    """What a paper that is not the form says of itself: of which figures (校验码) it speaks."""
    return f"{_PAPER}/{number}/{version}/{code}/{page}/{pages}"


def decode(text: str) -> PageCode | None:
    """None for any other code that may stand on a page (绿证, 发票 …)."""
    parts = text.strip().split("/")
    if len(parts) != 6 or parts[0] != PREFIX:
        return None
    _, number, version, mark, page, pages = parts
    counts = (version, page, pages)
    if not all(count.isascii() and count.isdigit() and len(count) < 6 for count in counts):
        return None
    if not 0 < len(number) <= 40 or len(mark) != _MARK_LENGTH or any(letter not in _LETTERS for letter in mark):
        return None
    value = int(mark, 36)
    if value >= 1 << 64:
        return None
    return PageCode(number, int(version), f"{value:016x}", int(page), int(pages))


@lru_cache(maxsize=512)
def modules(text: str) -> tuple[str, ...]:
    """The QR symbol of ``text`` at error correction Q: rows of 0 and 1, without quiet zone."""
    import zxingcpp

    symbol = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode, ec_level="Q")
    picture: Any = symbol.to_image(scale=1, add_quiet_zones=False)
    pixels: Any = memoryview(picture).tolist()
    return tuple("".join("0" if light else "1" for light in row) for row in pixels)


def _to_letters(digest16: str) -> str:
    value, letters = int(digest16, 16), ""
    for _ in range(_MARK_LENGTH):
        value, rest = divmod(value, 36)
        letters = _LETTERS[rest] + letters
    return letters
