"""修改密码: by oneself; forced at the first sign-in with an initial password and when the password is too old."""

from __future__ import annotations

from nicegui import ui

from services.accounts import credentials, passwords
from services.actors import Actor
from ui import act, shell
from ui.widgets import fields


@act.page("/password", title="修改密码")
async def password(actor: Actor) -> None:
    safety = await act.read(credentials.safety)
    rule = passwords.profile()
    with shell.frame(actor, title="修改密码", path="/password", width="reading"):
        if safety.password_expired:
            shell.banner(f"您的密码已使用超过 {rule.age_days} 天。请先设置新密码，然后继续。", "warning", "key")
        elif actor.must_change_password:
            shell.banner("您正在使用初始密码。请先设置自己的密码，然后继续。", "warning", "key")
        with shell.card():
            ui.label(
                f"{rule.words(with_code=safety.with_code)}。修改后，您在其他电脑和页面上的登录会自动退出。"
            ).classes("lv-muted")
            with ui.element("div").classes("lv-stack lv-narrow-form"):
                old = fields.secret("原密码", "current-password").props("autofocus")
                new = fields.secret("新密码", "new-password")
                repeated = fields.secret("再次输入新密码", "new-password")

                async def change() -> None:
                    places = {"old": old, "new": new, "repeated": repeated}
                    with fields.beside(places):
                        await act.blocking(credentials.change_password, old.value, new.value, repeated.value)
                        act.go("/", "密码已修改。")

                repeated.on("keydown.enter", act.busy(change))
                fields.form_actions("修改密码", change, None if actor.must_change_password else ("返回待办", "/"))
