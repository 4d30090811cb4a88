"""Lets the WebUI's own handler work where the engine cannot, or is switched off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from loradex.webui.builtin import BuiltIn
from loradex.webui.hosts.host import Host
from loradex.webui.takeover import TagOwner


class BuiltInFallback:
    """Wakes the built-in and hands tags on to it, and puts it to rest again."""

    def __init__(self, host: Host, builtin: BuiltIn) -> None:
        self._host = host
        self._builtin = builtin
        self._owner: TagOwner | None = None
        self._serving = ""
        self.undo_patches = True

    def connect(self, owner: TagOwner) -> None:
        """Whose previous handler it is that serves."""
        self._owner = owner

    @property
    def reason(self) -> str:
        """Why the built-in serves at the moment, or empty."""
        return self._serving

    def serve(self, processing: Any, params: Sequence[Any], reason: str) -> None:
        """The handler that had the tags before does what they say."""
        self.awake()
        self._serving = reason
        handler = None if self._owner is None else self._owner.previous
        if handler is not None:
            handler.activate(processing, list(params))

    def dismiss(self) -> None:
        """The engine serves: the built-in must have no weight changed and no forward patched."""
        if self._serving or (self.undo_patches and not self._builtin.resting):
            self.asleep()
        self._serving = ""

    def asleep(self) -> None:
        """Its networks come off; its patches are undone where the setting says so."""
        root = self._root
        self._builtin.clear(root)
        if root is not None:
            self._host.settle(root)
        if self.undo_patches:
            self._builtin.rest()

    def awake(self) -> None:
        """Everything of it is back as it was."""
        self._builtin.wake(self._root)

    @property
    def _root(self) -> Any:
        model = self._host.model()
        return None if model is None else model.root
