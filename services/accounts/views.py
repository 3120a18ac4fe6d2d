"""What pages are told about people and offices (账户视图): frozen values, contacts masked where they are not one's own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from models.enums import AuditResult, OrgKind, OrgStatus, Role, Tier


@dataclass(frozen=True, slots=True)
class Choice:
    """An office that may be chosen (可选的主管部门)."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Picked:
    """The 上级主管部门 of a unit (省, 市, 县/区) and its 所属央企, by id."""

    province_id: int | None = None
    city_id: int | None = None
    county_id: int | None = None
    group_id: int | None = None


@dataclass(frozen=True, slots=True)
class Superiors:
    """上级主管部门 that may be chosen, level by level: cities lie under the province that is picked, counties under the city.

    ``required``: levels that cannot be left out. ``elsewhere``: picked offices outside the unit's own region.
    """

    province: tuple[Choice, ...]
    city: tuple[Choice, ...]
    county: tuple[Choice, ...]
    groups: tuple[Choice, ...]
    picked: Picked  # what was picked, without what may not be chosen under it
    required: frozenset[Tier]
    path: tuple[str, ...]  # who reviews, in this order
    elsewhere: tuple[str, ...]
    note: str = ""  # e.g. 计划单列市 …


@dataclass(frozen=True, slots=True)
class RegisterForm:
    """单位注册: what a unit says of itself, and its first user."""

    name: str
    credit_code: str
    region_code: str  # the most exact one that was chosen
    address: str
    contact: str
    telephone: str
    mobile: str
    email: str
    superior_province_id: int | None
    superior_city_id: int | None
    superior_county_id: int | None
    group_id: int | None
    username: str
    password: str
    user_name: str  # 姓名
    license_name: str = ""
    license_content: bytes = b""


@dataclass(frozen=True, slots=True)
class Registered:
    """注册结果: who has to confirm it."""

    organisation_id: int
    unit_name: str
    username: str
    confirmed_by: str


@dataclass(frozen=True, slots=True)
class ProfileEdit:
    """单位信息 as the unit wants it; what it may not change now must be as it was."""

    name: str
    region_code: str
    address: str
    contact: str
    telephone: str
    mobile: str
    email: str
    superior_province_id: int | None
    superior_city_id: int | None
    superior_county_id: int | None
    group_id: int | None


@dataclass(frozen=True, slots=True)
class OrganisationView:
    """机构. ``locked`` names fields that cannot be changed now, with the reason; contacts are masked for strangers."""

    id: int
    kind: OrgKind
    status: OrgStatus
    status_caption: str
    status_reason: str
    name: str
    credit_code: str
    former_names: tuple[str, ...]
    region_code: str
    region_name: str  # 广东省 广州市 天河区
    address: str
    tier: Tier | None
    contact: str
    telephone: str
    mobile: str
    email: str
    masked: bool
    superior_province: Choice | None
    superior_city: Choice | None
    superior_county: Choice | None
    group: Choice | None
    license_file_id: int | None
    version: int
    locked: dict[str, str]
    can_edit: bool = False
    can_confirm: bool = False
    confirmed_by: str = ""  # who confirms the registration


@dataclass(frozen=True, slots=True)
class OrganisationRow:
    """A row of the list of organisations (机构列表)."""

    id: int
    name: str
    kind: OrgKind
    tier: Tier | None
    status: OrgStatus
    status_caption: str
    credit_code: str
    region_code: str
    region_name: str
    users: int
    confirmed_by: str
    can_confirm: bool


@dataclass(frozen=True, slots=True)
class OrganisationPage:
    rows: tuple[OrganisationRow, ...]
    total: int
    pending: int


@dataclass(frozen=True, slots=True)
class OrganisationQuery:
    """筛选 of the list of organisations."""

    search: str = ""
    kind: OrgKind | None = None
    status: OrgStatus | None = None
    region_code: str = ""
    page: int = 1
    page_size: int = 50


@dataclass(frozen=True, slots=True)
class TreeNode:
    """机构树: an office, what lies under it, and how many units it looks after itself."""

    id: int
    name: str
    region_name: str
    tier: Tier | None
    units: int
    children: tuple[TreeNode, ...] = ()


@dataclass(frozen=True, slots=True)
class UserRow:
    """用户. ``actions``: what the reader may do to this one."""

    id: int
    username: str
    name: str
    role: Role
    organisation_id: int
    organisation_name: str
    enabled: bool
    must_change_password: bool
    created_at: datetime
    last_sign_in_at: datetime | None
    failed_sign_ins: int
    with_code: bool  # 动态口令 is in use
    can_switch: bool  # 启用 / 停用
    can_reset: bool  # 重置码
    can_take_code: bool  # 停用动态口令
    roles: tuple[Role, ...]  # 改角色: the other ones there are


@dataclass(frozen=True, slots=True)
class UserPage:
    rows: tuple[UserRow, ...]
    total: int


@dataclass(frozen=True, slots=True)
class UserPlace:
    """An organisation that may be given a user, with the roles to choose from (新增用户)."""

    id: int
    name: str
    roles: tuple[Role, ...]


@dataclass(frozen=True, slots=True)
class NewPassword:
    """初始密码, shown this once; the first sign-in with it must change it."""

    user_id: int
    username: str
    name: str
    password: str


@dataclass(frozen=True, slots=True)
class SignedIn:
    """登录成功. ``token`` goes into the cookie; only its hash is stored."""

    token: str
    user_id: int
    name: str
    role: Role
    must_change_password: bool
    failed_before: int  # failed attempts since the last sign-in
    last_sign_in_at: datetime | None
    device: str = ""  # a second cookie, by which this browser is known at the next sign-in


@dataclass(frozen=True, slots=True)
class SignInRow:
    """One of the own sign-ins (本人的登录)."""

    since: datetime
    seen_at: datetime
    address: str
    here: bool


@dataclass(frozen=True, slots=True)
class ResetCode:
    """重置码, shown this once."""

    username: str
    name: str
    code: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Safety:
    """登录安全 of the reader."""

    password_since: datetime
    password_until: datetime | None  # when it has to be changed
    password_expired: bool
    with_code: bool  # 动态口令 is in use
    code_required: bool  # the role must use it
    recovery_left: int
    sign_ins: tuple[SignInRow, ...]


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """筛选 of the audit log. Empty: whatever. ``since`` and ``until`` are days, both included."""

    since: date | None = None
    until: date | None = None
    person: str = ""  # name or user name
    organisation: str = ""  # of the person
    action: str = ""
    result: AuditResult | None = None
    subject: str = ""
    target: str = ""  # number, name or code of what was acted upon
    search: str = ""  # in the content, or an address
    page: int = 1
    page_size: int = 50


@dataclass(frozen=True, slots=True)
class AuditRow:
    """一条审计日志. ``detail`` is what an administrator may read of it: figures and words about a filing are left out."""

    id: int
    at: datetime
    user_name: str
    organisation_name: str
    address: str
    action: str
    action_caption: str
    subject_caption: str
    target: str  # what was acted upon, in words
    result: AuditResult
    detail: str
    before_digest: str
    after_digest: str


@dataclass(frozen=True, slots=True)
class AuditPage:
    rows: tuple[AuditRow, ...]
    total: int
    actions: tuple[tuple[str, str], ...]  # word, caption
    subjects: tuple[tuple[str, str], ...]
