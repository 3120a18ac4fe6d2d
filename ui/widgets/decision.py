"""办理栏: where a filing stands, what this office adds to its decision, and the decision itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal, cast

from nicegui import ui

from models.enums import Action, FileKind, FilingStatus, QuestionStatus, StepStatus
from services.actors import Actor
from services.errors import Refusal
from services.filings import files
from services.filings.views import ActionView, FileView, QuestionView, StepView
from services.reviews import decisions, opinions
from services.reviews.views import ReviewView
from ui import act, shell, words
from ui.widgets import dialogs, filing_actions
from ui.widgets.chips import chip
from ui.widgets.drafts import Drafts
from ui.widgets.upload import PICTURES, Upload

PASSING = (Action.FORWARD, Action.APPROVE)
PHRASES = (
    "材料齐全，填报数据合理，同意上报。",
    "经核实，合规性信息属实，填报数据与佐证材料一致，同意上报。",
    "保留的警告已逐条核实，说明成立，同意上报。",
)
Scope = Literal["all", "asked", "rows"]
Rows = Callable[[], Awaitable[Mapping[str, str]]]  # the rows of the form, key → words


def steps(shown: Sequence[StepView]) -> None:
    """审核进度: every tier in the manual's words, with who decided, when, and the opinion."""
    with ui.element("ol").classes("lv-route"):
        for step in shown:
            off = step.status is StepStatus.NOT_APPLICABLE
            with ui.element("li").classes("lv-route-off" if off else ""):
                with ui.element("div").classes("lv-route-head"):
                    ui.label(step.tier.caption).classes("lv-strong")
                    tone, icon = words.STEP_TONES[step.status]
                    chip(step.status.caption, tone, icon)
                if off:
                    continue
                if step.authority_name:
                    ui.label(step.authority_name).classes("lv-muted")
                if step.decided_at:
                    by = f"　{step.decided_by}" if step.decided_by else ""
                    ui.label(f"{words.moment(step.decided_at)}{by}").classes("lv-muted")
                for note in step.notes:
                    ui.label(note).classes("lv-muted")
                if step.opinion:
                    ui.label(step.opinion).classes("lv-route-opinion")


