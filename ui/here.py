"""The page at hand (当前页面): NiceGUI's ``context.client`` fails once the element that was clicked has been deleted."""

from __future__ import annotations

from contextlib import suppress

from nicegui import Client
from nicegui.slot import Slot


def client() -> Client | None:
    """The client whose handler or page function is running; None outside of all pages."""
    for slot in reversed(Slot.get_stack()):
        with suppress(RuntimeError):  # its element is gone; the page below it is not
            return slot.parent.client
    return None
