"""The cards of the WebUI's own Lora tab, not drawn where the user has the manager instead.

The WebUI puts a card for every file into each of its two pages, and a browser looks at all of
their pictures in every frame, seen or not.
"""

from __future__ import annotations

from typing import Any

NAME = "lora"
WAITING = "Loading..."
"""What an empty page of the WebUI says."""
INSTEAD = ("These cards are not drawn (Settings, Loradex). All LoRAs are in the tab "
           "&quot;LoRA manager&quot;.")


class OwnCards:
    """Hides them on the WebUI's page objects, and shows them again."""

    def __init__(self) -> None:
        self._hidden: list[Any] = []

    def show(self, shown: bool) -> None:
        """From the next time on that a browser loads the WebUI, or its Refresh is pressed."""
        if shown:
            for page in self._hidden:
                vars(page).pop("create_html", None)
            self._hidden.clear()
        elif not self._hidden:
            self._hidden = [page for page in _pages() if getattr(page, "name", "") == NAME]
            for page in self._hidden:
                page.create_html = _Empty(page)


class _Empty:
    """A page's `create_html` that makes the pane without items."""

    def __init__(self, page: Any) -> None:
        self._page = page

    def __call__(self, tabname: str, **_: Any) -> str:
        made: str = type(self._page).create_html(self._page, tabname, empty=True)
        return made.replace(WAITING, INSTEAD)


def _pages() -> list[Any]:
    from modules import ui_extra_networks

    pages: list[Any] = ui_extra_networks.extra_pages
    return pages
