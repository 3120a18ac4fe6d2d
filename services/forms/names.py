"""Names and codes of organisations (名称与代码): the check digit of GB 32100 and one spelling per name."""

from __future__ import annotations

import re

_CODE_LETTERS = "0123456789ABCDEFGHJKLMNPQRTUWXY"  # GB 32100-2015: 31 characters, without I O S V Z
_CODE_WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)  # 3^(i-1) mod 31
_CODE_VALUES = {letter: value for value, letter in enumerate(_CODE_LETTERS)}

# Full-width ASCII and the usual look-alikes; not NFKC, which would also turn "10²" into "102".
HALF_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {
    0x3000: " ", 0x00A0: " ", 0x2002: " ", 0x2003: " ", 0x2009: " ", 0x202F: " ", 0x200B: None, 0xFEFF: None,
    0x3014: "(", 0x3015: ")", 0x3010: "(", 0x3011: ")", 0x2212: "-", 0xFE63: "-",
}  # fmt: skip
_SPACE = re.compile(r"\s+")
_DOTS = str.maketrans({"·": "·", "•": "·", "・": "·", "．": "·"})


def credit_code_valid(code: str) -> bool:
    """统一社会信用代码: 18 characters and the check digit of GB 32100-2015."""
    code = normalise_code(code)
    if len(code) != 18 or any(letter not in _CODE_VALUES for letter in code):
        return False
    total = sum(_CODE_VALUES[letter] * weight for letter, weight in zip(code, _CODE_WEIGHTS, strict=False))
    return code[17] == _CODE_LETTERS[(31 - total % 31) % 31]


def normalise_code(code: str) -> str:
    """Half-width, upper case, no spaces."""
    return _SPACE.sub("", code.translate(HALF_WIDTH)).upper()


def normalise(name: str) -> str:
    """名称规范化 for comparing: half-width, no spaces, one kind of bracket and of middle dot, upper case."""
    return _SPACE.sub("", name.translate(_DOTS).translate(HALF_WIDTH)).upper()
