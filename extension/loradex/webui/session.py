"""The parts of Loradex in a running WebUI, put together: catalog, engine, tags, reports."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loradex.catalog.catalog import Catalog
from loradex.catalog.preset_files import PresetFiles
from loradex.compat.checkpoint import CheckpointFacts, classify_checkpoint
from loradex.errors import LoradexError
from loradex.webui.applier import Applier
from loradex.webui.builtin import BuiltIn
from loradex.webui.conditioning import Conditionings
from loradex.webui.embeddings import Embeddings
from loradex.webui.environment import data_home, lora_roots, option, preset_places, switch
from loradex.webui.extra_network import LoraExtraNetwork
from loradex.webui.fallback import BuiltInFallback
from loradex.webui.hash_source import HashSource
from loradex.webui.hosts.host import Host
from loradex.webui.live_catalog import LiveCatalog
from loradex.webui.own_cards import OwnCards
from loradex.webui.reporting import Reporter
from loradex.webui.settings import (
    BASE_MEMORY,
    CACHE_MB,
    ENGINE,
    MEGABYTE,
    OWN_CARDS,
    UNDO_BUILTIN,
    WATCH,
)
from loradex.webui.steps import position_of
from loradex.webui.takeover import TagOwner

if TYPE_CHECKING:  # torch is imported when the first model is bound
    from loradex.networks.residency import BaseMemory


class Session:
    """From the WebUI's start to its end or reload."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.catalog = LiveCatalog(_places, watch=switch(WATCH.key, True))
        self.applier = Applier(
            host, self.catalog, _cache_bytes(), PresetFiles(lambda: preset_places(lora_roots())))
        self.reporter = Reporter(HashSource(self.catalog))
        self._embeddings = Embeddings()
        self._fallback = BuiltInFallback(host, BuiltIn())
        self._handler = LoraExtraNetwork(
            self.applier, self._embeddings, Conditionings(host), self.reporter, self._fallback)
        self._owner = TagOwner(self._handler)
        self._fallback.connect(self._owner)
        self._own_cards = OwnCards()
        self._lock = threading.RLock()
        self._facts: tuple[Path, int, CheckpointFacts | None] | None = None

    def start(self) -> None:
        self.catalog.start()
        self.follow_settings()

    def stop(self) -> None:
        self._own_cards.show(True)
        self._give_back()
        self.applier.close()
        self.catalog.close()

    def follow_settings(self) -> None:
        """Takes the tags over or gives them back, as the settings say now."""
        with self._lock:
            self.applier.manager.limit_cache(_cache_bytes())
            self.applier.manager.keep_base_in(_base_memory())
            self._own_cards.show(switch(OWN_CARDS.key, True))
            self._fallback.undo_patches = switch(UNDO_BUILTIN.key, True)
            if not switch(ENGINE.key, True):
                self._give_back()
                return
            if not self._fallback.undo_patches:
                self._fallback.awake()
            self._owner.take()
            self._fallback.asleep()

    def model_loaded(self) -> None:
        self.applier.rebind()

    def stepping(self, params: Any) -> None:
        """A step begins in which networks may be others."""
        try:
            self.applier.step(position_of(params))
        except LoradexError as error:
            self.reporter.unserved(params.denoiser.p, str(error), wanted=True)

    def sampling(self, processing: Any, c: Any, uc: Any) -> None:
        """A pass begins, and its prompts have been read."""
        self._handler.sampling(processing, c, uc)

    @property
    def engine(self) -> Mapping[str, Any]:
        """Whether the engine has the tags, and if not, why."""
        if not switch(ENGINE.key, True):
            reason = "it is switched off in the settings"
        elif not self._owner.owns:
            reason = "another extension has taken the <lora:> tag"
        else:
            reason = self._fallback.reason
        return {"on": not reason, "reason": reason, "host": self.host.name}

    def checkpoint(self) -> CheckpointFacts | None:
        """What the header of the checkpoint says that is loaded, or is about to be; None for none.
        """
        model = self.host.model()
        path = self.host.chosen_checkpoint() if model is None else model.path
        if path is None:
            return None
        try:
            stamp = path.stat().st_mtime_ns
        except OSError:
            return None
        with self._lock:
            if self._facts is None or self._facts[:2] != (path, stamp):
                self._facts = (path, stamp, _classified(path))
            return self._facts[2]

    def opened_catalog(self) -> Catalog:
        return self.catalog.get()

    def _give_back(self) -> None:
        if self._owner.owns:
            self._embeddings.take_back()
            self.applier.release()
            self._owner.give_back()
        self._fallback.awake()


def _classified(path: Path) -> CheckpointFacts | None:
    try:
        return classify_checkpoint(path)
    except LoradexError:
        return None


def _cache_bytes() -> int:
    return int(option(CACHE_MB.key, CACHE_MB.default)) * MEGABYTE


def _base_memory() -> BaseMemory:
    """A value that is none of the choices counts as automatic."""
    named: dict[str, BaseMemory] = {"graphics card": "device", "main memory": "host"}
    return named.get(str(option(BASE_MEMORY.key, BASE_MEMORY.default)), "auto")


def _places() -> tuple[tuple[Path, ...], Path]:
    roots = lora_roots()
    return roots, data_home(roots)
