"""单位注册: a unit applies for its account; its authority confirms."""

from __future__ import annotations

from nicegui import ui

from services.accounts import contacts, organisations, passwords, users
from services.accounts.views import Registered, RegisterForm
from services.errors import Refusal
from services.forms import names
from ui import act, shell
from ui.widgets import fields
from ui.widgets.upload import PICTURES, Upload

# What can be said of each line by itself, so that it is said of all at once.
CHECKS = {
    "name": contacts.name,
    "credit_code": contacts.credit_code,
    "address": contacts.address,
    "contact": contacts.contact,
    "telephone": contacts.telephone,
    "mobile": contacts.mobile,
    "email": contacts.email,
    "username": users.check_username,
}


@act.public_page("/register", title="单位注册")
async def register() -> None:
    with ui.element("main").classes("lv-open"):
        ui.link("返回登录", "/login").classes("lv-back")
        with ui.element("h1").classes("lv-title"):
            ui.label("单位注册")
        ui.label("供列入绿色制造名单的单位首次使用。提交后由您选择的主管部门确认，确认后即可登录填报。").classes(
            "lv-muted"
        )
        with ui.element("div").classes("lv-body") as body:
            await _Form(body).build()


class _Form:
    def __init__(self, body: ui.element) -> None:
        self.body = body
        self.license: tuple[str, bytes] = ("", b"")

    async def build(self) -> None:
        with shell.card("单位"), ui.element("div").classes("lv-columns"):
            self.name = fields.text("单位名称", hint="营业执照上的全称", autocomplete="organization")
            self.code = fields.text("统一社会信用代码", most=24, hint="18 位，按营业执照填写")
            self.address = fields.text("详细地址", most=300)
        self.code.on("blur", self._check_code)
        with shell.card("所在地区和上级主管部门"):
            self.where = fields.WhereFields()
            await self.where.fill()
        with shell.card("联系人"), ui.element("div").classes("lv-columns"):
            self.contact = fields.text("联系人", most=50)
            self.telephone = fields.text("联系电话", most=30, hint="例如 020-83133361")
            self.mobile = fields.text("手机号", most=11)
            self.email = fields.text("电子邮件", most=100)
        with shell.card("营业执照"):
            self.attached = ui.label(
                "请上传营业执照的扫描件或照片，主管部门据此确认。不上传也可以提交，主管部门可能因此不予确认。"
            ).classes("lv-muted")
            Upload("上传营业执照", self._take, kinds=PICTURES)
        with shell.card("负责人的登录用户"), ui.element("div").classes("lv-columns"):
            self.user_name = fields.text("姓名", most=50)
            self.username = fields.text("用户名", most=60, hint="登录时使用，3 位以上", autocomplete="username")
            self.password = fields.secret("密码", "new-password", hint=passwords.profile().words())
        fields.form_actions("提交注册", self.submit, ("返回登录", "/login"))

    async def submit(self) -> None:
        form = RegisterForm(
            name=self.name.value or "",
            credit_code=self.code.value or "",
            region_code=self.where.region_code,
            address=self.address.value or "",
            contact=self.contact.value or "",
            telephone=self.telephone.value or "",
            mobile=self.mobile.value or "",
            email=self.email.value or "",
            username=self.username.value or "",
            password=self.password.value or "",
            user_name=self.user_name.value or "",
            license_name=self.license[0],
            license_content=self.license[1],
            **self.where.chosen(),
        )
        places = {
            "name": self.name,
            "credit_code": self.code,
            "address": self.address,
            **self.where.fields,
            "contact": self.contact,
            "telephone": self.telephone,
            "mobile": self.mobile,
            "email": self.email,
            "user_name": self.user_name,
            "username": self.username,
            "password": self.password,
        }
        with fields.beside(places):
            if fields.missing(places.values()) or fields.wrong(places, CHECKS):
                return
            self._thank(await act.anonymously(organisations.register_unit, form, act.tab().address))

    def _check_code(self) -> None:
        code = names.normalise_code(self.code.value or "")
        wrong = bool(code) and not names.credit_code_valid(code)
        self.code.error = "校验位不正确，请对照营业执照检查。" if wrong else None

    async def _take(self, name: str, content: bytes) -> None:
        if not content:
            raise Refusal("这个文件是空的，请重新选择。")
        self.license = (name, content)
        self.attached.set_text(f"已选择：{name}")

    def _thank(self, registered: Registered) -> None:
        self.body.clear()
        with self.body, ui.element("div").classes("lv-empty"):
            ui.icon("task_alt").props("aria-hidden=true")
            ui.label(f"“{registered.unit_name}”的注册已提交").classes("lv-empty-title")
            ui.label(
                f"请等待{registered.confirmed_by}确认，一般不超过三个工作日。确认后用用户名“{registered.username}”登录。"
            ).classes("lv-muted")
            ui.link("返回登录", "/login").classes("lv-button")
