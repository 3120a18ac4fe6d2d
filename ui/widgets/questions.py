"""核实问题: what the offices ask and the unit answers, each bound to a cell or to the whole form."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from nicegui import ui

from models.enums import Action, QuestionStatus
from services import clock, events
from services.actors import Actor
from services.errors import Refusal
from services.filings import sheets
from services.filings.views import ActionView, FilingHead, QuestionView
from services.reviews import questions
from ui import act, shell, words
from ui.widgets import dialogs, filing_actions, form_sheet
from ui.widgets.chips import chip
from ui.widgets.drafts import Drafts


class Sheet(Protocol):
    """What jumps to a cell; a ``FormSheet``."""

    def focus_cell(self, address: str) -> None: ...


# --- the unit answers ---------------------------------------------------------------------------------------------------


def answers(head: FilingHead, asked_questions: Sequence[QuestionView], sheet: Sheet, tabs: ui.tabs) -> None:
    """The unit's tab (核实问题): one card a question with its answer; a colleague's answers arrive by themselves."""
    _Answers(head, asked_questions, sheet, tabs).build()


class _Answers:
    def __init__(self, head: FilingHead, asked_questions: Sequence[QuestionView], sheet: Sheet, tabs: ui.tabs) -> None:
        self.head, self.questions, self.sheet, self.tabs = head, tuple(asked_questions), sheet, tabs
        self.fields: dict[int, _Answer] = {}

    def build(self) -> None:
        with ui.element("section").classes("lv-card lv-reading-card"):
            with ui.element("div").classes("lv-card-head"):
                with ui.element("h2").classes("lv-card-title"):
                    ui.label("核实问题")
                self.count = ui.label().classes("lv-muted").props("aria-live=polite")
            self.box = ui.element("div").classes("lv-questions")
        self.draw()
        act.watch_filing(self.head.id, self.changed)

    def draw(self) -> None:
        self.box.clear()
        self.fields.clear()
        with self.box:
            for question in self.questions:
                self.fields[question.id] = _Answer(question, self.may_answer(question), self.jump)
        self.say_count()

    def may_answer(self, question: QuestionView) -> bool:
        """An answer may be changed until 重新上报, a closed question not at all."""
        answered = question.status == QuestionStatus.ANSWERED and self.head.editable
        return question.can_answer or answered

    def say_count(self) -> None:
        waiting = sum(q.status == QuestionStatus.OPEN for q in self.questions)
        if waiting:
            self.count.set_text(f"共 {len(self.questions)} 个，还有 {waiting} 个没有回答")
        elif self.head.editable:
            self.count.set_text("已全部回答。接下来请“验证并保存”，上传盖章扫描件后“重新上报”。")
        else:
            self.count.set_text(f"共 {len(self.questions)} 个，已全部回答")

    def jump(self, address: str) -> None:
        self.tabs.set_value("sheet")
        self.sheet.focus_cell(address)

    async def changed(self, event: events.Event) -> None:
        """Take over what a colleague answered; what is being typed here stays."""
        if not isinstance(event, events.FilingChanged):
            return
        view = await act.read(sheets.sheet, self.head.id)
        before, self.head, self.questions = self.questions, view.head, view.questions
        if [q.id for q in before] != [q.id for q in self.questions]:
            self.draw()
            return
        for question in self.questions:
            self.fields[question.id].take(question, self.may_answer(question))
        self.say_count()


class _Answer:
    """One question with the field for its answer (回答)."""

    def __init__(self, question: QuestionView, may_answer: bool, jump: Callable[[str], Any]) -> None:
        self.question, self.saved = question, question.answer
        with ui.element("article").classes("lv-question-card").props(f"data-question={question.id}"):
            with ui.element("div").classes("lv-question-head"):
                self.mark = ui.element("span")
                _place(question, jump)
                ui.label(f"{question.authority_name}　{words.moment(question.asked_at)}").classes(
                    "lv-muted lv-question-by"
                )
            ui.label(question.text).classes("lv-question-text")
            self.area = ui.textarea("回答", value=question.answer, on_change=self.say)
            self.area.props("autogrow rows=2 counter maxlength=2000").classes("lv-wide")
            with ui.element("div").classes("lv-row"):
                self.button = ui.button("保存回答", on_click=act.busy(self.save)).props("outline")
                self.state = ui.label().classes("lv-saved-mark lv-muted").props("role=status")
            self.trouble = ui.label().classes("lv-field-error").props("role=alert")
        self.take(question, may_answer)

    def take(self, question: QuestionView, may_answer: bool) -> None:
        """Show what the service says now, without touching what is being typed."""
        typing = (self.area.value or "") != self.saved
        self.question, self.saved = question, question.answer
        if not typing:
            self.area.set_value(question.answer)
        self.mark.clear()
        with self.mark:
            _status(question)
        self.area.props("readonly" if not may_answer else "", remove="" if not may_answer else "readonly")
        self.button.set_visibility(may_answer)
        self.say()

    def say(self) -> None:
        typed = self.area.value or ""
        if typed != self.saved:
            self.state.set_text("未保存，请点击“保存回答”")
        elif self.question.answered_at:
            self.state.set_text(f"已保存 {words.moment(self.question.answered_at)}　{self.question.answered_by}")
        else:
            self.state.set_text("还没有回答")

    async def save(self) -> None:
        self.trouble.set_text("")
        text = (self.area.value or "").strip()
        self.state.set_text("保存中…")
        try:
            await act.perform(questions.answer, self.question.id, text)
        except Refusal as refusal:
            self.say()
            if refusal.field != "text":
                raise
            self.trouble.set_text(refusal.message)
            return
        self.saved = self.area.value = text
        self.state.set_text(f"已保存 {clock.local(clock.now()):%H:%M:%S}")


# --- an office asks -----------------------------------------------------------------------------------------------------


class Asked:
    """核实问题 for who reviews: ask on a cell or on the whole, change or withdraw what the unit has not seen, close one's own."""

    def __init__(self, actor: Actor, filing_id: int, drafts: Drafts, *, jump: Callable[[str], Any]) -> None:
        self.actor, self.filing_id, self.drafts, self.jump = actor, filing_id, drafts, jump
        with ui.element("div").classes("lv-card-head") as self.holder:
            self.count = ui.label().props("aria-live=polite")
            ui.element("div").classes("lv-space")
            self.asking = ui.element("span")
        self.box = ui.element("div").classes("lv-questions")

    def show(self, asked_questions: Sequence[QuestionView], actions: Sequence[ActionView]) -> None:
        """Draw these in place of the former ones."""
        asking = next((a for a in actions if a.action is Action.ASK), None)
        ours = [q for q in asked_questions if q.tier is self.actor.tier]
        drafts = sum(not q.published for q in asked_questions)
        waiting = sum(q.status == QuestionStatus.OPEN and q.published for q in asked_questions)
        answered = sum(q.status == QuestionStatus.ANSWERED for q in asked_questions)
        parts = (("待退回时发出", drafts), ("待申报单位回答", waiting), ("已回答、待关闭", answered))
        told = "，".join(f"{said} {number} 个" for said, number in parts if number) or "全部已关闭"
        self.count.set_text(f"共 {len(asked_questions)} 个：{told}" if asked_questions else "还没有核实问题")
        self.asking.clear()
        self.box.clear()
        with self.asking:
            if asking is not None and asking.enabled:
                ui.button(
                    "对整份表提问",
                    icon="add_comment",
                    on_click=act.busy(lambda: ask(self.filing_id, "", "整份表", self.drafts)),
                ).props("outline")
            elif asking is not None:
                shell.reason_button("对整份表提问", asking.reason, props="outline")
        with self.box:
            if asking is not None:
                ui.label(
                    "在“填报数据”中选中一个单元格，按回车键或点击下方的“对此格提出核实问题”。问题在退回申报单位时一并发出。"
                ).classes("lv-muted")
            for question in asked_questions:
                mine = asking is not None and asking.enabled and question in ours
                self._card(question, draft=mine and not question.published)

    def _card(self, question: QuestionView, *, draft: bool) -> None:
        with ui.element("article").classes("lv-question-card").props(f"data-question={question.id}"):
            with ui.element("div").classes("lv-question-head"):
                _status(question)
                _place(question, self.jump)
                asked_by = f"（{question.asked_by}）" if question.asked_by else ""
                ui.label(f"{question.authority_name}{asked_by}　{words.moment(question.asked_at)}").classes(
                    "lv-muted lv-question-by"
                )
            ui.label(question.text).classes("lv-question-text")
            if question.answer:
                with ui.element("div").classes("lv-answer"):
                    ui.label(f"回答（{question.answered_by}　{words.moment(question.answered_at)}）").classes(
                        "lv-muted"
                    )
                    ui.label(question.answer).classes("lv-question-text")
            with ui.element("div").classes("lv-row"):
                if draft:
                    ui.button("修改", on_click=self.doing(self.edit, question)).props("flat dense")
                    ui.button("撤销", on_click=self.doing(self.withdraw, question)).props("flat dense")
                elif question.can_close and question.published:
                    close = ui.button("关闭问题", on_click=self.doing(self.close, question)).props("outline dense")
                    if question.status == QuestionStatus.OPEN:
                        close.props("flat").tooltip("申报单位还没有回答；如不再需要，可以直接关闭。")

    def doing(
        self, deed: Callable[[QuestionView], Awaitable[None]], question: QuestionView
    ) -> Callable[[], Awaitable[None]]:
        """A click handler that outlives its card: the list is drawn again whenever the filing changes."""

        async def do() -> None:
            with self.holder:
                await deed(question)

        return act.busy(do)

    async def edit(self, question: QuestionView) -> None:
        text = await dialogs.ask_text(
            f"修改对“{question.place}”的核实问题",
            "核实问题",
            verb="保存修改",
            text="申报单位还没有看到这个问题。",
            value=question.text,
        )
        if text is not None:
            await act.perform(questions.edit, question.id, text)

    async def withdraw(self, question: QuestionView) -> None:
        if await dialogs.confirm(
            f"撤销对“{question.place}”的核实问题", f"“{question.text}”将不再发给申报单位。", verb="撤销问题"
        ):
            await act.perform(questions.withdraw, question.id)

    async def close(self, question: QuestionView) -> None:
        unanswered = question.status == QuestionStatus.OPEN
        if unanswered and not await dialogs.confirm(
            "这个问题还没有得到回答", "关闭后申报单位不需要再回答它。", verb="关闭问题"
        ):
            return
        await act.perform(questions.close, question.id)
        act.done("已关闭这个核实问题。")


