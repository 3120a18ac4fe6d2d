"""权限一览: who may do what, when and to whose filings; the very table that decides, to read, filter and export."""

from __future__ import annotations

from urllib.parse import urlencode

from nicegui import ui

from models.enums import Captioned, Role
from services import matrix, permissions
from services.actors import Actor
from services.matrix import Phase, Rule, Section
from services.permissions import Power
from services.workflow.facts import Relation
from ui import act, shell
from ui.widgets.data_table import DataTable, Head

PATH = "/download/permissions.xlsx"
NOTE = "程序只按这张表判断权限；表中没有的一律不允许。“✓”表示这个状态下可以办理，还须满足所列条件；无权看到的内容与不存在的内容回答相同。"
FILING_HEADS = (
    Head("matter", "事项", width="136px"),
    Head("roles", "角色", width="200px"),
    Head("reach", "与这份表的关系"),
    *(Head(phase.value, phase.caption, width="72px") for phase in Phase),
    Head("conditions", "还须满足"),
)
POWER_HEADS = (
    Head("matter", "事项", width="260px"),
    Head("roles", "角色"),
    Head("reach", "范围", width="240px"),
)
EMPTY = "没有符合条件的权限：表中没有的一律不允许。"


@act.page("/permissions", title="权限一览", roles=permissions.holders(Power.READ_MATRIX))
async def listing(actor: Actor) -> None:
    def primary() -> None:
        ui.button(
            "导出为EXCEL", icon="download", on_click=lambda: ui.navigate.to(f"{PATH}?{urlencode(asked())}")
        ).props("outline")

    def asked() -> dict[str, str]:
        said = {"role": role.value, "phase": phase.value, "relation": relation.value, "search": search.value}
        return {name: str(value) for name, value in said.items() if value}

    with shell.frame(actor, title="权限一览", path="/permissions", primary=primary):
        ui.label(NOTE).classes("lv-muted")
        with ui.element("div").classes("lv-filters"):
            search = ui.input("事项").props("clearable debounce=300").classes("lv-search")
            role = ui.select(_choices("全部角色", Role), value="", label="角色")
            phase = ui.select(_choices("全部状态", Phase), value="", label="填报状态")
            relation = ui.select(_choices("全部关系", Relation), value="", label="与这份表的关系").classes("lv-search")
        with shell.card(Section.FILINGS.caption):
            filings = DataTable(FILING_HEADS, label=Section.FILINGS.caption, empty=EMPTY).classes("lv-dense lv-matrix")
        with shell.card(Section.POWERS.caption):
            powers = DataTable(POWER_HEADS, label=Section.POWERS.caption, empty=EMPTY).classes("lv-dense")

        @act.in_turn
        async def refresh() -> None:
            found = await act.read(matrix.rules, matrix.asked(asked()))
            filings.show(_row(rule) for rule in found if rule.section is Section.FILINGS)
            powers.show(_row(rule) for rule in found if rule.section is Section.POWERS)

        for control in (search, role, phase, relation):
            control.on_value_change(refresh)
        await refresh()


def _choices(everything: str, kind: type[Captioned]) -> dict[str, str]:
    return {"": everything, **{member.value: member.caption for member in kind}}


def _row(rule: Rule) -> dict[str, str]:
    return {
        "matter": rule.matter,
        "roles": rule.who,
        "reach": rule.reach,
        "conditions": "；".join(rule.conditions) or "—",
        **{phase.value: "✓" if phase in rule.phases else "" for phase in Phase},
    }
