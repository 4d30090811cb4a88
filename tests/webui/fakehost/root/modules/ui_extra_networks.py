"""The pages of cards beside the generation tabs, filled when a browser loads."""

from __future__ import annotations

from typing import Any

extra_pages: list[Any] = []


def register_page(page: Any) -> None:
    extra_pages.append(page)


class ExtraNetworksPage:
    """One page; its HTML is made for every tab."""

    def __init__(self, title: str) -> None:
        self.title, self.name = title, title.lower()

    def list_items(self) -> list[dict[str, Any]]:
        raise NotImplementedError

    def create_html(self, tabname: str, *, empty: bool = False) -> str:
        items = [] if empty else self.list_items()
        cards = "".join(f"<div class='card'>{one['name']}</div>" for one in items)
        return f"<div id='{tabname}_{self.name}_cards'>{cards or 'Loading...'}</div>"
