"""登录安全: the own password's age, 动态口令 with its recovery codes, where one is signed in."""

from __future__ import annotations

import base64

from nicegui import ui

from services.accounts import credentials, sessions, totp
from services.accounts.views import Safety
from services.actors import Actor
from services.documents import codes
from ui import act, shell, words
from ui.widgets import dialogs, fields

QUIET = 4  # modules of white around a QR code, as readers want it
MODULE = 4  # pixels
RECOVERY_WORDS = (
    "请抄下或打印后妥善保管，不要存在同一部手机上。手机丢失时，每个恢复码可以代替动态口令登录一次。关闭后不再显示。"
)


@act.page("/security", title="登录安全")
async def security(actor: Actor) -> None:
    with shell.frame(actor, title="登录安全", path="/security", width="reading"):
        if actor.must_set_code:
            shell.banner(f"{actor.role.caption}必须使用动态口令。请先启用，然后继续。", "warning", "key")
        with ui.element("div").classes("lv-body") as body:
            pass

    async def draw() -> None:
        safety = await act.read(credentials.safety)
        body.clear()
        with body:
            _password(safety)
            _code(actor, safety)
            _sign_ins(safety)

    def _password(safety: Safety) -> None:
        with shell.card("密码"):
            said = f"{words.day(safety.password_since)}设置。"
            if safety.password_until is not None:
                said += f"请在{words.day(safety.password_until)}前更换，到期后登录时必须修改。"
            ui.label(said)
            ui.link("修改密码", "/password")

    def _code(actor: Actor, safety: Safety) -> None:
        with shell.card(
            "动态口令", note="登录时除密码外，再输入手机验证器显示的 6 位数字；密码泄露时，别人仍不能登录。"
        ):
            if not safety.with_code:
                ui.label("没有启用。")
                with ui.element("div").classes("lv-row"):
                    ui.button("启用动态口令", on_click=act.busy(enable))
                return
            ui.label(f"已启用。恢复码还剩 {safety.recovery_left} 个。")
            with ui.element("div").classes("lv-row"):
                ui.button("重新生成恢复码", on_click=act.busy(renew)).props("outline")
                if safety.code_required:
                    shell.reason_button("停用动态口令", f"{actor.role.caption}必须使用动态口令。", props="outline")
                else:
                    ui.button("停用动态口令", on_click=act.busy(disable)).props("outline")

    def _sign_ins(safety: Safety) -> None:
        with shell.card("已登录的地方"):
            for row in safety.sign_ins:
                said = f"{words.moment(row.since)} 登录，最近操作 {words.moment(row.seen_at)}"
                shell.fact(row.address or "本机", said + ("，当前登录" if row.here else ""))
            if len(safety.sign_ins) > 1:
                with ui.element("div").classes("lv-row"):
                    ui.button("退出其他登录", on_click=act.busy(end_others)).props("outline")

    async def enable() -> None:
        found = await _enrol(actor)
        if found:
            await _show_recovery(found)
            await draw()

    async def renew() -> None:
        password = await _ask_password("原有的恢复码将全部作废", "重新生成恢复码")
        if password:
            await _show_recovery(await act.blocking(credentials.renew_recovery, password))
            await draw()

    async def disable() -> None:
        password = await _ask_password("停用后，登录只需要密码，恢复码全部作废", "停用动态口令")
        if password:
            await act.blocking(credentials.leave, password)
            act.done("动态口令已停用。")
            await draw()

    async def end_others() -> None:
        ended = await act.perform(sessions.end_others)
        act.done(f"已退出其他登录 {ended} 个。")
        await draw()

    await draw()


async def _enrol(actor: Actor) -> tuple[str, ...] | None:
    """The QR code, the key for typing, and the first code, which proves that the app has it."""
    secret = totp.new_secret()
    with dialogs.dialog("启用动态口令") as box:
        ui.label("1. 用手机验证器（支持 TOTP 的应用）扫描下面的二维码。").classes("lv-dialog-text")
        ui.image(_picture(totp.address(secret, actor.username))).classes("lv-qr").props('alt="动态口令二维码"')
        ui.label("不能扫描时，请在验证器中手工输入密钥：").classes("lv-muted")
        ui.label(" ".join(secret[i : i + 4] for i in range(0, len(secret), 4))).classes("lv-code").mark("secret")
        ui.label("2. 输入验证器现在显示的 6 位数字和您的登录密码。").classes("lv-dialog-text")
        code = fields.text("动态口令", most=10, autocomplete="one-time-code", inputmode="numeric")
        password = fields.secret("密码", "current-password")

        async def confirm() -> None:
            with fields.beside({"code": code, "password": password}):
                made = await act.blocking(credentials.enrol, password.value or "", secret, code.value or "")
                box.submit(made)

        password.on("keydown.enter", act.busy(confirm))
        with ui.row().classes("lv-dialog-actions"):
            ui.button("返回", on_click=lambda: box.submit(None)).props("flat")
            ui.button("启用", on_click=act.busy(confirm))
    made = await box
    return made if isinstance(made, tuple) else None


async def _show_recovery(found: tuple[str, ...]) -> None:
    with dialogs.dialog(f"{len(found)} 个恢复码，只显示这一次", persistent=True) as box:
        ui.label(RECOVERY_WORDS).classes("lv-dialog-text")
        with ui.element("div").classes("lv-codes"):
            for one in found:
                ui.label(one).classes("lv-code")
        with ui.row().classes("lv-dialog-actions"):
            ui.button("我已保存", on_click=lambda: box.submit(True))
    await box


async def _ask_password(title: str, verb: str) -> str:
    """The password once more, before something that weakens or renews what guards the account; "" when dismissed."""
    with dialogs.dialog(title) as box:
        password = fields.secret("密码", "current-password").props("autofocus")
        password.on("keydown.enter", lambda: box.submit(password.value))
        with ui.row().classes("lv-dialog-actions"):
            ui.button("返回", on_click=lambda: box.submit(None)).props("flat")
            ui.button(verb, on_click=lambda: box.submit(password.value))
    return str(await box or "")


def _picture(text: str) -> str:
    """The QR code of a text as the address of a picture (SVG, no scripts)."""
    rows = codes.modules(text)
    size = len(rows) + 2 * QUIET
    dark = "".join(
        f"M{x + QUIET} {y + QUIET}h1v1h-1z" for y, row in enumerate(rows) for x, bit in enumerate(row) if bit == "1"
    )
    drawn = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size * MODULE}" height="{size * MODULE}" '
        f'viewBox="0 0 {size} {size}"><rect width="100%" height="100%" fill="#fff"/><path d="{dark}"/></svg>'
    )
    return "data:image/svg+xml;base64," + base64.b64encode(drawn.encode()).decode()
