"""Who acts (操作人): what every use case is told about the person behind the click."""

from __future__ import annotations

from dataclasses import dataclass

from models.enums import AUTHORITY_ROLES, UNIT_ROLES, Role, Tier


@dataclass(frozen=True, slots=True)
class Actor:
    """操作人: built by ``accounts.sessions`` from a valid sign-in and by nothing else (but tests)."""

    user_id: int
    username: str
    name: str
    role: Role
    organisation_id: int
    organisation_name: str
    region_code: str = ""  # an authority's region; a unit's own region
    tier: Tier | None = None
    unit_has_signer: bool = False  # the unit has named a 负责人, so a 填报人 may not 上报
    sign_in_id: int | None = None
    address: str = ""  # network address, for the log
    must_change_password: bool = False
    must_set_code: bool = False  # this role must use a 动态口令 and has none yet

    @property
    def is_unit(self) -> bool:
        return self.role in UNIT_ROLES

    @property
    def is_authority(self) -> bool:
        return self.role in AUTHORITY_ROLES


def region_prefix(code: str) -> str:
    """The leading digits that a region's whole subtree shares: 440000 → 44, 440100 → 4401, 440106 → 440106; empty: all."""
    if code.endswith("0000"):
        return code[:2]
    if len(code) == 6 and code.endswith("00"):
        return code[:4]
    return code
