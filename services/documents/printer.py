"""A printing child process (打印子进程): snapshots in, PDFs out, the forms of a batch one after the other.

Run as ``python -m services.documents.printer`` by ``batches`` only. Messages are length-prefixed. A template is sent once and
then meant by its digest, because unpickling it costs as much as printing a third of a form.
"""

from __future__ import annotations

import io
import os
import pickle
import sys
from typing import IO, Any

from services.documents.child import receive, send
from services.forms.template import FormTemplate

TEMPLATE, SNAPSHOT = b"T", b"S"


class Packer:
    """Snapshots → messages for one child."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._known: set[str] = set()

    def send(self, snapshot: Any) -> None:
        template: FormTemplate = snapshot.template
        if template.digest not in self._known:
            self._known.add(template.digest)
            send(self._stream, TEMPLATE + pickle.dumps(template, pickle.HIGHEST_PROTOCOL))
        out = io.BytesIO()
        packer = pickle.Pickler(out, pickle.HIGHEST_PROTOCOL)
        packer.persistent_id = _digest_of  # type: ignore[method-assign]
        packer.dump(snapshot)
        send(self._stream, SNAPSHOT + out.getvalue())


def main() -> int:
    from services.documents import pdf

    if hasattr(os, "nice"):
        os.nice(19)  # four of them beside a server that works for people
    templates: dict[str, FormTemplate] = {}
    while (message := receive(sys.stdin.buffer)) is not None:
        body = message[1:]
        if message[:1] == TEMPLATE:
            template: FormTemplate = pickle.loads(body)  # from our own parent process
            templates[template.digest] = template
            continue
        unpacker = pickle.Unpickler(io.BytesIO(body))
        unpacker.persistent_load = templates.__getitem__  # type: ignore[method-assign]
        send(sys.stdout.buffer, pdf.form_pdf(unpacker.load()))
    return 0


def _digest_of(thing: Any) -> str | None:
    return thing.digest if isinstance(thing, FormTemplate) else None


if __name__ == "__main__":
    sys.exit(main())
