"""What is validated, stamped and submitted (数据指纹): one hash over template and cells, and the short code people can type."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from models.enums import CellKind
from services.forms.findings import CellValue
from services.forms.names import HALF_WIDTH
from services.forms.template import Address

_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford base 32: no I L O U
_CODE_LENGTH = 10
_LOOK_ALIKES = str.maketrans({"O": "0", "I": "1", "L": "1", "U": "V"})


def of(template_digest: str, cells: Mapping[Address, CellValue]) -> str:
    """SHA-256 hex over canonical JSON: template digest and every non-blank cell (address, kind, exact value or text)."""
    rows = sorted(
        (str(address), cell.kind.value, cell.value if cell.kind is CellKind.NUMBER else _said(cell))
        for address, cell in cells.items()
        if cell.kind is not CellKind.BLANK
    )
    body = json.dumps([template_digest, rows], ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(body.encode()).hexdigest()


def code(digest_hex: str) -> str:
    """校验码 printed on every page: the first 50 bits as ``XXXXX-XXXXX``."""
    bits = int(digest_hex[:16], 16) >> (64 - 5 * _CODE_LENGTH)
    letters = "".join(_LETTERS[bits >> shift & 31] for shift in range(5 * (_CODE_LENGTH - 1), -1, -5))
    return f"{letters[:5]}-{letters[5:]}"


def normalise_code(typed: str) -> str:
    """A code as a person typed it → ``XXXXX-XXXXX``; "" if it cannot be one."""
    upper = typed.translate(HALF_WIDTH).upper().translate(_LOOK_ALIKES)
    letters = "".join(letter for letter in upper if letter.isalnum())
    if len(letters) != _CODE_LENGTH or any(letter not in _LETTERS for letter in letters):
        return ""
    return f"{letters[:5]}-{letters[5:]}"


def _said(cell: CellValue) -> str:
    # 不适用 and 不涉及 are one answer: the kind says it, the spelling does not count.
    return "" if cell.kind in (CellKind.NOT_APPLICABLE, CellKind.STOPPED) else cell.text
