"""Owns the tags `<lora:>` and `<lyco:>`, and gives them back to whoever had them before.

The WebUI keeps handlers by name and, beside them, aliases; the built-in has `lora` and its alias
`lyco`. Both must change hands, or the two handlers undo each other's work
(modules/extra_networks.py, `lookup_extra_networks`).
"""

from __future__ import annotations

from typing import Any

NAME, ALIAS = "lora", "lyco"


class TagOwner:
    """Swaps the WebUI's handler of the tags for ours, as often as is asked."""

    def __init__(self, handler: Any) -> None:
        self._handler = handler
        self._before: Any = None
        self._aliases: tuple[str, ...] = ()

    @property
    def previous(self) -> Any:
        """The handler that the tags had before, or None."""
        return self._before

    @property
    def owns(self) -> bool:
        from modules import extra_networks

        return extra_networks.extra_network_registry.get(NAME) is self._handler

    def take(self) -> None:
        """From now on the tags are ours, with every alias that led to the one before."""
        from modules import extra_networks

        if self.owns:
            return
        registry, aliases = extra_networks.extra_network_registry, _aliases()
        self._before = registry.get(NAME)
        self._aliases = tuple(
            name for name, handler in aliases.items() if handler is self._before
        ) if self._before is not None else ()
        registry[NAME] = self._handler
        for name in {ALIAS, *self._aliases} - registry.keys():
            aliases[name] = self._handler

    def give_back(self) -> None:
        """The registry is as it was found; what others changed meanwhile stays."""
        from modules import extra_networks

        registry, aliases = extra_networks.extra_network_registry, _aliases()
        if self.owns:
            _put(registry, NAME, self._before)
        for name in [name for name, handler in aliases.items() if handler is self._handler]:
            _put(aliases, name, self._before if name in self._aliases else None)


def _aliases() -> dict[str, Any]:
    from modules import extra_networks

    found: dict[str, Any] = getattr(extra_networks, "extra_network_aliases", {})
    return found


def _put(table: dict[str, Any], name: str, handler: Any) -> None:
    if handler is None:
        table.pop(name, None)
    else:
        table[name] = handler
