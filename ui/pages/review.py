"""The review of one filing (审核页): what matters first, the sheet and the comparisons behind tabs, the decision at the right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from nicegui import ui
from nicegui.events import ValueChangeEventArguments

from models.enums import AUTHORITY_ROLES, Action, FileKind, Role
from services import events
from services.accounts import organisations
from services.actors import Actor
from services.errors import NotFound, Refusal, SignedOut
from services.filings import versions
from services.filings.views import Difference, FilingHead, FindingView, SheetView
from services.reviews import desk, opinions
from services.reviews.peers import HIGH
from services.reviews.views import Flag, FocusRow, FocusView, PeerView, ReviewView
from ui import act, shell, words
from ui.widgets import chips, dialogs, filing_files, notices, questions, stamp_panel
from ui.widgets.assessments import Assessments
from ui.widgets.checklist import Checklist
from ui.widgets.chips import chip
from ui.widgets.decision import Decision
from ui.widgets.differences import Differences
from ui.widgets.drafts import Drafts
from ui.widgets.experts import Experts, OwnOpinion
from ui.widgets.filing_files import FileTable
from ui.widgets.form_sheet import FormSheet, layout_json, sheet_json
from ui.widgets.questions import Asked
from ui.widgets.timeline import timeline

POINTS, SHEET = "points", "sheet"
NOTE = "compliance_note"  # what the unit says about its answers 是
# Which of the three focuses of the notice a flag belongs to; the others are about the filing as a whole.
FOCUS_OF = {
    "name": "changes",
    "not_listed": "changes",
    "compliance": "compliance",
    "kept": "figures",
    "jump": "figures",
}


@act.page("/filing/{filing_id}/review", title="审核", roles=AUTHORITY_ROLES | {Role.EXPERT})
async def review_page(actor: Actor, filing_id: int) -> None:
    view = await act.read(desk.review, filing_id)
    head = view.head
    page = _Review(actor, view)
    with shell.frame(
        actor,
        title=head.unit_name,
        path=f"/filings/{head.form.value}",
        back=(f"{head.form.caption}动态管理列表", f"/filings/{head.form.value}?year={head.year}"),
        status=page.status,
        note=f"{head.year}年度　填报编号 {head.number}",
        primary=lambda: _papers(actor, head),
    ):
        page.build()


def _papers(actor: Actor, head: FilingHead) -> None:
    """What can be taken along, and the way to the earlier versions."""
    exports = {a.action for a in head.actions if a.enabled}
    papers = ((Action.EXPORT_EXCEL, "excel"), (Action.EXPORT_PDF, "pdf"))
    for action, kind in papers:
        if action in exports:
            to = f"/download/{kind}/{head.id}"
            ui.button(action.caption, on_click=partial(ui.navigate.to, to)).props("outline")
    if actor.is_authority:
        ui.button("历次上报", icon="history", on_click=partial(ui.navigate.to, f"/filing/{head.id}/history")).props(
            "outline"
        )


class _Review:
    """The page's live parts; one object a page."""

    def __init__(self, actor: Actor, view: ReviewView) -> None:
        self.actor, self.view = actor, view
        self.filing_id = view.head.id
        self.drafts = Drafts(view.head.id, view.drafts)
        self.sheet_view: SheetView | None = None
        self.sheet: FormSheet | None = None
        self.ready = False
        self.wanted = ""  # the cell to go to once the sheet is drawn
        self.stale = ""
        self.outline: object = None
        self.checklists: dict[str, tuple[Checklist, ui.label]] = {}
        self.reload = act.in_turn(self._reload)

    def status(self) -> None:
        """填报状态 beside the title, as ``draw`` last knew it."""
        self.status_box = ui.element("span").props("aria-live=polite")

    def build(self) -> None:
        with ui.element("div").classes("lv-review") as self.page:
            with ui.element("div").classes("lv-review-left"):
                self.top = ui.element("div").classes("lv-review-top")
                self.build_tabs()
            with ui.element("aside").classes("lv-card lv-decide").props('aria-label="办理"'):
                if self.actor.role is Role.EXPERT:
                    self.panel: Decision | OwnOpinion = OwnOpinion(self.actor, self.view, self.drafts)
                else:
                    self.panel = Decision(
                        self.actor,
                        self.view,
                        self.drafts,
                        show_points=lambda: self.tabs.set_value(POINTS),
                        rows=self.rows,
                    )
        self.draw()
        act.watch_filing(self.filing_id, self.changed)
        act.on_return(self.reload)

    def build_tabs(self) -> None:
        office = self.actor.is_authority
        with ui.element("div").classes("lv-review-bar"):
            with ui.tabs().props("dense no-caps inline-label align=left outside-arrows mobile-arrows") as self.tabs:
                ui.tab(POINTS, "审核要点")
                ui.tab(SHEET, "填报数据")
                self.last_tab = ui.tab("last", "与上一版对照")
                self.year_tab = ui.tab("year", "与上年对照")
                self.questions_tab = ui.tab("questions", "核实问题")
                self.files_tab = ui.tab("files", "附件与盖章")
                if office:
                    ui.tab("assess", "评估与调整")
                    self.experts_tab = ui.tab("experts", "专家评审")
                ui.tab("timeline", "办理过程")
            ui.element("div").classes("lv-space")
            wide = ui.button(icon="open_in_full").props('flat dense round aria-label="展开或收起办理栏"')
            wide.tooltip("展开或收起右侧办理栏")
            wide.on_click(lambda: self.page.classes(toggle="lv-review-wide"))
        with ui.tab_panels(self.tabs, value=POINTS, animated=False, keep_alive=True).classes("lv-review-panels"):
            with ui.tab_panel(POINTS):
                self.points = ui.element("div").classes("lv-points")
            with ui.tab_panel(SHEET):
                self.sheet_box = ui.element("div")
                with self.sheet_box:
                    shell.skeleton()
            with ui.tab_panel("last"):
                self.since_last = Differences(
                    label="与上一版对照",
                    empty="与上一版相比没有改动，或者这是第一次上报。",
                    on_jump=self.jump,
                )
            with ui.tab_panel("year"):
                self.restated = ui.element("div").classes("lv-points")
                with self.restated:
                    shell.banner(
                        "与上一年度审核完成的填报相比，下列同一年份的数据或同一项内容不同。", "warning", "history"
                    )
                    self.since_year = Differences(label="与上一年度填报对照", empty="没有改动。", on_jump=self.jump)
                self.year_on_year = Differences(
                    label="本年与上年逐项对照", empty="没有可以逐年对照的数据。", on_jump=self.jump
                )
            with ui.tab_panel("questions"), ui.element("section").classes("lv-card"):
                self.asked = Asked(self.actor, self.filing_id, self.drafts, jump=self.jump)
            with ui.tab_panel("files"), ui.element("section").classes("lv-card"):
                self.stamp = ui.element("div")
                self.files = FileTable(empty="没有附件。")
            if office:
                with ui.tab_panel("assess"), ui.element("section").classes("lv-card"):
                    self.assessments = Assessments(self.filing_id, self.drafts, rows=self.rows, jump=self.jump)
                with ui.tab_panel("experts"), ui.element("section").classes("lv-card"):
                    self.experts = Experts(self.filing_id)
            with ui.tab_panel("timeline"), ui.element("section").classes("lv-card"):
                self.timeline = ui.element("div")
        self.tabs.on_value_change(self.opened)

    # --- drawing -----------------------------------------------------------------------------------------------------

    def draw(self) -> None:
        """Everything but the sheet and what is being typed, as the service tells it now."""
        view = self.view
        for part in (self.status_box, self.top, self.stamp, self.timeline):
            part.clear()
        with self.status_box:
            chips.status(view.head)
        with self.top:
            self.draw_top()
        if self.outline != (outline := self._outline()):
            self.outline = outline
            self.points.clear()
            with self.points:
                self.draw_points()
        for focus in view.focuses:
            checklist, counted = self.checklists[focus.key]
            checklist.show(focus.items)
            counted.set_text(f"清单 {sum(item.done for item in focus.items)}/{len(focus.items)}")
        with self.stamp:
            _stamp(view)
        with self.timeline:
            timeline(view.timeline)
        before = f"第{view.version.no - 1}版" if view.version.no > 1 else "上一版"
        self.since_last.show(view.since_last, before=before, after=f"第{view.version.no}版")
        self.restated.set_visibility(bool(view.since_year))
        self.since_year.show(view.since_year, before=f"{view.head.year - 1}年度填报", after=f"{view.head.year}年度填报")
        self.asked.show(view.questions, view.head.actions)
        self.files.show(view.files)
        self.last_tab.props["label"] = _counted("与上一版对照", len(view.since_last))
        self.year_tab.props["label"] = _counted("与上年对照", len(view.since_year))
        self.questions_tab.props["label"] = _counted("核实问题", len(view.questions))
        self.files_tab.props["label"] = _counted("附件与盖章", len(view.files))
        if self.actor.is_authority:
            self.assessments.show(view)
            self.experts.show(view.experts, view.head.actions)
            self.experts_tab.props["label"] = _counted("专家评审", len(view.experts))
        self.panel.show(view, stale=self.stale)
        if self.sheet is not None:
            self.sheet.set_marks(questions=[q.address for q in view.questions if q.address])

    def draw_top(self) -> None:
        """Who it is, on which lists, since when it lies here."""
        view, head = self.view, self.view.head
        if self.stale:
            with shell.banner(self.stale, "warning", "update"):
                ui.button("刷新页面", on_click=lambda: ui.navigate.reload()).props("flat dense")
        with ui.element("div").classes("lv-review-line"):
            listed = "；".join(f"{m.level} {m.batch}" for m in view.membership) or "现行名单中没有查到"
            for label, said in (
                ("统一社会信用代码", head.credit_code),
                ("地区", head.region_name),
                ("名单", listed),
                *((("曾用名", "、".join(view.former_names)),) if view.former_names else ()),
                ("上报", f"{words.moment(view.version.submitted_at)} {view.version.submitted_by}"),
                ("校验码", view.version.digest_code),
            ):
                with ui.element("span").classes("lv-pair"):
                    ui.label(label).classes("lv-muted")
                    ui.label(said or "—").classes("lv-code" if label == "校验码" else "")
            if view.version.no > 1:
                chip(f"已重报（第{view.version.no}版）", "note", "autorenew")
            if self.actor.is_authority:
                ui.button("显示联系方式", on_click=act.busy(self.show_contacts)).props("flat dense")
                with chip(f"风险分 {view.risk}", "warning" if view.risk else "plain", "flag").props("tabindex=0"):
                    parts = "；".join(f"{said} {points} 分" for said, points in view.risk_parts)
                    ui.tooltip(f"{parts or '没有加分项'}（建议值，只用于排序）")

    async def show_contacts(self) -> None:
        unit = await act.perform(organisations.reveal_contacts, self.view.head.organisation_id)
        with dialogs.dialog("填报信息联系人") as box:
            with shell.facts():
                shell.fact("联系人", unit.contact)
                shell.fact("联系电话", unit.telephone)
                shell.fact("手机号", unit.mobile)
                shell.fact("电子邮件", unit.email)
            ui.label("查看已记入审计日志。").classes("lv-field-hint")
            with ui.row().classes("lv-dialog-actions"):
                ui.button("知道了", on_click=lambda: box.submit(None))
        await box

    def draw_points(self) -> None:
        """提请注意, then the three focuses of the notice with their figures and their checklist."""
        view = self.view
        with shell.card("提请注意"):
            if view.flags:
                self.draw_flags(view.flags)
            else:
                ui.label("没有发现需要特别注意的情况。").classes("lv-muted")
        for focus in view.focuses:
            with shell.card() as card:
                card.props(f"data-focus={focus.key}")
                with ui.element("div").classes("lv-card-head"):
                    ui.label(focus.title).classes("lv-card-title").props("role=heading aria-level=2")
                    counted = ui.label().classes("lv-muted")
                if focus.key == "figures":
                    self.draw_findings("保留的警告及说明", view.kept)
                    self.draw_findings("仅供审核人员查看的提示", view.for_reviewers)
                    self.draw_jumps(view.jumps)
                    self.draw_peers(view.peers)
                self.checklists[focus.key] = (Checklist(focus.items, self.tick if self._can_check() else None), counted)
                self.draw_rows(focus)

    def draw_flags(self, flags: Sequence[Flag]) -> None:
        """Grouped by focus; what concerns the filing as a whole comes last."""
        titles = {focus.key: focus.title for focus in self.view.focuses}
        order = [*titles, ""]
        said = {row.address: row.texts for focus in self.view.focuses for row in focus.rows}
        with ui.element("ul").classes("lv-flags"):
            for flag in sorted(flags, key=lambda f: order.index(FOCUS_OF.get(f.kind, ""))):
                with ui.element("li").classes(f"lv-flag lv-tone-{'error' if flag.grave else 'warning'}"):
                    ui.icon("flag" if flag.grave else "info").props("aria-hidden=true")
                    with ui.element("div").classes("lv-flag-words"):
                        with ui.element("div").classes("lv-row"):
                            ui.label(flag.title).classes("lv-strong")
                            ui.label(titles.get(FOCUS_OF.get(flag.kind, ""), "办理情况")).classes("lv-flag-focus")
                        ui.label(flag.text)
                        if flag.kind == "compliance" and NOTE in said:
                            ui.label(f"情况说明：{said[NOTE][0][1]}").classes("lv-flag-said")
                    if flag.addresses:
                        ui.button("查看", on_click=partial(self.jump, flag.addresses[0])).props("flat dense")

    def draw_findings(self, title: str, findings: Sequence[FindingView]) -> None:
        if not findings:
            return
        ui.label(f"{title}（{len(findings)}）").classes("lv-strong")
        with ui.element("ul").classes("lv-kept"):
            for finding in findings:
                with ui.element("li"):
                    ui.label(finding.message)
                    if finding.state == "explained":
                        ui.label(f"说明：{finding.note}").classes("lv-kept-note")
                    if finding.note_by:
                        said = "已说明" if finding.state == "explained" else "已核实无误"
                        ui.label(f"{said}　{finding.note_by}").classes("lv-muted")
                    if finding.cells:
                        ui.button("查看单元格", on_click=partial(self.jump, finding.cells[0])).props("flat dense")

    def draw_jumps(self, jumps: Sequence[Difference]) -> None:
        if not jumps:
            return
        ui.label(f"较上年变动超过 50% 的指标（{len(jumps)}）").classes("lv-strong")
        with ui.element("table").classes("lv-diff"), ui.element("tbody"):
            for jump in jumps:
                with ui.element("tr"):
                    with ui.element("td"):
                        ui.button(jump.place, on_click=partial(self.jump, jump.address)).props("flat dense align=left")
                    for said in (jump.before, jump.after):
                        with ui.element("td").classes("lv-number"):
                            ui.label(said)
                    with ui.element("td").classes("lv-muted"):
                        ui.label(jump.unit)
                    with ui.element("td").classes("lv-number lv-diff-much"):
                        ui.label(jump.change)

    def draw_peers(self, peers: Sequence[PeerView]) -> None:
        """同类百分位: where each intensity stands among the other filings, as a mark on a line and in words."""
        if not peers:
            return
        ui.label(f"与同类单位比较（本表同年度已上报的 {max(peer.peers for peer in peers)} 份）").classes("lv-strong")
        with ui.element("div").classes("lv-peers"):
            for peer in peers:
                ui.button(peer.place, on_click=partial(self.jump, peer.address)).props("flat dense align=left no-caps")
                ui.label(f"{peer.text} {peer.unit}").classes("lv-number")
                with (
                    ui.element("div").classes("lv-peer-high" if peer.per_cent >= HIGH else ""),
                    ui.element("div").classes("lv-peer-bar").props("aria-hidden=true"),
                ):
                    ui.element("div").style(f"left: {peer.per_cent}%")
                ui.label(f"高于 {peer.per_cent}% 的单位")

    def draw_rows(self, focus: FocusView) -> None:
        """What was filled in where this focus looks."""
        if not focus.rows:
            return
        with (
            ui.expansion("相关填报内容", value=focus.key != "figures").props("dense").classes("lv-expansion"),
            ui.element("table").classes("lv-diff"),
            ui.element("tbody"),
        ):
            for row in focus.rows:
                with ui.element("tr").classes("lv-row-flagged" if row.flagged else ""):
                    with ui.element("td"):
                        ui.button(row.label, on_click=partial(self.jump, _cell(row))).props("flat dense align=left")
                    with ui.element("td"):
                        for slot, text in row.texts:
                            ui.label(f"{slot}　{text}" if slot else text).classes("lv-row-text")
                    with ui.element("td").classes("lv-muted"):
                        ui.label(row.unit)

    def _can_check(self) -> bool:
        return not self.stale and any(a.action is Action.CHECK and a.enabled for a in self.view.head.actions)

    def _outline(self) -> object:
        """What the points show besides their ticks; while it is the same only the ticks are painted anew."""
        view = self.view
        focuses = tuple((f.key, f.title, tuple(i.key for i in f.items), f.rows) for f in view.focuses)
        # Ticks that may only be read are words, not boxes: they are drawn with the rest.
        ticks = () if self._can_check() else tuple(i.done for f in view.focuses for i in f.items)
        kept = (view.flags, view.kept, view.for_reviewers, view.jumps, view.peers)
        return (*kept, focuses, ticks, self._can_check(), bool(self.stale))

    # --- what is done ---------------------------------------------------------------------------------------------------

    async def tick(self, key: str, done: bool) -> None:
        with self.page:
            await act.perform(opinions.mark, self.filing_id, key, done)

    async def pick(self, address: str) -> None:
        """对此格提出核实问题, from the sheet."""
        place = questions.place_words(await self.rows(), address)
        if not place:
            raise NotFound("本表没有这个单元格。请在表中重新选择要提问的单元格。")
        await questions.ask(self.filing_id, address, place, self.drafts)

    async def rows(self) -> Mapping[str, str]:
        """The rows of the form, key → words."""
        if self.sheet_view is None:
            self.sheet_view = await act.read(versions.view, self.view.version_id)
        return questions.row_words(self.sheet_view.layout)

    def jump(self, address: str) -> None:
        """Go to a cell of the sheet."""
        self.wanted = address
        self.tabs.set_value(SHEET)
        self.focus()

    def focus(self) -> None:
        if self.sheet is not None and self.ready and self.wanted:
            self.sheet.focus_cell(self.wanted)
            self.wanted = ""

    async def opened(self, e: ValueChangeEventArguments[Any]) -> None:
        """What takes longer is read when somebody first looks at it."""
        if e.value == SHEET:
            await self.open_sheet()
        elif e.value == "year" and not self.year_on_year.shown:
            found = await act.read(versions.year_on_year, self.filing_id)
            year = self.view.head.year
            self.year_on_year.show(found, before=f"{year - 2}年", after=f"{year - 1}年")

    async def open_sheet(self) -> None:
        """The sheet is read and drawn when somebody first looks at it."""
        if self.sheet is not None:
            return
        await self.rows()
        view = self.sheet_view
        if view is None or self.sheet is not None:
            return
        asking = any(a.action is Action.ASK and a.enabled for a in self.view.head.actions)
        self.sheet_box.clear()
        with self.sheet_box:
            self.sheet = FormSheet(
                sheet_json(
                    view,
                    user_id=self.actor.user_id,
                    readonly=True,
                    pickable=asking,
                    changed=[line.address for line in self.view.since_last],
                ),
                layout_json(view.layout),
                on_pick=act.busy(self.pick),
                on_ready=self.sheet_ready,
            )

    async def sheet_ready(self) -> None:
        self.ready = True
        self.focus()

    async def changed(self, event: events.Event) -> None:
        if isinstance(event, events.FilingChanged):
            await self.reload()

    async def _reload(self) -> None:
        """Look again. A newer version is not slipped under the reader: the page says so and decides nothing more."""
        before = self.view
        try:
            view = await act.read(desk.review, self.filing_id)
        except SignedOut:
            raise
        except Refusal as refusal:  # withdrawn, deleted or sent elsewhere: there is nothing to decide here any more
            self.stale = refusal.message
            self.draw()
            return
        if view.version_id != before.version_id or self.stale:
            self.stale = f"申报单位已于{words.moment(view.version.submitted_at)}上报第{view.version.no}版，本页显示的是第{before.version.no}版。请刷新页面，查看改动后再办理。"
            self.draw()
            return
        self.view = view
        self.draw()
        newest = view.timeline[0] if view.timeline else None
        if newest is not None and newest not in before.timeline and newest.who != self.actor.name:
            notices.show("note", f"{newest.who}：{newest.action}。页面已更新。")


