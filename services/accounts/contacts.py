"""Names, codes and contacts of an organisation (单位信息项): what is allowed in each, and how it is masked for strangers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from models import Organisation
from services.errors import Refusal
from services.filings.views import Difference
from services.forms import names, reference
from services.forms.findings import CellValue
from services.forms.template import Address

FIELDS = frozenset({"telephone", "mobile", "email"})  # of a unit's profile and of its form alike

# domain facts of the official form: 12345678, 020-83133361 and 010-68205340 are all accepted there
_TELEPHONE = re.compile(r"(0\d{2,3}-?)?\d{7,8}(-\d{1,6})?")
_MOBILE = re.compile(r"1[3-9]\d{9}")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]{2,}")


def name(text: str) -> str:
    """单位名称."""
    found = " ".join(text.split())
    if not 2 <= len(found) <= 200 or any(ch in found for ch in "<>{}\\"):
        raise Refusal("单位名称应为营业执照上的全称，2 到 200 个字，不能含有 < > { } \\。", field="name")
    return found


def credit_code(text: str) -> str:
    """统一社会信用代码."""
    code = names.normalise_code(text)
    if len(code) != 18:
        raise Refusal(f"统一社会信用代码应为 18 位，现在是 {len(code)} 位。请按营业执照填写。", field="credit_code")
    if not names.credit_code_valid(code):
        raise Refusal(
            f"统一社会信用代码“{code}”的校验位不正确。请对照营业执照检查，注意没有字母 I、O、S、V、Z。",
            field="credit_code",
        )
    return code


def region(code: str) -> str:
    """所在地区: the most exact region there is; a city without counties is exact enough."""
    if code not in reference.regions():
        raise Refusal("请选择所在的省、市、县（区）。", field="region_code")
    found = reference.regions()[code]
    if found.level < 3 and any(below.level == 3 for below in reference.regions_within(code)):
        raise Refusal(f"“{found.name}”下还有县（区），请继续选择到县（区）。", field="region_code")
    if found.level < 2:
        raise Refusal("请继续选择到市。", field="region_code")
    return code


def address(text: str) -> str:
    found = " ".join(text.split())
    if not 2 <= len(found) <= 300:
        raise Refusal("请填写详细地址（街道、门牌号），2 到 300 个字。", field="address")
    return found


def contact(text: str) -> str:
    found = " ".join(text.split())
    if not 1 <= len(found) <= 50:
        raise Refusal("请填写联系人姓名，最多 50 个字。", field="contact")
    return found


def telephone(text: str) -> str:
    found = _plain(text)
    if not _TELEPHONE.fullmatch(found) and not _MOBILE.fullmatch(found):
        raise Refusal(f"联系电话“{text.strip()[:30]}”不像电话号码，例如 020-83133361。", field="telephone")
    return found


def mobile(text: str) -> str:
    found = _plain(text)
    if not _MOBILE.fullmatch(found):
        raise Refusal("手机号应为 11 位数字，以 1 开头，例如 13800138000。", field="mobile")
    return found


def email(text: str) -> str:
    found = _plain(text)
    if not _EMAIL.fullmatch(found) or len(found) > 100:
        raise Refusal(f"电子邮件“{text.strip()[:60]}”不完整，例如 name@example.com。", field="email")
    return found


def masked(text: str) -> str:
    """Enough to recognise, not to use: 138****8000, 020-****3361, c***@example.com."""
    if "@" in text:
        who, _, where = text.partition("@")
        return f"{who[:1]}***@{where}"
    if len(text) < 5:
        return "*" * len(text)
    head = 3 if _MOBILE.fullmatch(text) else max(len(text) - 8, 0)
    return f"{text[:head]}****{text[-4:]}" if len(text) > head + 4 else f"****{text[-4:]}"


def masked_cells(cells: Mapping[Address, CellValue]) -> dict[Address, CellValue]:
    """The cells of a form with its contacts masked."""
    return {
        address: replace(cell, text=masked(cell.text), value=masked(cell.value)) if address.field in FIELDS else cell
        for address, cell in cells.items()
    }


def masked_differences(found: Iterable[Difference]) -> tuple[Difference, ...]:
    return tuple(
        replace(one, before=masked(one.before), after=masked(one.after))
        if Address.parse(one.address).field in FIELDS
        else one
        for one in found
    )


def contacts_of(place: Organisation, *, plain: bool) -> tuple[str, str, str]:
    """Telephone, mobile and e-mail, as this reader may see them."""
    values = (place.telephone, place.mobile, place.email)
    return values if plain else (masked(values[0]), masked(values[1]), masked(values[2]))


def _plain(text: str) -> str:
    return "".join(text.translate(names.HALF_WIDTH).split())
