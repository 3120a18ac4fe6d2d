"""Typed text ⇄ value of one cell (单元格): numbers as people type them, exact decimals, the kinds of empty, units."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache

from models.enums import CellKind
from services.forms import names, reference
from services.forms.expressions import CHOICE_SEPARATOR, EXACT
from services.forms.findings import CellValue
from services.forms.template import REMARK_SLOT, UNIT_SLOT, FormField

BLANK = CellValue("", CellKind.BLANK)
EMPTY_WORDS: Mapping[str, CellKind] = {
    "不涉及": CellKind.NOT_APPLICABLE,
    "不适用": CellKind.NOT_APPLICABLE,
    "停产": CellKind.STOPPED,
}
DERIVED_DECIMALS = 4

_MOST_DIGITS = 30  # a product of two stays exact within EXACT
_TEN_THOUSAND = Decimal(10_000)
_NUMBER = re.compile(r"[+-]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d*)?(?:[eE][+-]?\d{1,3})?", re.ASCII)
_PLAIN = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,10})?")
_SPACED_THOUSANDS = re.compile(r"[+-]?\d{1,3}(?: \d{3})+(?:\.\d*)?", re.ASCII)
_NOTHING_MARKS = frozenset(("-", "--", "—", "——", "/", "\\", "无", "N/A", "NA", "n/a", "na", "#N/A", "空"))
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_INDUSTRY_CODE = re.compile(r"[A-Ta-t]?([0-9]{4})(?![0-9])")
_CHOICE_SPLIT = re.compile(r"[；;|\n]")
_SAME_WORDS = str.maketrans({"他": "它"})  # 其他 is what people type for the official 其它


def parse(field: FormField, slot: str, text: str, unit: str = "") -> CellValue:
    """What a person typed into a cell → its value; never raises. ``unit``: the chosen option where ``field.units``."""
    text = clean(text)
    if not text:
        return BLANK
    if slot == REMARK_SLOT:
        return CellValue(text, CellKind.TEXT)
    if slot == UNIT_SLOT:
        return _parse_choice(tuple(option.name for option in field.units), text)
    if field.kind in ("number", "derived"):
        return _parse_number(field, text, unit)
    if field.kind == "choices":
        return _parse_choices(field.choices, text)
    if field.kind == "industry":
        return _parse_industry(text)
    if field.choices:
        return _parse_choice(field.choices, text)
    if field.pattern:  # telephones, e-mail addresses, codes: full-width digits are no mistake
        text = text.translate(names.HALF_WIDTH).strip()
    return CellValue(text, CellKind.TEXT) if text else BLANK


def clean(text: str) -> str:
    """Without outer blanks, control characters and half surrogates, which neither file nor database can hold."""
    if _FORBIDDEN.search(text):
        text = _FORBIDDEN.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    return text.strip()


def figure(text: str, unit: str = "", *, ratio: bool = False) -> Decimal | None:
    """The number a text means, in the unit it was typed in; None if it is not one. ``ratio``: 12% means 0.12."""
    if _PLAIN.fullmatch(text):  # as nearly everybody types
        return Decimal(text)
    plain = text.translate(names.HALF_WIDTH).strip()
    if unit and plain.endswith(folded := unit.translate(names.HALF_WIDTH)):
        plain = plain[: -len(folded)].rstrip()
    percent = plain.endswith("%") and (ratio or unit == "%")
    if percent:
        plain = plain[:-1].rstrip()
    if " " in plain and _SPACED_THOUSANDS.fullmatch(plain):
        plain = plain.replace(" ", "")
    if len(plain) > 2 * _MOST_DIGITS or not _NUMBER.fullmatch(plain) or not any(char.isdigit() for char in plain):
        return None
    if not any(char.isdigit() for char in plain.lower().partition("e")[0]):
        return None
    value = EXACT.create_decimal(plain.replace(",", ""))
    _, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int) or len(digits) > _MOST_DIGITS or abs(exponent) + len(digits) > _MOST_DIGITS:
        return None if value else Decimal(0)
    return EXACT.divide(value, Decimal(100)) if percent and ratio else value


def plain(value: Decimal) -> str:
    """Plain notation without superfluous zeros: 1E+3 → 1000, 1.50 → 1.5, -0 → 0."""
    if not value:
        return "0"
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def grouped(value: Decimal) -> str:
    """With thousands separators, for reading and printing."""
    whole, point, fraction = plain(abs(value)).partition(".")
    return f"{'-' if value < 0 else ''}{int(whole):,}{point}{fraction}"


def show(value: CellValue, field: FormField, unit: str = "") -> str:
    """A cell for reading and printing: thousands separated in the unit it was typed in, 不涉及 and 停产 in the official word."""
    if value.kind is CellKind.NUMBER:
        typed = figure(value.text, unit or field.unit, ratio=is_ratio(field))
        return value.text if typed is None else grouped(typed)
    if value.kind in (CellKind.NOT_APPLICABLE, CellKind.STOPPED):
        return value.kind.caption
    return value.text


def with_unit(shown: str, unit: str) -> str:
    """A shown figure and its unit as a Chinese sentence has them: 3吨, 5 kgce/万元, 60%."""
    if not unit:
        return shown
    return f"{shown} {unit}" if unit[0].isascii() and unit[0] != "%" else f"{shown}{unit}"


def convert(text: str, from_unit: str, to_unit: str, field: FormField) -> str | None:
    """The same amount in another unit of the field (单位换算), as text; None where that cannot be done."""
    scales = _scales(field, from_unit, to_unit)
    typed = figure(text, from_unit)
    if scales is None or typed is None:
        return None
    old, new = scales
    return plain(rounded(EXACT.divide(EXACT.multiply(typed, old), new), field.decimals))


def derived(field: FormField, value: Decimal, unit: str) -> CellValue:
    """A computed figure as its cell holds it: rounded in the unit of the row, the value canonical as everywhere."""
    factor = factor_of(field, unit)
    shown = rounded(value if factor is None else EXACT.divide(value, factor), field.decimals)
    text = plain(shown)
    return CellValue(text, CellKind.NUMBER, text if factor is None else plain(EXACT.multiply(shown, factor)))


def factor_of(field: FormField, unit: str) -> Decimal | None:
    """Factor to the canonical unit; None if the unit is not an option or not convertible."""
    return next((option.factor for option in field.units if option.name == unit), None)


def convertible(field: FormField, unit: str) -> tuple[str, ...]:
    """The other units of a field into which figures in this one can be converted (可换算的单位)."""
    others = (option.name for option in field.units if option.name != unit)
    return tuple(other for other in others if _scales(field, unit, other) is not None)


def _scales(field: FormField, one: str, other: str) -> tuple[Decimal, Decimal] | None:
    """How much each of two units is, in whatever both can be counted in; None if they count different things. 万 is a number:
    万件 and 件 need no factor."""
    if not {one, other} <= {option.name for option in field.units}:
        return None
    factors = factor_of(field, one), factor_of(field, other)
    if factors[0] is not None and factors[1] is not None:
        return factors[0], factors[1]
    if one == f"万{other}":
        return _TEN_THOUSAND, Decimal(1)
    return (Decimal(1), _TEN_THOUSAND) if other == f"万{one}" else None


def rounded(value: Decimal, decimals: int | None) -> Decimal:
    """四舍五入 to so many decimals; None: 10, where a division has to stop somewhere."""
    return value.quantize(Decimal(1).scaleb(-(10 if decimals is None else decimals)), ROUND_HALF_UP, EXACT)


def decimals_of(value: Decimal) -> int:
    """How many decimals a figure really has: 1.50 has one."""
    return len(plain(value).partition(".")[2])


def is_ratio(field: FormField) -> bool:
    """A number without any unit: there 12% can only mean 0.12."""
    return not field.unit and not field.units


def why_unreadable(field: FormField, text: str) -> str:
    """Why a number cell could not be read, and what to type instead: one or two Chinese sentences."""
    plain_text = text.translate(names.HALF_WIDTH).strip()
    instead = "没有发生的填0"
    if field.empty_words:
        instead += "，没有此项的填“不涉及”，全年停产的填“停产”"
    if plain_text in EMPTY_WORDS:
        return "本格不能填“不涉及”或“停产”，请填写数字。"
    if plain_text in _NOTHING_MARKS:
        return f"“{text}”看不出是没有发生、没有此项还是尚未填写：{instead}；尚未取得数据的请先留空。"
    if sum(char.isdigit() for char in plain_text) > _MOST_DIGITS or re.search(r"[eE][+-]?\d{2,}$", plain_text):
        return f"数字太长或太大，最多{_MOST_DIGITS}位，请核对后重新填写。"
    if any(char.isdigit() for char in plain_text):
        unit = f"“{field.unit}”" if field.unit else "所选的计量单位"
        return f"请只填写按{unit}计量的数字，例如1234.5，不要带其他单位、文字或算式；千分位逗号应每三位一个。"
    return f"请填写数字，例如1234.5；{instead}。"


def _parse_number(field: FormField, text: str, unit: str) -> CellValue:
    if kind := EMPTY_WORDS.get(text):
        return CellValue(text, kind if field.empty_words else CellKind.INVALID)
    typed = figure(text, unit or field.unit, ratio=is_ratio(field))
    if typed is None:
        return CellValue(text, CellKind.INVALID)
    factor = factor_of(field, unit)
    value = plain(typed if factor is None else EXACT.multiply(typed, factor))
    return CellValue(text if text != value else value, CellKind.NUMBER, value)


def _parse_choice(options: tuple[str, ...], text: str) -> CellValue:
    if text in options:
        return CellValue(text, CellKind.TEXT)
    wanted = _folded(text)
    found = next((option for option in options if _folded(option) == wanted), None)
    return CellValue(text, CellKind.INVALID) if found is None else CellValue(found, CellKind.TEXT)


def _parse_choices(options: tuple[str, ...], text: str) -> CellValue:
    parts = [part.strip() for part in _CHOICE_SPLIT.split(text) if part.strip()]
    found = [_parse_choice(options, part) for part in parts]
    if any(cell.kind is CellKind.INVALID for cell in found):
        return CellValue(text, CellKind.INVALID)
    chosen = {cell.text for cell in found}
    return CellValue(CHOICE_SEPARATOR.join(o for o in options if o in chosen), CellKind.TEXT) if chosen else BLANK


def _parse_industry(text: str) -> CellValue:
    known = reference.industry_names()
    typed = _INDUSTRY_CODE.match(text.translate(names.HALF_WIDTH))
    code = typed[1] if typed else _codes_by_name().get(_folded(text), "")
    return CellValue(f"{code} {known[code]}", CellKind.TEXT) if code in known else CellValue(text, CellKind.INVALID)


@lru_cache(maxsize=1)
def _codes_by_name() -> Mapping[str, str]:
    return {_folded(name): code for code, name in reference.industry_names().items()}


def _folded(text: str) -> str:
    return names.normalise(text).translate(_SAME_WORDS)