def _stamp(view: ReviewView) -> None:
    """The stamped scan of this version and what the machine found on it."""
    scans = [found for found in view.files if found.kind == FileKind.STAMPED_SCAN]
    if not scans:
        ui.label("没有盖章扫描件。").classes("lv-muted")
        return
    newest, stamp = scans[-1], view.head.stamp
    with ui.element("div").classes("lv-row"):
        ui.label("盖章扫描件").classes("lv-strong")
        if stamp is not None and stamp.current:
            chip("与本版数据一致", "accent", "check")
        ui.link(newest.name, f"/files/{newest.id}")
        ui.button("预览", on_click=act.busy(lambda: filing_files.preview(newest))).props("flat dense")
    if stamp is not None and stamp.report:
        found_by = stamp_panel.FOUND_BY.get(stamp.found_by, "")
        with ui.expansion(f"逐页核对结果（{len(stamp.report)} 页，{found_by}）").props("dense").classes("lv-expansion"):
            stamp_panel.pages(stamp.report)


def _cell(row: FocusRow) -> str:
    """The cell to go to: of a yearly row the latest year."""
    slot = row.texts[-1][0].removesuffix("年") if row.texts else ""
    return f"{row.address}:{slot}" if slot else row.address


def _counted(caption: str, count: int) -> str:
    return f"{caption} {count}" if count else caption
