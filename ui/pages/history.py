"""What was submitted and what became of it (历次上报): versions, two of them compared, acts, papers to download."""

from __future__ import annotations

from collections.abc import Sequence

from nicegui import ui

from models.enums import AUTHORITY_ROLES, UNIT_ROLES, VersionStatus
from services import events
from services.actors import Actor
from services.filings import sheets, versions
from services.filings.views import FilingHead, VersionView
from services.reviews import desk
from services.reviews.views import TimelineLine
from ui import act, shell, words
from ui.widgets import chips
from ui.widgets.data_table import DataTable, Head, chip_cell
from ui.widgets.decision import steps
from ui.widgets.differences import Differences
from ui.widgets.timeline import timeline

HEADS = (
    Head("no", "版本"),
    Head("status", "状态"),
    Head("receipt", "回执编号"),
    Head("code", "校验码", code=True),
    Head("by", "上报人"),
    Head("at", "上报时间"),
)
TONES = {
    VersionStatus.SUBMITTED: ("note", "schedule"),
    VersionStatus.WITHDRAWN: ("off", "undo"),
    VersionStatus.RETURNED: ("warning", "undo"),
    VersionStatus.APPROVED: ("accent", "check"),
}
PAPERS = (("回执", "receipt"), ("修改对照表", "changes"), ("审核意见表", "opinions"))


@act.page("/filing/{filing_id}/history", title="历次上报", roles=UNIT_ROLES | AUTHORITY_ROLES)
async def history_page(actor: Actor, filing_id: int) -> None:
    head = await act.read(sheets.head, filing_id)
    listed = await act.read(versions.list_versions, filing_id)
    acts = await act.read(desk.timeline, filing_id)
    place = f"/filing/{filing_id}" if actor.is_unit else f"/filing/{filing_id}/review"
    with shell.frame(
        actor,
        title=f"{head.unit_name}　历次上报",
        path=f"/filings/{head.form.value}",
        back=(f"{head.year}年度{head.form.caption}动态管理表", place),
        status=lambda: chips.status(head),
        note=f"填报编号 {head.number}",
        primary=lambda: _papers(head, listed),
    ):
        history = _History(head, listed)
        history.build(acts)
        await history.look()


def _papers(head: FilingHead, listed: Sequence[VersionView]) -> None:
    for caption, kind in PAPERS if listed else ():
        path = f"/download/{kind}/{head.id}"
        ui.button(caption, icon="download", on_click=lambda to=path: ui.navigate.to(to)).props("outline")


class _History:
    def __init__(self, head: FilingHead, listed: Sequence[VersionView]) -> None:
        self.head, self.listed = head, tuple(listed)

    def build(self, acts: Sequence[TimelineLine]) -> None:
        with ui.element("div").classes("lv-review"):
            with ui.element("div").classes("lv-review-left"):
                self.table = DataTable(
                    HEADS, label="历次上报", empty="还没有上报过。上报以后，每一版都会在这里留存，不能更改。"
                )
                self.compare = shell.card("两版对照")
                with self.compare:
                    with ui.element("div").classes("lv-row"):
                        self.before = ui.select({}, label="原版").classes("lv-version")
                        self.after = ui.select({}, label="现版").classes("lv-version")
                    self.found = Differences(label="两版对照", empty="这两版的内容完全相同。")
                with shell.card("办理过程"):
                    self.acts = ui.element("div")
            with (
                ui.element("aside").classes("lv-card lv-decide").props('aria-label="审核进度"'),
                ui.element("div").classes("lv-decide-upper"),
            ):
                ui.label("审核进度").classes("lv-card-title").props("role=heading aria-level=2")
                self.route = ui.element("div")
        self.draw(acts)
        for choice in (self.before, self.after):
            choice.on_value_change(self.look)
        act.watch_filing(self.head.id, self.changed)

    def draw(self, acts: Sequence[TimelineLine]) -> None:
        self.table.show([_row(version) for version in self.listed])
        self.compare.set_visibility(len(self.listed) > 1)
        choices = {v.no: f"第{v.no}版　{words.short_day(v.submitted_at)}　{v.status_caption}" for v in self.listed}
        numbers = tuple(choices)
        for choice, nearest in ((self.before, numbers[1:2]), (self.after, numbers[:1])):
            choice.set_options(choices, value=choice.value if choice.value in choices else next(iter(nearest), None))
        for part in (self.route, self.acts):
            part.clear()
        with self.route:
            steps(self.head.steps)
        with self.acts:
            timeline(acts)

    async def look(self) -> None:
        """Compare the two that are chosen."""
        old, new = self.before.value, self.after.value
        if old is None or new is None:
            return
        found = await act.read(versions.between, self.head.id, old, new)
        self.found.show(found, before=f"第{old}版", after=f"第{new}版")

    async def changed(self, event: events.Event) -> None:
        if isinstance(event, events.FilingChanged):
            self.head = await act.read(sheets.head, self.head.id)
            self.listed = await act.read(versions.list_versions, self.head.id)
            self.draw(await act.read(desk.timeline, self.head.id))


def _row(version: VersionView) -> dict[str, object]:
    tone, icon = TONES[VersionStatus(version.status)]
    return {
        "id": version.no,
        "no": f"第{version.no}版",
        "status": chip_cell(tone, version.status_caption + ("（逾期）" if version.late else ""), icon),
        "receipt": version.receipt_number,
        "code": version.digest_code,
        "by": version.submitted_by,
        "at": words.moment(version.submitted_at),
    }
