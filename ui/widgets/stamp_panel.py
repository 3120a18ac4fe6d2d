"""盖章扫描件: three steps as a list, what the machine found page by page, what is bound now, and the next step."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from nicegui import ui

from models.enums import Action
from services import events
from services.errors import Refusal
from services.filings import files, sheets, stamps
from services.filings.stamps import StampCheck
from services.filings.views import ActionView, FilingHead, StampView
from ui import act, shell, words
from ui.widgets import filing_actions, filing_files
from ui.widgets.chips import chip
from ui.widgets.upload import PICTURES, Uploads

FOUND_BY = {stamps.MACHINE: "二维码自动核对", stamps.TYPED: "人工核对校验码"}


def panel(head: FilingHead, on_change: Callable[[], Awaitable[None]]) -> None:
    """The unit's tab (盖章扫描件); ``on_change`` is awaited after a scan was bound or the filing submitted."""
    _Panel(head, on_change).build()


class _Panel:
    def __init__(self, head: FilingHead, on_change: Callable[[], Awaitable[None]]) -> None:
        self.head, self.on_change = head, on_change
        self.waiting_for_code: StampCheck | None = None
        self.look_again = act.in_turn(self._look_again)

    def build(self) -> None:
        with ui.element("section").classes("lv-card lv-reading-card") as card:
            with ui.element("h2").classes("lv-card-title"):
                ui.label("盖章扫描件")
            self.why_not = ui.element("div")
            self.next = ui.element("div").classes("lv-next-step")
            self.bound = ui.element("div").classes("lv-bound").props("aria-live=polite")
            with ui.element("ol").classes("lv-steps-list") as self.steps:
                with _step("导出为PDF，签字、盖章"):
                    ui.label(
                        "每页页脚印有校验码和二维码，用来核对扫描件与填报数据是否一致。请由法定代表人签字，加盖单位公章。"
                    )
                    self.export = ui.element("div")
                with _step("扫描"):
                    ui.label(
                        "按 150–300 dpi 扫描全部页面，合成一个 PDF，不要遮住页脚的二维码；也可以逐页拍照（JPG、PNG），上传时一次选中全部照片。"
                    )
                with _step("上传盖章扫描件"):
                    self.upload = Uploads("选择扫描件", self.take, kinds=PICTURES)
                    self.not_yet = ui.label().classes("lv-muted")
                    self.reading = ui.row().classes("lv-reading-scan").props("role=status")
                    with self.reading:
                        ui.spinner(size="sm")
                        self.progress = ui.label()
                    self.reading.set_visibility(False)
                    self.found = ui.element("div").classes("lv-scan-found").props("aria-live=polite")
        self.draw()
        act.watch_filing(self.head.id, self.changed)
        panels = next((outer for outer in card.ancestors() if isinstance(outer, ui.tab_panels)), None)
        if panels is not None:  # this page's own edits are told to no watcher: look when somebody comes to look
            panels.on_value_change(self.look_again)

    # --- the scan -----------------------------------------------------------------------------------------------------

    async def take(self, found: list[tuple[str, bytes]]) -> None:
        """Read, judge and bind it off the event loop; what is wrong is said here, not in a notice that goes away."""
        await self.drop()
        what = f"“{found[0][0]}”" if len(found) == 1 else f"{len(found)} 张照片"
        self.progress.set_text(f"正在逐页读取{what}，大约需要十几秒，请不要关闭页面…")
        self.reading.set_visibility(True)
        try:
            check = await act.blocking(stamps.upload_photos, self.head.id, found)
        except Refusal as refusal:
            self.show_found((), refused=refusal.message)
            return
        finally:
            self.reading.set_visibility(False)
        if check.refused:
            self.show_found(check.lines, refused=check.refused)
        elif check.ask_code:
            self.waiting_for_code = check
            self.show_found(check.lines)
            self.ask_code(check)
        else:
            self.show_found(check.lines)
            await self.taken()

    def show_found(self, lines: Sequence[str], *, refused: str = "") -> None:
        self.found.clear()
        with self.found:
            if refused:
                shell.banner(f"没有接收：{refused}", "error", "error").props("role=alert")
            pages(lines)

    def ask_code(self, check: StampCheck) -> None:
        """Pages could not be read: a person reads the code printed on them and types it."""
        places = "、".join(map(str, check.unread))
        with self.found, ui.element("div").classes("lv-ask-code"):
            ui.label(
                f"扫描件第 {places} 页没有能自动读到二维码。请对照这些页，把页脚印的校验码输入下面"
                "（不区分大小写，中间的短横可以不写）；各页的校验码应当相同。"
            )
            with ui.row().classes("lv-row"):
                code = ui.input("校验码", placeholder="XXXXX-XXXXX").props("maxlength=20 autofocus").classes("lv-code")
                button = ui.button("核对校验码")
                ui.button("换一个文件", on_click=act.busy(self.drop)).props("flat")
            trouble = ui.label().classes("lv-field-error").props("role=alert")

        async def compare() -> None:
            try:
                await act.perform(stamps.bind, self.head.id, check, code.value or "")
            except Refusal as refusal:
                if refusal.field != "code":
                    raise
                trouble.set_text(refusal.message)
                return
            self.waiting_for_code = None
            self.show_found(check.lines)
            await self.taken()

        button.on_click(act.busy(compare))
        code.on("keydown.enter", act.busy(compare))

    async def drop(self) -> None:
        """Forget a scan that still waits for its code."""
        check, self.waiting_for_code = self.waiting_for_code, None
        if check is not None and check.placed is not None:
            await act.anonymously(files.discard, check.placed)
        self.found.clear()

    async def taken(self) -> None:
        await self.look_again()
        submit = _submit(self.head)
        ready = submit is not None and submit.enabled
        act.done(
            "盖章扫描件已上传，与当前数据一致。" + (f"现在可以点击“{submit.caption}”。" if ready and submit else "")
        )
        await self.on_change()

    # --- what stands there --------------------------------------------------------------------------------------------

    async def changed(self, event: events.Event) -> None:
        """A colleague's edit matters here only when it takes the validation away."""
        if isinstance(event, events.FilingChanged) or self.head.validated:
            await self.look_again()

    async def _look_again(self) -> None:
        head = await act.read(sheets.head, self.head.id)
        if head != self.head:
            self.head = head
            self.draw()

    def draw(self) -> None:
        head = self.head
        stamp = next((b for b in head.actions if b.action is Action.STAMP), None)
        open_now = stamp is not None and stamp.enabled
        self.upload.set_visibility(open_now)
        self.not_yet.set_text("" if stamp is None or open_now else stamp.reason)
        self.steps.set_visibility(stamp is not None)
        for part in (self.why_not, self.bound, self.next, self.export):
            part.clear()
        with self.why_not:
            if stamp is None and head.locked_reason:
                shell.banner(head.locked_reason, "note", "lock")
        with self.export:
            if head.validated:
                ui.button(
                    "导出为PDF", icon="download", on_click=lambda: ui.navigate.to(f"/download/pdf/{head.id}")
                ).props("outline")
                with ui.row().classes("lv-row"):
                    ui.label("当前数据的校验码：").classes("lv-muted")
                    ui.label(head.digest_code).classes("lv-code")
            elif stamp is not None:
                shell.reason_button(
                    "导出为PDF",
                    "现在导出的每页都带有“草稿 未验证”字样，不能用于盖章。请先“验证并保存”。",
                    props="outline",
                )
        with self.bound:
            _bound(head.stamp)
        with self.next:
            self.draw_next()

    def draw_next(self) -> None:
        button = _submit(self.head)
        if button is None:
            return
        with ui.element("div").classes("lv-next-words"):
            ui.label("下一步").classes("lv-muted")
            ui.label(f"{button.caption}给上级主管部门审核" if button.enabled else button.reason)
        if button.enabled:
            ui.button(button.caption, icon="send", on_click=act.busy(self.submit)).props("size=lg").classes("lv-big")
        else:
            shell.reason_button(button.caption, button.reason, props="outline")

    async def submit(self) -> None:
        await filing_actions.submit(self.head)
        await self.look_again()
        await self.on_change()


