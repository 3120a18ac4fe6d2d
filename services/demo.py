"""The demo (演示): a made-up year of two provinces, written by the real use cases at plausible dates. Deterministic by seed.

Who is there lies in ``assets/demo/world.toml``; what has happened to each filing in ``services.demo_year``. Demo accounts
share one known password, so the application serves them on loopback only.
"""

from __future__ import annotations

import random
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import insert
from sqlmodel import Session, col, select

from models import (
    Campaign,
    CampaignDate,
    Cell,
    Figure,
    Filing,
    FilingVersion,
    Organisation,
    RosterBatch,
    RosterEntry,
    Serial,
    Step,
    TemplateCopy,
    User,
)
from models.enums import CellKind, FilingStatus, Form, Level, OrgKind, Role, StepStatus, Tier, VersionStatus
from services import audit, clock, demo_year, policy
from services.accounts import offices, passwords, sessions, users
from services.actors import Actor
from services.db import Database
from services.filings import opening, standing
from services.forms import cells as typed
from services.forms import digest, loader, reference
from services.forms.findings import CellValue
from services.forms.template import UNIT_SLOT, Address, FormTemplate
from services.register import yearly

FOLDER = Path(__file__).resolve().parents[1] / "assets" / "demo"
PASSWORD = "lvce-demo-2025"
SEED = 2025
YEAR = 2025
TODAY = datetime(2025, 3, 20, 9, 0, tzinfo=clock.BEIJING)
FORM = Form.FACTORY

_TIER_ROLES = {Tier.COUNTY: Role.COUNTY, Tier.CITY: Role.CITY, Tier.PROVINCE: Role.PROVINCE}
_LETTERS = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_STREETS = ("科创路", "工业大道", "振兴路", "创新三路", "兴业路", "环市西路", "滨江东路", "星火路", "示范路", "锦绣路")
# What scales with the size of a works; limits, shares and counts do not.
_EXTENSIVE = ("万元", "吨", "吨标准煤", "吨二氧化碳", "万千瓦时", "立方米", "平方米")


@dataclass(frozen=True, slots=True)
class DemoAccount:
    """演示账户, as the role switcher and accounts.json list it."""

    role: Role
    place: str
    username: str
    name: str
    organisation_id: int


@dataclass(slots=True)
class World:
    """What has been written so far (演示世界), by username or name."""

    rng: random.Random
    actors: dict[str, Actor] = field(default_factory=dict)
    offices: dict[int, str] = field(default_factory=dict)  # office id → username of its person
    batches: dict[str, RosterBatch] = field(default_factory=dict)
    units: dict[str, Organisation] = field(default_factory=dict)  # by name
    canaries: dict[str, str] = field(default_factory=dict)  # unit name → string


def seed(db: Database, number: int = SEED, canaries: Sequence[str] = ()) -> None:
    """Write the demo into an empty database. Files go to the data directory of the environment."""
    plan = tomllib.loads((FOLDER / "world.toml").read_text(encoding="utf-8"))
    base = _base_filings()
    password_hash = passwords.hashed(PASSWORD)
    world = World(random.Random(number))
    with clock.frozen(demo_year.moment(2023, 2, 1)):
        db.write(_write_places, plan, world, password_hash, canaries)
    with clock.frozen(demo_year.moment(2024, 4, 10)):
        db.write(_write_last_year, plan, world, base)
    for unit in plan["unit"]:
        if unit.get("plan"):
            figures = _figures(base[unit["base"]], unit, world.units[unit["name"]], YEAR)
            canary = world.canaries.get(unit["name"], "")
            db.write(demo_year.play, world.actors, world.offices, unit, figures, canary)
    with clock.frozen(TODAY):
        db.write(_note, number)


