"""Uploading (上传): the browser refuses what is too big or of another kind with the reason, the server checks again.

    Upload("上传营业执照", take, kinds=PICTURES, most=20 * MB)      # async def take(name: str, content: bytes) -> None
    Uploads("选择扫描件", take_all)                                # async def take_all(files: list[tuple[name, content]])

Refusals of ``take`` fly to the one place that shows them; the list is cleared after each file either way.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from html import escape

from fastapi import FastAPI, HTTPException, Request
from nicegui import Client, events, ui
from nicegui.elements.upload_files import create_file_upload
from starlette.datastructures import UploadFile

from services.errors import Refusal
from ui import act

MB = 1024 * 1024
PDF = (".pdf",)
PICTURES = (".pdf", ".jpg", ".jpeg", ".png")
DOCUMENTS = (*PICTURES, ".xlsx")
SPREADSHEETS = (".xlsx", ".csv")

Take = Callable[[str, bytes], Awaitable[None]]
TakeAll = Callable[[list[tuple[str, bytes]]], Awaitable[None]]

# Quasar's own head, with the names that a screen reader says for its buttons; the subtitle (0.0B / 0.00%) left out.
_HEAD = """
<div class="q-uploader__header-content row no-wrap items-center q-gutter-xs">
  <q-spinner v-if="props.isUploading" class="q-uploader__spinner" aria-hidden="true" />
  <div class="col q-uploader__title">{label}</div>
  <q-btn v-if="props.canAddFiles" type="a" icon="add_box" flat dense aria-label="{label}" @click="props.pickFiles">
    <q-uploader-add-trigger />
  </q-btn>
  <q-btn v-if="props.isUploading" icon="clear" flat dense aria-label="停止上传" @click="props.abort" />
</div>
"""


class Uploads(ui.upload):
    """Files that are chosen together, ``most`` bytes in all; ``take_all`` once they have arrived."""

    several = True

    def __init__(self, label: str, take_all: TakeAll, *, kinds: Sequence[str] = PICTURES, most: int = 20 * MB) -> None:
        allowed = "、".join(kind.lstrip(".").upper() for kind in kinds if kind != ".jpeg")
        # Not ui.upload's own: it adds a route for each element, and FastAPI's caches keep for ever the page that it reaches.
        words = f"{label}（{allowed}，不超过 {most // MB} MB）"
        super(ui.upload, self).__init__(label=words)
        self.add_slot("header", _HEAD.format(label=escape(words)))
        self._props |= {
            "url": f"/_nicegui/client/{self.client.id}/upload/{self.id}",
            "auto-upload": True,
            "multiple": self.several,
            "batch": self.several,
            "max-file-size": most,
            "max-total-size": most,
        }
        self._begin_upload_handlers, self._upload_handlers = [], []
        self._multi_upload_handlers = [act.busy(self._arrived)]
        workbooks = all(kind in SPREADSHEETS for kind in kinds)
        self.instead = (
            "请在 Excel 或 WPS 中另存为“Excel 工作簿（.xlsx）”后再传。" if workbooks else "请转换或压缩后再传。"
        )
        refused = Refusal(
            f"这个文件不能上传：只接受 {allowed}，{'合计' if self.several else '单个文件'}不超过 {most // MB} MB。{self.instead}"
        )
        self.on_rejected(lambda: act.failed(refused))
        self.take_all, self.kinds, self.most, self.allowed = take_all, tuple(kinds), most, allowed
        self.props(f'accept="{",".join(kinds)}" flat bordered').classes("lv-upload")

    async def _arrived(self, e: events.MultiUploadEventArguments) -> None:
        try:
            if sum(file.size() for file in e.files) > self.most:
                raise Refusal(f"文件大于 {self.most // MB} MB，不能上传。请压缩或拆分后再传。")
            found = []
            for file in e.files:
                name = file.name[-200:]
                if not name.lower().endswith(self.kinds):
                    raise Refusal(f"“{name}”不是可以上传的类型。只接受 {self.allowed}。{self.instead}")
                found.append((name, await file.read()))
            await self.take_all(found)
        finally:
            self.reset()

    def _handle_delete(self) -> None:
        super(ui.upload, self)._handle_delete()  # there is no route to take away


class Upload(Uploads):
    """One file at a time; ``take(name, content)`` once it has arrived."""

    several = False

    def __init__(self, label: str, take: Take, *, kinds: Sequence[str] = PICTURES, most: int = 20 * MB) -> None:
        async def take_one(found: list[tuple[str, bytes]]) -> None:
            for name, content in found:
                await take(name, content)

        super().__init__(label, take_one, kinds=kinds, most=most)


def install(app: FastAPI) -> None:
    """One route for the uploads of all pages (接收上传); whose page it is, the guard has asked before the body was read."""

    @app.post("/_nicegui/client/{client}/upload/{element}", include_in_schema=False)
    async def arrived(request: Request, client: str, element: int) -> dict[str, str]:
        page = Client.instances.get(client)
        upload = page.elements.get(element) if page else None
        if not isinstance(upload, Uploads):
            raise HTTPException(404)
        if upload.is_ignoring_events:
            raise HTTPException(403)
        async with request.form() as form:
            sent = [part for part in form.values() if isinstance(part, UploadFile)]
            await upload.handle_uploads([await create_file_upload(part) for part in sent])
        return {"upload": "success"}