class Decision:
    """The sticky panel of who reviews. What is being typed stays when the rest is drawn again."""

    def __init__(
        self, actor: Actor, view: ReviewView, drafts: Drafts, *, show_points: Callable[[], Any], rows: Rows
    ) -> None:
        self.actor, self.view, self.drafts, self.stale = actor, view, drafts, ""
        self.attached: list[FileView] = []  # uploaded for a return that is not sent yet
        self.show_points, self.rows = show_points, rows
        self.drawn: dict[Action, tuple[ActionView | None, str]] = {}
        self.handlers = {
            Action.FORWARD: self.forward,
            Action.APPROVE: self.approve,
            Action.SEND_BACK: self.send_back,
            Action.RECALL: self.recall,
            Action.TRANSFER: self.transfer,
        }
        with ui.element("div").classes("lv-decide-upper"):
            self.route = ui.element("div")
            with ui.element("section").classes("lv-decide-own") as self.own:
                self.progress = ui.element("div").classes("lv-decide-part")
        with ui.element("div").classes("lv-decide-lower"):
            with ui.element("div").classes("lv-decide-part lv-letter") as self.letter:
                self.letter_now = ui.element("div")
                self.letter_upload = Upload("上传推荐文件", self.take_letter, kinds=PICTURES)
            with ui.element("div").classes("lv-decide-part") as self.saying:
                self.opinion = ui.textarea("审核意见").props("rows=3 autogrow maxlength=2000").classes("lv-wide")
                drafts.bind(self.opinion, "opinion")
                self.trouble = ui.label().classes("lv-field-error").props("role=alert")
                with (
                    self.opinion.add_slot("append"),
                    ui.button(icon="playlist_add").props('flat dense round aria-label="常用意见"'),
                ):
                    ui.tooltip("常用意见")
                    with ui.menu().props("auto-close"):
                        for phrase in PHRASES:
                            ui.menu_item(phrase, on_click=partial(self.say, phrase))
            with ui.element("div").classes("lv-decide-buttons"):
                self.buttons = {action: ui.element("div") for action in self.handlers}
                self.waiting = ui.label().classes("lv-muted")
        self.show(view)

    def say(self, phrase: str) -> None:
        self.opinion.set_value(phrase)

    def show(self, view: ReviewView, *, stale: str = "") -> None:
        """Draw what the filing is now; ``stale``: a newer version came, so nothing can be decided on this page."""
        self.view, self.stale = view, stale
        available = {button.action: button for button in view.head.actions}
        for part in (self.route, self.progress, self.letter_now):
            part.clear()
        with self.route:
            steps(view.head.steps)
        passing = next((available[a] for a in PASSING if a in available), None)
        self.own.set_visibility(passing is not None)
        self.saying.set_visibility(passing is not None)
        self.letter.set_visibility(passing is not None and Action.LETTER in available)
        if passing is not None:
            with self.progress:
                self.draw_progress()
            letter = available.get(Action.LETTER)
            self.letter_upload.set_visibility(letter is not None and letter.enabled)
            with self.letter_now:
                self.draw_letter()
        for action, place in self.buttons.items():
            now = available.get(action), stale
            if now != self.drawn.get(action):  # a button that is redrawn loses the click that is under way
                self.drawn[action] = now
                place.clear()
                if now[0] is not None:
                    with place:
                        self.button(now[0], self.handlers[action])
        idle = not any(a in available for a in (*PASSING, Action.RECALL))
        self.waiting.set_text(_waiting(view) if idle else "")

    def button(self, view: ActionView, handler: Callable[[], Any]) -> None:
        look = "" if view.action in PASSING else "outline"
        reason = self.stale or ("" if view.enabled else view.reason)
        if reason:
            if view.action in PASSING:
                ui.label(reason).classes("lv-why")
            shown = shell.reason_button(view.caption, reason, props="outline")
        else:
            shown = ui.button(view.caption, on_click=act.busy(handler)).props(look)
        shown.classes("lv-passing" if view.action in PASSING else "")

    def draw_progress(self) -> None:
        total = sum(len(focus.items) for focus in self.view.focuses)
        done = sum(item.done for focus in self.view.focuses for item in focus.items)
        with ui.element("div").classes("lv-card-head"):
            ui.label("审核清单").classes("lv-strong")
            ui.label(f"已勾选 {done} 项，共 {total} 项").classes("lv-muted")
            ui.element("div").classes("lv-space")
            ui.button("查看", on_click=self.show_points).props("flat dense")
        for focus in self.view.focuses:
            ticked = sum(item.done for item in focus.items)
            whole = ticked == len(focus.items)
            with ui.element("div").classes("lv-tick-line"):
                ui.icon("check_circle" if whole else "radio_button_unchecked").props("aria-hidden=true")
                ui.label(f"{focus.title} {ticked}/{len(focus.items)}")

    def draw_letter(self) -> None:
        own = next((step for step in self.view.head.steps if step.tier is self.actor.tier), None)
        given = next((f for f in self.view.files if own is not None and f.id == own.letter_file_id), None)
        if given is None:
            ui.label("推荐文件：未上传").classes("lv-muted")
            return
        with ui.element("div").classes("lv-row"):
            chip("推荐文件已上传", "accent", "check")
            ui.link(given.name, f"/files/{given.id}")
            ui.button("撤下", on_click=act.busy(self.drop_letter)).props("flat dense")

    # --- what is done --------------------------------------------------------------------------------------------------

    async def take_letter(self, name: str, content: bytes) -> None:
        stored = await act.blocking(files.upload, self.view.head.id, FileKind.LETTER, name, content)
        await act.perform(opinions.attach_letter, self.view.head.id, stored.id)
        act.done(f"推荐文件“{stored.name}”已上传。")

    async def drop_letter(self) -> None:
        with self.own:  # the button is drawn anew meanwhile
            if await dialogs.confirm("撤下推荐文件", "撤下后本级不再附推荐文件，可以重新上传。", verb="撤下"):
                await act.perform(opinions.attach_letter, self.view.head.id, None)

    async def forward(self) -> None:
        await self.decide(decisions.forward, "已审核通过并上报。在上一级作出决定之前可以收回。")

    async def approve(self) -> None:
        if not (self.opinion.value or "").strip():
            await self.decide(decisions.approve, "")  # the service says what is missing
        elif await dialogs.confirm(
            f"审核完成“{self.view.head.unit_name}”{self.view.head.year}年度动态管理表",
            "本级是最后一个审核层级。完成后这份数据计入统计和名单，不能收回。",
            verb="审核完成",
        ):
            await self.decide(decisions.approve, "已审核完成。")

    async def decide(self, use_case: Callable[..., None], said: str) -> None:
        """Pass it with the opinion that was typed; a missing opinion is said beside the field."""
        self.trouble.set_text("")
        head = self.view.head
        try:
            await act.perform(use_case, head.id, self.opinion.value or "", seen_version=self.view.version_id)
        except Refusal as refusal:
            if refusal.field != "opinion":
                raise
            self.trouble.set_text(refusal.message)
            self.opinion.run_method("focus")
            return
        self.drafts.done()
        self.opinion.set_value("")
        act.done(said)

    async def recall(self) -> None:
        await filing_actions.recall(self.view.head)

    async def transfer(self) -> None:
        """转送 to the office that it should have gone to."""
        offices = dict(await act.read(decisions.offices_for_transfer, self.view.head.id))
        with dialogs.dialog(f"转送“{self.view.head.unit_name}”的动态管理表") as box:
            ui.label(
                "上报的主管部门不对时，可转送给同级的另一个主管部门审核；申报单位填写的内容和单位信息不变。"
            ).classes("lv-dialog-text")
            to = ui.select(offices, label="转送给 *", with_input=True).classes("lv-wide")
            why = ui.textarea("转送原因 *").props("rows=3 counter maxlength=1000").classes("lv-wide")
            self.drafts.bind(why, "transfer.reason")
            trouble = ui.label().classes("lv-field-error").props("role=alert")

            async def go() -> None:
                if to.value is None:
                    trouble.set_text("请选择要转送给哪个主管部门。")
                    return
                try:
                    await act.perform(decisions.transfer, self.view.head.id, int(to.value), why.value or "")
                except Refusal as refusal:
                    trouble.set_text(refusal.message)
                    return
                self.drafts.done()
                box.submit(offices[to.value])

            with ui.row().classes("lv-dialog-actions"):
                ui.button("返回", on_click=lambda: box.submit(None)).props("flat")
                ui.button("转送", on_click=act.busy(go))
        name = await box
        if isinstance(name, str):
            act.done(f"已转送{name}。")

    async def send_back(self) -> None:
        await _SendBack(self.actor, self.view, await self.rows(), self.drafts, self.attached).ask()