def accounts(s: Session) -> tuple[DemoAccount, ...]:
    """Every demo account, ordered by role (角色切换)."""
    query = (
        select(User, Organisation)
        .join(Organisation, col(Organisation.id) == col(User.organisation_id))
        .where(col(User.is_demo).is_(True), col(User.enabled).is_(True))
    )
    order = list(Role)
    found = sorted(s.exec(query).all(), key=lambda pair: (order.index(pair[0].role), pair[0].id or 0))
    return tuple(DemoAccount(u.role, o.name, u.username, u.name, u.organisation_id) for u, o in found)


def account_list(s: Session, canaries: Sequence[str] = ()) -> list[dict[str, str]]:
    """The content of accounts.json: role, place, username, password and, where one was planted, the canary."""
    planted = dict(zip(_unit_names(), _dealt(canaries), strict=False)) if canaries else {}
    return [
        {
            "role": account.role.name,
            "role_name": account.role.caption,
            "place": account.place,
            "username": account.username,
            "password": PASSWORD,
        }
        | ({"canary": planted[account.place]} if account.place in planted else {})
        for account in accounts(s)
    ]


def how_to_sign_in() -> tuple[str, ...]:
    """What the terminal says once the demo is up (如何登录)."""
    return (
        f"演示模式：所有演示账户的密码都是 {PASSWORD}，登录页可直接选择角色。例如",
        "  申报单位 unit01（广州南粤精工电路有限公司）、unit28（尚未填报）",
        "  县区 tianhe（广州市天河区）  市 guangzhou（广州市）  省 guangdong（广东省）",
        "  集团 hualing  工信部 gongxinbu  专家 guzhe  系统管理员 admin",
        f"演示时间从 {TODAY.year}年{TODAY.month}月{TODAY.day}日 起走。单位、人员和数据均为虚构。",
    )


# --- who is there ---------------------------------------------------------------------------------------------------


def _write_places(
    s: Session, plan: Mapping[str, Any], world: World, password_hash: str, canaries: Sequence[str]
) -> None:
    cities = [
        {"username": username, "region": region, "name": name, "person": person}
        for region, (username, name, person) in plan["cities"].items()
    ]
    for office in (*plan["office"], *cities):
        _write_office(s, world, office, password_hash)
    _write_person(
        s, world, _place(s, OrgKind.OPERATOR, "系统运行维护（演示）"), "admin", "系统管理员", Role.ADMIN, password_hash
    )
    experts = _place(s, OrgKind.EXPERTS, "绿色制造专家库（演示）")
    for username, name in plan["experts"].items():
        _write_person(s, world, experts, username, name, Role.EXPERT, password_hash)
    _write_batches(s, plan, world)
    yearly.install(s)
    content = tomllib.loads((policy.FOLDER / f"{YEAR}.toml").read_text(encoding="utf-8"))
    yearly.write(s, YEAR - 1, content)
    campaign = s.exec(select(Campaign).where(Campaign.form == FORM, Campaign.year == YEAR)).one()
    for row in plan["early"]:
        s.add(
            CampaignDate(
                campaign_id=campaign.id or 0,
                region_code=row["region"],
                due_on=row["due_on"],
                locks_on=row["locks_on"],
                source=row["source"],
            )
        )
    for (number, unit), canary in zip(enumerate(plan["unit"], 1), _dealt(canaries), strict=False):
        _write_unit(s, world, unit, number, password_hash, canary)


def _write_office(s: Session, world: World, office: Mapping[str, Any], password_hash: str) -> None:
    kind = OrgKind(office.get("kind", "authority"))
    region_code = office.get("region", "")
    tiers = {1: Tier.PROVINCE, 2: Tier.CITY, 3: Tier.COUNTY}
    tier = Tier.MINISTRY if kind is OrgKind.MINISTRY else Tier.PROVINCE
    if kind is OrgKind.AUTHORITY:
        tier = tiers[reference.regions()[region_code].level]
    place = _place(s, kind, office["name"], region_code, tier)
    role = {OrgKind.MINISTRY: Role.MINISTRY, OrgKind.GROUP: Role.GROUP}.get(kind) or _TIER_ROLES[tier]
    _write_person(s, world, place, office["username"], office["person"], role, password_hash)
    world.offices[place.id or 0] = office["username"]