def _submit(head: FilingHead) -> ActionView | None:
    return next((b for b in head.actions if b.action in (Action.SUBMIT, Action.RESUBMIT)), None)


def _step(title: str) -> ui.element:
    step = ui.element("li")
    with step:
        ui.label(title).classes("lv-step-title")
    return step


def _bound(stamp: StampView | None) -> None:
    """What is bound now, and whether it still holds (现有扫描件)."""
    if stamp is None:
        ui.label("还没有上传盖章扫描件。").classes("lv-muted")
        return
    with ui.row().classes("lv-row"):
        if stamp.current:
            chip("有效：与当前数据一致", "accent", "check")
        else:
            chip("已失效", "warning", "warning")
        ui.label(stamp.file.name).classes("lv-strong")
        if stamp.file.media_type in filing_files.SEEN:
            ui.button("预览", on_click=act.busy(lambda: filing_files.preview(stamp.file))).props("flat dense")
        ui.button("下载", on_click=lambda: ui.navigate.to(f"/files/{stamp.file.id}")).props("flat dense")
    if not stamp.current:
        ui.label(
            "上传以后填报数据有改动，这份扫描件不再与当前数据一致。请重新验证、导出为PDF、盖章后上传；改回原来的数据则自动恢复有效。"
        )
    with shell.facts():
        shell.fact("校验码", stamp.digest_code, code=True)
        shell.fact("核对方式", FOUND_BY.get(stamp.found_by, stamp.found_by))
        shell.fact("上传人", stamp.bound_by)
        shell.fact("上传时间", words.moment(stamp.bound_at))
    with ui.expansion("逐页核对结果").props("dense").classes("lv-expansion"):
        pages(stamp.report)


def pages(lines: Sequence[str]) -> None:
    """What the machine found, a line a page."""
    if lines:
        with ui.element("ul").classes("lv-pages"):
            for line in lines:
                with ui.element("li"):
                    ui.label(line)
