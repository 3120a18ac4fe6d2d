"""Uploading (上传): the browser refuses what is too big or of another kind with the reason, the server checks again.

    Upload("上传营业执照", take, kinds=PICTURES, most=20 * MB)      # async def take(name: str, content: bytes) -> None
    Uploads("选择扫描件", take_all)                                # async def take_all(files: list[tuple[name, content]])

Refusals of ``take`` fly to the one place that shows them; the list is cleared after each file either way.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from nicegui import events, ui

from services.errors import Refusal
from ui import act

MB = 1024 * 1024
PDF = (".pdf",)
PICTURES = (".pdf", ".jpg", ".jpeg", ".png")
DOCUMENTS = (*PICTURES, ".xlsx")

Take = Callable[[str, bytes], Awaitable[None]]
TakeAll = Callable[[list[tuple[str, bytes]]], Awaitable[None]]


class Uploads(ui.upload):
    """Files that are chosen together, ``most`` bytes in all; ``take_all`` once they have arrived."""

    several = True

    def __init__(self, label: str, take_all: TakeAll, *, kinds: Sequence[str] = PICTURES, most: int = 20 * MB) -> None:
        allowed = "、".join(kind.lstrip(".").upper() for kind in kinds if kind != ".jpeg")
        super().__init__(
            label=f"{label}（{allowed}，不超过 {most // MB} MB）",
            auto_upload=True,
            multiple=self.several,
            max_file_size=most,
            max_total_size=most,
            on_multi_upload=act.busy(self._arrived),
            on_rejected=lambda: act.failed(
                Refusal(
                    f"这个文件不能上传：只接受 {allowed}，{'合计' if self.several else '单个文件'}不超过 {most // MB} MB。请转换或压缩后再传。"
                )
            ),
        )
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
                    raise Refusal(f"“{name}”不是可以上传的类型。只接受 {self.allowed}。")
                found.append((name, await file.read()))
            await self.take_all(found)
        finally:
            self.reset()


class Upload(Uploads):
    """One file at a time; ``take(name, content)`` once it has arrived."""

    several = False

    def __init__(self, label: str, take: Take, *, kinds: Sequence[str] = PICTURES, most: int = 20 * MB) -> None:
        async def take_one(found: list[tuple[str, bytes]]) -> None:
            for name, content in found:
                await take(name, content)

        super().__init__(label, take_one, kinds=kinds, most=most)