def _write_unit(
    s: Session, world: World, unit: Mapping[str, Any], number: int, password_hash: str, canary: str
) -> None:
    region_code = unit["region"]
    offered = offices.superiors(s, region_code)
    home = offered.picked
    rng = world.rng
    place = Organisation(
        kind=OrgKind.UNIT,
        name=unit["name"],
        credit_code=made_up_code(rng, region_code),
        former_names=unit.get("former", ""),
        region_code=region_code,
        address=f"{rng.choice(_STREETS)}{rng.randint(1, 299)}号" + (f"（{canary}）" if canary else ""),
        superior_county_id=home.county_id,
        superior_city_id=home.city_id,
        superior_province_id=None if unit.get("group") else home.province_id,
        group_id=offered.groups[0].id if unit.get("group") else None,
        contact=unit["filer"],
        telephone=f"0{rng.choice(('20', '757', '756', '755', '752'))}-8{rng.randint(1000000, 9999999)}",
        mobile=f"13{rng.randint(0, 9)}0000{rng.randint(1000, 9999)}",
        email=f"unit{number:02d}@example.com",
        created_at=clock.now(),
    )
    s.add(place)
    s.flush()
    world.units[place.name] = place
    if canary:
        world.canaries[place.name] = canary
    if unit.get("signer"):
        _write_person(s, world, place, f"unit{number:02d}s", unit["signer"], Role.SIGNER, password_hash)
        world.actors[f"{place.name}/signer"] = world.actors[f"unit{number:02d}s"]
    _write_person(s, world, place, f"unit{number:02d}", unit["filer"], Role.FILER, password_hash)
    world.actors[place.name] = world.actors[f"unit{number:02d}"]
    world.actors.setdefault(f"{place.name}/signer", world.actors[place.name])
    for key in unit["batches"]:
        batch = world.batches[key]
        s.add(
            RosterEntry(
                batch_id=batch.id or 0,
                organisation_id=place.id,
                form=batch.form,
                level=batch.level,
                listed_name=unit.get("former", place.name),
                credit_code=place.credit_code,
                region_code=region_code,
                listed_on=batch.published_on,
            )
        )
    s.flush()


def _write_batches(s: Session, plan: Mapping[str, Any], world: World) -> None:
    for row in plan["batch"]:
        batch = RosterBatch(
            form=Form(row["form"]),
            level=Level(row["level"]),
            name=row["name"],
            document_number=row["document_number"],
            published_on=row["published_on"],
            region_code=row.get("region", ""),
        )
        s.add(batch)
        world.batches[row["key"]] = batch
    s.flush()


def _place(s: Session, kind: OrgKind, name: str, region_code: str = "", tier: Tier | None = None) -> Organisation:
    place = Organisation(kind=kind, name=name, region_code=region_code, tier=tier, created_at=clock.now())
    s.add(place)
    s.flush()
    return place


def _write_person(
    s: Session, world: World, place: Organisation, username: str, name: str, role: Role, password_hash: str
) -> None:
    user_id = users.insert(s, place, username, name, role, password_hash, is_demo=True)
    world.actors[username] = sessions.actor_of(s, user_id)


def made_up_code(rng: random.Random, region_code: str) -> str:
    """A made-up 统一社会信用代码 with valid check digits (GB 32100, GB 11714)."""
    body = "".join(rng.choice("0123456789") for _ in range(7)) + rng.choice("0123456789ABCDEFGH")
    weights = (3, 7, 9, 10, 5, 8, 4, 2)
    rest = 11 - sum(int(ch, 36) * weight for ch, weight in zip(body, weights, strict=True)) % 11
    head = f"91{region_code[:6]}{body}{'0X'[rest == 10] if rest > 9 else rest}"
    total = sum(_LETTERS.index(ch) * pow(3, i, 31) for i, ch in enumerate(head))
    return head + _LETTERS[(31 - total % 31) % 31]