async def ask(filing_id: int, address: str, place: str, drafts: Drafts) -> None:
    """提出核实问题 on one cell, or on the whole with an empty address."""
    asked_text = await filing_actions.ask(
        f"对“{place}”提出核实问题",
        "请写明发现了什么、希望申报单位说明或改正什么。退回时一并发给申报单位，在此之前可以修改或撤销。",
        "提出问题",
        label="核实问题",
        submit=lambda text: act.perform(questions.ask, filing_id, address, text),
        long=True,
        kept=(drafts, f"ask:{address}"),
    )
    if asked_text is not None:
        act.done("已提出，退回时一并发给申报单位。")


def row_words(layout: Mapping[str, Any]) -> dict[str, str]:
    """The rows of a form, key → words, in its order: 氨氮（排放量）."""
    return {
        row["key"]: row["label"] + (f"（{row['parameter']}）" if row.get("parameter") else "")
        for row in form_sheet.rows(layout)
    }


def place_words(rows: Mapping[str, str], address: str) -> str:
    """Words for a cell: 氨氮（排放量） 2024年; "" for a cell that the form does not have."""
    key, _, slot = address.partition(":")
    if key not in rows:
        return ""
    return rows[key] + {"": "", "unit": " 计量单位", "remark": " 特殊情况说明"}.get(slot, f" {slot}年")


def _place(question: QuestionView, jump: Callable[[str], Any]) -> None:
    if question.address:
        ui.button(question.place, icon="my_location", on_click=lambda: jump(question.address)).props(
            "flat dense"
        ).classes("lv-question-place").tooltip("在表中查看这个单元格")
    else:
        ui.label(question.place).classes("lv-strong")


def _status(question: QuestionView) -> None:
    if not question.published:
        chip("待发出", "plain", "edit_note")
        return
    tone, icon = words.QUESTION_TONES[question.status]
    chip(QuestionStatus(question.status).caption, tone, icon)
