"""One family of refusals (拒绝): each is a Chinese sentence saying what is wrong and what to do."""

from __future__ import annotations

import errno

_CAUSES = {
    errno.EACCES: "没有权限",
    errno.EPERM: "没有权限",
    errno.EROFS: "磁盘是只读的",
    errno.ENOSPC: "磁盘已满",
    errno.EDQUOT: "磁盘配额已用完",
    errno.EIO: "磁盘读写出错",
    errno.ENOENT: "路径不存在",
    errno.ENOTDIR: "路径中有一段不是目录",
    errno.EISDIR: "这是一个目录",
    errno.EADDRINUSE: "端口已被占用",
    errno.EADDRNOTAVAIL: "本机没有这个地址",
}


def cause_of(error: OSError) -> str:
    """What the system said (原因), in a few words of ours: its own are English."""
    return _CAUSES.get(error.errno or 0, f"系统错误号 {error.errno}")


class Refusal(Exception):
    """拒绝: the action was not done. ``message`` is shown as it is; ``field`` names the input it speaks of, if any."""

    code = "refused"

    def __init__(self, message: str, *, field: str = "", code: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        if code:
            self.code = code


class NotFound(Refusal):
    """不存在, or not for these eyes: the two answer alike."""

    code = "not_found"

    def __init__(self, message: str = "没有找到这项内容, 或者您没有查看它的权限。请从列表重新进入。") -> None:
        super().__init__(message.replace(", ", "，"))


class Forbidden(Refusal):
    """无权."""

    code = "forbidden"


class Conflict(Refusal):
    """冲突: somebody else was first; the message tells what happened."""

    code = "conflict"


class SignedOut(Refusal):
    """登录已失效."""

    code = "signed_out"

    def __init__(
        self, message: str = "登录已失效，请重新登录。没有保存的内容仍保留在本页，重新登录后会自动保存。"
    ) -> None:
        super().__init__(message)


class Unavailable(Refusal):
    """暂时不可用: the database or the disk does not answer; nothing was written."""

    code = "unavailable"

    def __init__(
        self, message: str = "数据库暂时繁忙，这次操作没有写入。请稍等片刻再试，已填写的内容保留在页面上。"
    ) -> None:
        super().__init__(message)