def _dealt(canaries: Sequence[str]) -> Iterable[str]:
    """One canary a unit, in turn; without any, empty strings."""
    kept = [canary for canary in canaries if canary] or [""]
    return (kept[i % len(kept)] for i in range(1000))


def _unit_names() -> list[str]:
    return [unit["name"] for unit in tomllib.loads((FOLDER / "world.toml").read_text(encoding="utf-8"))["unit"]]


# --- figures --------------------------------------------------------------------------------------------------------


def _base_filings() -> dict[str, Mapping[str, str]]:
    content = tomllib.loads((FOLDER / "full_forms.toml").read_text(encoding="utf-8"))
    return {filing["key"]: filing["cells"] for filing in content["filing"]}


def _figures(base: Mapping[str, str], unit: Mapping[str, Any], place: Organisation, year: int) -> dict[str, str]:
    """The texts a unit of this size types into the form of ``year``; the profile's fields are not among them."""
    template = loader.find(FORM, YEAR)
    scale = float(unit["scale"])
    found: dict[str, str] = {}
    for address, text in base.items():
        where = Address.parse(address)
        asked = template.fields[where.field]
        if asked.locked or where.field in opening.PROFILE:
            continue
        if asked.kind == "number" and where.slot != UNIT_SLOT and _scales(template, where.field):
            text = _scaled(text, scale, asked.decimals)
        found[
            f"{where.field}:{int(where.slot) - YEAR + year}" if asked.yearly and where.slot.isdigit() else address
        ] = text
    if "industry" in unit:
        found["industry1"] = unit["industry"]
        found["sector"] = reference.sector_of(unit["industry"][:4])
        found.pop("industry2", None)
        found.pop("industry_remark", None)
        if found["sector"] == reference.OTHER_SECTOR:
            found["sector_other"] = unit["industry"][5:]
    if "products" in unit:
        found["product1_name"], found["product2_name"] = unit["products"]
        found["main_products"] = "、".join(unit["products"])
        found.pop("product1_water_standard", None)
        found.pop("product2_water_standard", None)
    found["permit_no"] = f"{place.credit_code}001P"
    if unit.get("former"):
        found |= {"name_same": "否", "former_name": unit["former"]}
    return found


def _scales(template: FormTemplate, key: str) -> bool:
    asked = template.fields[key]
    unit = asked.unit or (asked.units[0].name if asked.units else "")
    return unit in _EXTENSIVE or bool(asked.units)


def _scaled(text: str, scale: float, decimals: int | None) -> str:
    try:
        value = float(text)
    except ValueError:
        return text
    places = min(decimals if decimals is not None else 4, 2)
    return f"{round(value * scale, places):.{places}f}".rstrip("0").rstrip(".") if places else str(round(value * scale))


# --- last year ------------------------------------------------------------------------------------------------------


def _write_last_year(s: Session, plan: Mapping[str, Any], world: World, base: Mapping[str, Mapping[str, str]]) -> None:
    """Last year's accepted filings (上年度审核完成), for the two older columns. Rows are written directly: a form of
    that year is not published, its template is this year's with the year put back."""
    now = loader.find(FORM, YEAR)
    template = loader.loads(now.source_text.replace(f"year = {YEAR}", f"year = {YEAR - 1}", 1), f"{YEAR - 1}")
    s.add(
        TemplateCopy(
            digest=template.digest,
            form=FORM,
            year=YEAR - 1,
            source_text=template.source_text,
            first_used_at=clock.now(),
        )
    )
    s.flush()
    for unit in plan["unit"]:
        if "base" in unit and unit["batches"] != ["nation_new"]:
            place = world.units[unit["name"]]
            # A year ago each column lay one year further back: 2024's figures are what this year's form asks for.
            texts = _figures(base[unit["base"]], unit, place, YEAR)
            _write_accepted(s, world, place, template, _a_year_ago(template, texts))


