"""单位信息: what a unit says of itself, 上级主管部门 (省/市/县), 所属央企, 营业执照, contact."""

from __future__ import annotations

from nicegui import ui

from models.enums import UNIT_ROLES
from services.accounts import organisations
from services.accounts.views import OrganisationView, ProfileEdit
from services.actors import Actor
from ui import act, shell
from ui.widgets import fields
from ui.widgets.upload import PICTURES, Upload


@act.page("/profile", title="单位信息", roles=UNIT_ROLES)
async def profile(actor: Actor) -> None:
    unit = await act.read(organisations.profile)
    with shell.frame(actor, title="单位信息", path="/profile", width="reading"):
        await _Form(unit).build()


class _Form:
    """The form of one unit; ``unit`` is as it was last read or saved."""

    def __init__(self, unit: OrganisationView) -> None:
        self.unit = unit

    async def build(self) -> None:
        unit, locked = self.unit, self.unit.locked
        with shell.card("单位"):
            with ui.element("div").classes("lv-columns"):
                self.name = _field("单位名称", unit.name, locked.get("name", ""))
                _field("统一社会信用代码", unit.credit_code, locked.get("credit_code", "注册后不能自行修改。"))
                self.address = _field("详细地址", unit.address, locked.get("address", ""), most=300)
            if unit.former_names:
                ui.label(f"曾用名：{'、'.join(unit.former_names)}").classes("lv-muted")
            ui.label("名称须与营业执照一致。更名后系统会保留原名，请在动态管理表第 7 问中说明并附证明材料。").classes(
                "lv-field-hint"
            )
        with shell.card("所在地区和上级主管部门"):
            ui.label(
                "选错了主管部门可以在这里改正：还没有上报或被退回的动态管理表，上报时按这里的部门逐级审核；已审核完成的不受影响。"
            ).classes("lv-muted")
            self.where = fields.WhereFields(unit, locked)
            await self.where.fill()
        with shell.card("联系人"), ui.element("div").classes("lv-columns"):
            self.contact = fields.text("联系人", unit.contact, most=50)
            self.telephone = fields.text("联系电话", unit.telephone, most=30, hint="例如 020-83133361")
            self.mobile = fields.text("手机号", unit.mobile, most=11)
            self.email = fields.text("电子邮件", unit.email, most=100)
        with shell.card("营业执照"):
            self.license = ui.element("div").classes("lv-row")
            self._draw_license(unit.license_file_id)
            Upload("上传营业执照", self._take_license, kinds=PICTURES)
        fields.form_actions("保存单位信息", self.save)

    async def save(self) -> None:
        edit = ProfileEdit(
            name=self.name.value or "",
            region_code=self.where.region_code,
            address=self.address.value or "",
            contact=self.contact.value or "",
            telephone=self.telephone.value or "",
            mobile=self.mobile.value or "",
            email=self.email.value or "",
            **self.where.chosen(),
        )
        places = {
            "name": self.name,
            "address": self.address,
            "contact": self.contact,
            "telephone": self.telephone,
            "mobile": self.mobile,
            "email": self.email,
            **self.where.fields,
        }
        with fields.beside(places):
            self.unit = await act.perform(organisations.update_profile, edit, self.unit.version)
            act.done("单位信息已保存。正在填写的动态管理表中的基本信息已同步更新。")

    async def _take_license(self, name: str, content: bytes) -> None:
        self.unit = await act.blocking(organisations.set_license, name, content)
        self._draw_license(self.unit.license_file_id)
        act.done("营业执照已上传。")

    def _draw_license(self, file_id: int | None) -> None:
        self.license.clear()
        with self.license:
            if file_id:
                ui.icon("description").props("aria-hidden=true")
                ui.link("查看已上传的营业执照", f"/files/{file_id}", new_tab=True)
            else:
                ui.label("还没有上传营业执照。").classes("lv-muted")


def _field(label: str, value: str, locked: str, *, most: int = 200) -> ui.input:
    field = fields.text(label, value, most=most, hint=locked)
    if locked:
        field.props("readonly")
    return field
