"""系统设置: policy values in force with their sources; the administrator's for all, an office's for its own region."""

from __future__ import annotations

from nicegui import ui

from services import permissions, rulings
from services.actors import Actor
from services.permissions import Power
from services.rulings import RulingRow
from ui import act, shell, words
from ui.widgets import dialogs, fields
from ui.widgets.data_table import DataTable, Head, RowAction, chip_cell

HEADS = (
    Head("words", "设置"),
    Head("value", "现行值", width="200px"),
    Head("mark", "性质", width="104px"),
    Head("source", "依据"),
    Head("by", "设定人", width="180px"),
)
LOCAL = (
    Head("region", "地区"),
    Head("words", "设置"),
    Head("value", "规定"),
    Head("source", "依据"),
    Head("by", "设定人", width="180px"),
)
FACTS = (
    Head("words", "内容"),
    Head("value", "数值", width="120px"),
    Head("mark", "性质", width="104px"),
    Head("source", "依据"),
)


@act.page("/policy", title="系统设置", roles=permissions.holders(Power.CHANGE_SETTINGS))
async def policy(actor: Actor) -> None:
    found = await act.read(rulings.page)
    by_name = {row.name: row for row in found.rows}

    async def change(name: str, word: str) -> None:
        row = by_name[name]
        if word == "reset":
            if not await dialogs.confirm(f"恢复后，“{row.words}”按默认规定", verb="恢复默认"):
                return
            await act.perform(rulings.reset_value, name)
        elif not await _ask(row, found.region_name):
            return
        act.go("", f"已保存“{row.words}”。")

    where = found.region_name or "全部地区"
    with shell.frame(actor, title="系统设置", path="/policy", note=where):
        ui.label(
            "标“建议值”的没有官方规定，是本系统建议的。地区的规定优先于上级和默认值，可以更严，不能放宽。"
        ).classes("lv-muted")
        with shell.card("现行设置"):
            DataTable(HEADS, label="现行设置", on_act=change).show(
                {
                    "id": row.name,
                    "words": row.words,
                    "value": row.shown if row.shown == row.default_shown else [row.shown, f"默认：{row.default_shown}"],
                    "mark": _mark(row.official, bool(row.set_by)),
                    "source": row.source,
                    "by": [row.set_by, words.moment(row.set_at)] if row.set_by else "—",
                    "actions": _actions(row),
                }
                for row in found.rows
            )
        with shell.card("各地另有的规定"):
            DataTable(LOCAL, label="各地另有的规定", empty="下级地区没有另行规定。").show(
                {
                    "region": row.region_name,
                    "words": row.words,
                    "value": row.shown,
                    "source": row.source,
                    "by": [row.set_by, words.moment(row.set_at)],
                }
                for row in found.local
            )
        with shell.card("政策文件中的其他数值", note="供查阅，本系统不据此限制办理。"):
            DataTable(FACTS, label="政策文件中的其他数值").show(
                {"words": fact.words, "value": fact.shown, "mark": _mark(fact.official, False), "source": fact.source}
                for fact in found.facts
            )


def _mark(official: bool, decided: bool) -> dict[str, str]:
    if decided:
        return chip_cell("note", "已设定", "tune")
    return chip_cell("accent", "官方规定", "verified") if official else chip_cell("warning", "建议值", "lightbulb")


def _actions(row: RulingRow) -> list[RowAction]:
    why = "" if row.can_edit else "这项对全部地区有效，由系统管理员修改。"
    return [RowAction("change", "修改", why), *([RowAction("reset", "恢复默认")] if row.own and row.can_edit else [])]


async def _ask(row: RulingRow, region_name: str) -> bool:
    knob = rulings.KNOBS[row.name]
    with dialogs.dialog(f"修改后，{region_name or '全部地区'}都按新的规定") as box:
        value: ui.select | ui.number
        if knob.choices:
            value = ui.select(dict(knob.choices), value=row.value, label=row.words)
        else:
            value = ui.number(row.words, value=row.value, precision=0, min=knob.least, max=knob.most)
        source = fields.text("依据", hint="文件名称和文号")

        async def save() -> None:
            with fields.beside({"value": value, "source": source}):
                await act.perform(rulings.set_value, row.name, value.value, source.value or "")
                box.submit(True)

        with ui.row().classes("lv-dialog-actions"):
            ui.button("返回", on_click=lambda: box.submit(None)).props("flat")
            ui.button("保存设置", on_click=act.busy(save))
    return bool(await box)
