"""专家评审: an office assigns experts and reads their opinions; an expert writes the own one, with a grade."""

from __future__ import annotations

from collections.abc import Sequence

from nicegui import ui

from models.enums import Action, Grade
from services.actors import Actor
from services.errors import Refusal
from services.filings.views import ActionView
from services.reviews import opinions
from services.reviews.views import ExpertView, ReviewView
from ui import act, shell, words
from ui.widgets import dialogs
from ui.widgets.chips import chip
from ui.widgets.drafts import Drafts

GRADES = {grade: f"{grade.caption} 级" for grade in Grade}


class Experts:
    """The tab of an office (专家评审)."""

    def __init__(self, filing_id: int) -> None:
        self.filing_id = filing_id
        with ui.element("div").classes("lv-card-head") as self.holder:
            self.count = ui.label().props("aria-live=polite")
            ui.element("div").classes("lv-space")
            self.assigning = ui.element("span")
        self.box = ui.element("div").classes("lv-questions")

    def show(self, experts: Sequence[ExpertView], actions: Sequence[ActionView]) -> None:
        assigning = next((a for a in actions if a.action is Action.ASSIGN_EXPERT), None)
        given = sum(task.submitted_at is not None for task in experts)
        self.count.set_text(
            f"已分配 {len(experts)} 位专家，已提交意见 {given} 份" if experts else "未组织专家评审（可选）"
        )
        self.assigning.clear()
        self.box.clear()
        with self.assigning:
            if assigning is not None and assigning.enabled:
                ui.button("分配专家", icon="person_add", on_click=act.busy(self.assign)).props("outline")
            elif assigning is not None:
                shell.reason_button("分配专家", assigning.reason, props="outline")
        with self.box:
            for task in experts:
                self._card(task, may_release=assigning is not None and assigning.enabled)

    def _card(self, task: ExpertView, *, may_release: bool) -> None:
        with ui.element("article").classes("lv-question-card"):
            with ui.element("div").classes("lv-question-head"):
                if task.submitted_at is None:
                    chip("待评审", "plain", "schedule")
                else:
                    chip(f"等级 {task.grade.caption}" if task.grade else "已提交", "accent", "check")
                ui.label(task.expert_name).classes("lv-strong")
                said = f"提交于 {words.moment(task.submitted_at)}" if task.submitted_at else ""
                ui.label(said or f"分配于 {words.moment(task.assigned_at)}").classes("lv-muted lv-question-by")
            if task.opinion:
                ui.label(task.opinion).classes("lv-question-text")
            elif may_release:
                with ui.element("div").classes("lv-row"):
                    ui.button("撤回任务", on_click=act.busy(lambda: self.release(task))).props("flat dense")

    async def assign(self) -> None:
        free = dict(await act.read(opinions.experts, self.filing_id))
        with dialogs.dialog("分配专家评审") as box:
            if free:
                ui.label("专家可查看这份动态管理表和附件，提交意见和等级。").classes("lv-dialog-text")
                chosen = (
                    ui.select(free, label="专家", multiple=True, with_input=True).props("use-chips").classes("lv-wide")
                )
            else:
                ui.label("没有可以分配的专家。请联系系统管理员在“用户”中添加专家。").classes("lv-dialog-text")
            trouble = ui.label().classes("lv-field-error").props("role=alert")

            async def go() -> None:
                try:
                    await act.perform(opinions.assign_experts, self.filing_id, tuple(chosen.value or ()))
                except Refusal as refusal:
                    trouble.set_text(refusal.message)
                    return
                box.submit(len(chosen.value))

            with ui.row().classes("lv-dialog-actions"):
                ui.button("返回", on_click=lambda: box.submit(None)).props("flat")
                if free:
                    ui.button("分配", on_click=act.busy(go))
        count = await box
        if count:
            act.done(f"已分配 {count} 位专家。")

    async def release(self, task: ExpertView) -> None:
        with self.holder:  # the card is drawn anew meanwhile
            if await dialogs.confirm(
                f"撤回{task.expert_name}的评审任务", "撤回后这位专家不再看到这份动态管理表。", verb="撤回任务"
            ):
                await act.perform(opinions.release_expert, task.id)


class OwnOpinion:
    """The panel of an expert (专家意见): what is typed stays when the page is drawn again."""

    def __init__(self, actor: Actor, view: ReviewView, drafts: Drafts) -> None:
        self.actor, self.filing_id, self.drafts = actor, view.head.id, drafts
        own = _own(view)
        with ui.element("section").classes("lv-decide-own"):
            ui.label("专家意见").classes("lv-card-title")
            self.grade = ui.radio(dict(GRADES)).props('inline aria-label="评审等级"')
            self.opinion = ui.textarea("专家意见", value=own.opinion if own else "")
            self.opinion.props("rows=8 counter maxlength=2000").classes("lv-wide")
            drafts.bind(self.opinion, "expert")
            self.trouble = ui.label().classes("lv-field-error").props("role=alert")
            self.state = ui.label().classes("lv-muted").props("role=status")
            self.button = ui.element("div")
        if own is not None and own.submitted_at:
            self.grade.set_value(own.grade)
        self.show(view)

    def show(self, view: ReviewView, *, stale: str = "") -> None:
        action = next((a for a in view.head.actions if a.action is Action.EXPERT_OPINION), None)
        reason = stale or (action.reason if action is not None else "这份动态管理表现在不在评审中，不能提交意见。")
        own = _own(view)
        submitted = own.submitted_at if own else None
        self.state.set_text(
            f"已提交 {words.moment(submitted)}，在本级作出决定之前可以修改。" if submitted else "还没有提交"
        )
        self.button.clear()
        with self.button:
            caption = "重新提交" if submitted else "提交专家意见"
            if reason:
                shell.reason_button(caption, reason, props="outline")
                ui.label(reason).classes("lv-why")
            else:
                ui.button(caption, on_click=act.busy(self.submit)).classes("lv-wide")

    async def submit(self) -> None:
        self.trouble.set_text("")
        if self.grade.value is None:
            self.trouble.set_text("请选择评审等级。")
            return
        try:
            await act.perform(
                opinions.submit_opinion, self.filing_id, self.opinion.value or "", Grade(self.grade.value)
            )
        except Refusal as refusal:
            if refusal.field != "opinion":
                raise
            self.trouble.set_text(refusal.message)
            return
        self.drafts.done("expert")
        act.done("专家意见已提交。")


def _own(view: ReviewView) -> ExpertView | None:
    return next((task for task in view.experts if task.own), None)