class _SendBack:
    """退回: the reason, to whom, which questions go out, and what may be changed."""

    def __init__(
        self, actor: Actor, view: ReviewView, rows: Mapping[str, str], drafts: Drafts, attached: list[FileView]
    ) -> None:
        self.view, self.rows, self.kept, self.attached = view, dict(rows), drafts, attached
        self.drafts = tuple(
            q for q in view.questions if q.tier is actor.tier and not q.published and q.status == QuestionStatus.OPEN
        )

    async def ask(self) -> None:
        head, view = self.view.head, self.view
        with dialogs.dialog(f"退回“{head.unit_name}”{head.year}年度动态管理表", wide=True) as box:
            self.to = ui.radio(
                {"unit": "退回申报单位，由其修改或回答后重新上报"}
                | ({"below": f"退回下一级（{view.below}）重新审核"} if view.below else {}),
                value="unit",
                on_change=self.draw_scope,
            )
            self.reason = ui.textarea("退回原因 *").props("autofocus rows=3 counter maxlength=1000").classes("lv-wide")
            self.kept.bind(self.reason, "return.reason")
            self.trouble = ui.label().classes("lv-field-error").props("role=alert")
            with ui.element("section").classes("lv-decide-part"):
                ui.label(f"随退回一并发出的核实问题（{len(self.drafts)}）").classes("lv-strong")
                _question_lines(self.drafts)
                self.more = (
                    ui.textarea("再提一个问题（针对整份表，可不填）").props("rows=2 maxlength=1000").classes("lv-wide")
                )
                self.kept.bind(self.more, "return.question")
            with ui.element("section").classes("lv-decide-part"):
                ui.label("退回附件（可不传）").classes("lv-strong")
                self.names = ui.label("、".join(f.name for f in self.attached)).classes("lv-muted")
                Upload("选择退回附件", self.take, kinds=PICTURES)
            self.limits = ui.element("section").classes("lv-decide-part")
            with self.limits:
                ui.label("申报单位可以修改的范围").classes("lv-strong")
                self.scope = ui.radio(self.scopes(), value="all", on_change=self.draw_scope)
                self.chosen = ui.select(self.rows, label="选择可以修改的指标", multiple=True, with_input=True)
                self.chosen.props("use-chips").classes("lv-wide")
            with ui.row().classes("lv-dialog-actions"):
                ui.button("不退回", on_click=lambda: box.submit(None)).props("flat")
                ui.button("退回", on_click=act.busy(lambda: self.go(box))).props("color=negative")
            self.draw_scope()
        where = await box
        if isinstance(where, str):
            act.done(f"已退回{where}。")

    def scopes(self) -> dict[Scope, str]:
        asked = {"asked": f"只开放所提问题涉及的单元格（{len(self.asked_cells())} 个）及其相关单元格"}
        return cast(
            "dict[Scope, str]",
            {"all": "可修改全部内容", **(asked if self.asked_cells() else {}), "rows": "只开放选定的指标"},
        )

    def asked_cells(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(q.address for q in self.drafts if q.address))

    def draw_scope(self) -> None:
        self.limits.set_visibility(self.to.value == "unit")
        self.chosen.set_visibility(self.scope.value == "rows")

    async def take(self, name: str, content: bytes) -> None:
        self.attached.append(await act.blocking(files.upload, self.view.head.id, FileKind.RETURN_FILE, name, content))
        self.names.set_text("、".join(f.name for f in self.attached))

    async def go(self, box: ui.dialog) -> None:
        self.trouble.set_text("")
        to = cast("Literal['unit', 'below']", self.to.value)
        more = (self.more.value or "").strip()
        scope = {"all": None, "asked": self.asked_cells(), "rows": tuple(self.chosen.value or ())}[self.scope.value]
        try:
            await act.perform(
                decisions.send_back,
                self.view.head.id,
                self.reason.value or "",
                to=to,
                scope=scope if to == "unit" else None,
                new_questions=(("", more),) if more else (),
                file_ids=tuple(f.id for f in self.attached),
                seen_version=self.view.version_id,
            )
        except Refusal as refusal:
            self.trouble.set_text(refusal.message)
            self.trouble.run_method("scrollIntoView")
            return
        self.attached.clear()
        self.kept.done()
        box.submit(self.view.below if to == "below" else "申报单位")


def _question_lines(asked: Sequence[QuestionView]) -> None:
    if not asked:
        ui.label("还没有提出问题。退回须至少提出一个核实问题，或上传一份退回附件。").classes("lv-muted")
        return
    with ui.element("ul").classes("lv-pages"):
        for question in asked:
            with ui.element("li"):
                ui.label(f"{question.place}：{question.text}")


def _waiting(view: ReviewView) -> str:
    """Why there is nothing to decide here (现在由谁办理)."""
    if view.head.status is FilingStatus.RETURNED:
        return f"已由{view.head.returned_by}退回，等待申报单位修改后重新上报。"
    if view.head.status is FilingStatus.DONE:
        return "这份动态管理表已经审核完成。"
    step = next((s for s in view.head.steps if s.status is StepStatus.REVIEWING), None)
    return f"现在由{step.authority_name or step.tier.caption}审核，本级不需要办理。" if step else "现在不需要办理。"
