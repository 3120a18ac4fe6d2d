"""现场评估与动态调整意见: recorded by the tiers that may, read by everybody who reviews."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date
from typing import Any

from nicegui import ui

from models.enums import Action, Adjustment, FileKind
from services import clock
from services.errors import Refusal
from services.filings import files
from services.filings.views import ActionView, FileView
from services.reviews import opinions
from services.reviews.views import AdjustmentView, ArticleChoice, AssessmentView, ReviewView
from ui import act, shell, words
from ui.widgets import dialogs
from ui.widgets.chips import chip
from ui.widgets.drafts import PAUSE, Drafts
from ui.widgets.upload import DOCUMENTS, Upload

TONES = {
    Adjustment.KEEP: ("accent", "check"),
    Adjustment.CHANGE: ("note", "swap_horiz"),
    Adjustment.RECTIFY: ("warning", "build"),
    Adjustment.REMOVE: ("error", "remove_circle_outline"),
}
NOTICE = "粤工信节能函〔2025〕12号：关键指标不符合评价要求的，组织现场评估，提出动态调整意见。"
Rows = Callable[[], Awaitable[Mapping[str, str]]]


class Assessments:
    """The tab of an office (评估与调整)."""

    def __init__(self, filing_id: int, drafts: Drafts, *, rows: Rows, jump: Callable[[str], Any]) -> None:
        self.filing_id, self.drafts, self.rows, self.jump = filing_id, drafts, rows, jump
        self.attached: list[FileView] = []  # uploaded for an assessment that is not recorded yet
        self.view: ReviewView | None = None
        ui.label(NOTICE).classes("lv-muted")
        self.assessing, self.visits = _section("现场评估")
        self.adjusting, self.opinions = _section("动态调整意见")

    def show(self, view: ReviewView) -> None:
        self.view = view
        known = {found.id: found for found in view.files}
        for part in (self.assessing, self.visits, self.adjusting, self.opinions):
            part.clear()
        with self.assessing:
            _button(view.head.actions, Action.ASSESS, "登记现场评估", "event_note", self.assess)
        with self.adjusting:
            _button(view.head.actions, Action.ADJUST, "提出动态调整意见", "gavel", self.adjust)
        with self.visits:
            if not view.assessments:
                ui.label("还没有登记现场评估。").classes("lv-muted")
            for visit in view.assessments:
                self._visit(visit, known)
        with self.opinions:
            if not view.adjustments:
                ui.label("还没有提出动态调整意见。").classes("lv-muted")
            for opinion in view.adjustments:
                self._opinion(opinion)

    def _visit(self, visit: AssessmentView, known: Mapping[int, FileView]) -> None:
        with ui.element("article").classes("lv-question-card"):
            with ui.element("div").classes("lv-question-head"):
                ui.label(f"{words.day(visit.visited_on)}　{visit.authority_name}").classes("lv-strong")
                ui.label(f"{visit.recorded_by} 登记于 {words.moment(visit.recorded_at)}").classes(
                    "lv-muted lv-question-by"
                )
            with shell.facts():
                shell.fact("评估人员", visit.people)
                shell.fact("评估结论", visit.conclusion)
            self._places(visit.findings)
            for found in (known[i] for i in visit.files if i in known):
                ui.link(found.name, f"/files/{found.id}")

    def _opinion(self, given: AdjustmentView) -> None:
        with ui.element("article").classes("lv-question-card"):
            with ui.element("div").classes("lv-question-head"):
                tone, icon = TONES[given.opinion]
                chip(given.opinion.caption, tone, icon)
                ui.label(f"{given.tier}　{given.authority_name}").classes("lv-strong")
                ui.label(f"{given.recorded_by}　{words.moment(given.recorded_at)}").classes("lv-muted lv-question-by")
            with shell.facts():
                if given.article:
                    shell.fact("引用条款", given.article)
                shell.fact("理由", given.reason)
            self._places(given.evidence)

    def _places(self, found: Sequence[tuple[str, str, str]]) -> None:
        for address, place, text in found:
            with ui.element("div").classes("lv-row"):
                ui.button(place, on_click=lambda at=address: self.jump(at)).props("flat dense")
                ui.label(text).classes("lv-question-text")

    # --- recording ------------------------------------------------------------------------------------------------------

    async def assess(self) -> None:
        """登记现场评估: when, who, what was found on which indicator, papers, conclusion."""
        rows = dict(await self.rows())
        attached = self.attached
        lines: list[tuple[ui.select, ui.textarea]] = []
        with dialogs.dialog("登记现场评估", wide=True) as box:
            when = ui.input("现场评估日期", value=clock.today().isoformat()).props("type=date").classes("lv-wide")
            people = ui.input("评估人员（姓名、单位）").props("maxlength=300").classes("lv-wide")
            self.drafts.bind(people, "assess.people")
            with ui.element("section").classes("lv-decide-part"):
                ui.label("逐项核实情况").classes("lv-strong")
                listed = ui.element("div").classes("lv-questions")

                async def keep() -> None:
                    await self.drafts.keep_lines("assess.lines", lines)

                def add(key: str = "", text: str = "") -> None:
                    with listed, ui.element("div").classes("lv-found-line"):
                        row = ui.select(
                            rows, value=key if key in rows else None, label="指标", with_input=True, clearable=True
                        )
                        found = ui.textarea("现场核实情况", value=text)
                        found.props(f"rows=1 autogrow maxlength=1000 debounce={PAUSE}")
                        lines.append((row, found))
                    row.on_value_change(keep)
                    found.on_value_change(keep)

                for line in self.drafts.lines("assess.lines") or [["", ""]]:
                    add(*line)
                ui.button("再加一项", icon="add", on_click=lambda: add()).props("flat dense")
            conclusion = ui.textarea("评估结论").props("rows=3 counter maxlength=2000").classes("lv-wide")
            self.drafts.bind(conclusion, "assess.conclusion")
            names = ui.label(_names(attached)).classes("lv-muted")

            async def take(name: str, content: bytes) -> None:
                attached.append(await act.blocking(files.upload, self.filing_id, FileKind.ASSESSMENT, name, content))
                names.set_text(_names(attached))

            Upload("上传现场评估材料", take, kinds=DOCUMENTS)
            trouble = ui.label().classes("lv-field-error").props("role=alert")

            async def go() -> None:
                try:
                    await act.perform(
                        opinions.record_assessment,
                        self.filing_id,
                        visited_on=_day(when.value),
                        people=people.value or "",
                        conclusion=conclusion.value or "",
                        findings=tuple((str(row.value), text.value or "") for row, text in lines if row.value),
                        file_ids=tuple(found.id for found in attached),
                    )
                except Refusal as refusal:
                    trouble.set_text(refusal.message)
                    return
                attached.clear()
                self.drafts.done(*opinions.ASSESSMENT_DRAFTS)
                box.submit(True)

            with ui.row().classes("lv-dialog-actions"):
                ui.button("返回", on_click=lambda: box.submit(None)).props("flat")
                ui.button("登记", on_click=act.busy(go))
        if await box:
            act.done("已登记现场评估。")

    async def adjust(self) -> None:
        """提出动态调整意见: 保留, 变更, 整改 or 移出, with the articles it rests on."""
        assert self.view is not None
        articles = self.view.articles
        with dialogs.dialog("提出动态调整意见", wide=True) as box:
            kind = ui.radio({a.value: a.caption for a in Adjustment}, value=Adjustment.KEEP.value).props("inline")
            ui.label("引用条款（填报内容支持的条款排在前面）").classes("lv-strong")
            listed = ui.element("div").classes("lv-articles")
            ticks: dict[str, ui.checkbox] = {}

            def draw() -> None:
                listed.clear()
                ticks.clear()
                with listed:
                    for article in articles:
                        if article.opinion == kind.value:
                            ticks[article.key] = _article(article)

            kind.on_value_change(draw)
            draw()
            reason = ui.textarea("理由").props("rows=3 counter maxlength=1000").classes("lv-wide")
            self.drafts.bind(reason, "adjust.reason")
            trouble = ui.label().classes("lv-field-error").props("role=alert")

            async def go() -> None:
                cited = tuple(key for key, tick in ticks.items() if tick.value)
                try:
                    await act.perform(
                        opinions.record_adjustment, self.filing_id, Adjustment(kind.value), cited, reason.value or ""
                    )
                except Refusal as refusal:
                    trouble.set_text(refusal.message)
                    return
                self.drafts.done("adjust.reason")
                box.submit(Adjustment(kind.value).caption)

            with ui.row().classes("lv-dialog-actions"):
                ui.button("返回", on_click=lambda: box.submit(None)).props("flat")
                ui.button("提出意见", on_click=act.busy(go))
        said = await box
        if isinstance(said, str):
            act.done(f"已提出动态调整意见：{said}。")


def _names(attached: Sequence[FileView]) -> str:
    return "已上传：" + "、".join(found.name for found in attached) if attached else ""


def _section(title: str) -> tuple[ui.element, ui.element]:
    """A heading with a place for its button, and a place for what it lists."""
    with ui.element("div").classes("lv-card-head"):
        ui.label(title).classes("lv-card-title").props("role=heading aria-level=3")
        ui.element("div").classes("lv-space")
        button = ui.element("span")
    return button, ui.element("div").classes("lv-questions")


def _button(
    actions: Sequence[ActionView], action: Action, caption: str, icon: str, do: Callable[[], Awaitable[None]]
) -> None:
    found = next((a for a in actions if a.action is action), None)
    if found is not None and found.enabled:
        ui.button(caption, icon=icon, on_click=act.busy(do)).props("outline")
    elif found is not None:
        shell.reason_button(caption, found.reason, props="outline")


def _article(article: ArticleChoice) -> ui.checkbox:
    with ui.element("div").classes("lv-article"):
        tick = ui.checkbox(
            f"{article.cite}　{article.title}", value=article.supported and article.opinion is not Adjustment.KEEP
        )
        if article.supported:
            chip("填报内容支持", "warning", "priority_high")
        ui.label(article.text).classes("lv-muted")
    return tick


def _day(typed: object) -> date:
    try:
        return date.fromisoformat(str(typed or ""))
    except ValueError:
        raise Refusal("请填写现场评估日期，例如 2025-03-18。", field="visited_on") from None