def _a_year_ago(template: FormTemplate, texts: Mapping[str, str]) -> dict[Address, CellValue]:
    oldest = str(template.years[0])
    found: dict[Address, str] = {}
    for address, text in texts.items():
        where = Address.parse(address)
        if where.slot.isdigit() and int(where.slot) not in template.years:
            continue
        found[where] = text
        if where.slot == str(template.years[1]):
            found[Address(where.field, oldest)] = _scaled(text, 0.98, template.fields[where.field].decimals)
    return {
        where: typed.parse(
            template.fields[where.field], where.slot, text, found.get(Address(where.field, UNIT_SLOT), "")
        )
        for where, text in found.items()
    }


def _write_accepted(
    s: Session, world: World, place: Organisation, template: FormTemplate, cells: dict[Address, CellValue]
) -> None:
    actor = world.actors[f"{place.name}/signer"]
    cells = {**cells, **opening.profile_cells(template, place)}
    when = demo_year.moment(YEAR - 1, 3, world.rng.randint(4, 28), world.rng.randint(9, 17))
    series = f"GF-{YEAR - 1}-{place.region_code}"
    serial = s.get(Serial, series) or Serial(series=series)
    serial.last += 1
    s.add(serial)
    figures = digest.of(template.digest, cells)
    filing = Filing(
        number=f"{series}-{serial.last:05d}",
        organisation_id=place.id or 0,
        form=FORM,
        year=YEAR - 1,
        template_digest=template.digest,
        status=FilingStatus.DONE,
        validated_digest=figures,
        validated_at=when,
        saved_at=when,
        version_no=1,
        submitted_at=when,
        unit_name=place.name,
        region_code=place.region_code,
        group_id=place.group_id,
        created_at=when,
        created_by_id=actor.user_id,
    )
    s.add(filing)
    s.flush()
    version = FilingVersion(
        filing_id=filing.id or 0,
        no=1,
        status=VersionStatus.APPROVED,
        digest=figures,
        template_digest=template.digest,
        cells={str(a): [c.text, c.kind.value, c.value] for a, c in cells.items()},
        findings=[],
        unit_name=place.name,
        credit_code=place.credit_code,
        receipt_number=f"HZ-{filing.number}-01",
        submitted_by_id=actor.user_id,
        submitted_by_name=actor.name,
        submitted_at=when,
    )
    s.add(version)
    s.flush()
    filing.current_version_id = version.id
    s.add(filing)
    s.execute(
        insert(Cell),
        [
            {"filing_id": filing.id, "field": a.field, "slot": a.slot, "text": c.text, "kind": c.kind, "value": c.value}
            for a, c in cells.items()
        ],
    )
    s.execute(
        insert(Figure),
        [
            {"version_id": version.id, "field": a.field, "slot": a.slot, "value": c.value}
            for a, c in cells.items()
            if c.kind is CellKind.NUMBER
        ],
    )
    legs = standing.route_of(s, [place])[place.id or 0]
    last = [leg for leg in legs if leg.applies][-1]
    for position, leg in enumerate(legs):
        decided = StepStatus.APPROVED if leg is last else StepStatus.FORWARDED
        office = world.actors.get(world.offices.get(leg.authority.id, "")) if leg.authority else None
        s.add(
            Step(
                filing_id=filing.id or 0,
                version_id=version.id or 0,
                position=position,
                tier=leg.tier,
                authority_id=leg.authority.id if leg.authority else None,
                authority_name=leg.authority.name if leg.authority else "",
                status=decided if leg.applies else StepStatus.NOT_APPLICABLE,
                opened_at=when if leg.applies else None,
                decided_at=demo_year.moment(YEAR - 1, 4, 1 + 2 * position) if leg.applies else None,
                decided_by_id=office.user_id if office else None,
                decided_by_name=office.name if office else "",
                opinion="数据完整，同意。" if leg.applies else "",
            )
        )
    audit.record(
        s,
        actor,
        "seed_demo",
        "filing",
        filing.id,
        detail=f"写入{YEAR - 1}年度审核完成的 {filing.number}",
        after=figures,
    )


def _note(s: Session, number: int) -> None:
    audit.record(s, None, "seed_demo", detail=f"写入演示数据，随机种子 {number}")
