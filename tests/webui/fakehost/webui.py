"""The tests' door to the fake WebUI: one of them runs in this process at a time.

Everything that it brought with it is taken out again: modules, paths and patches of torch.
"""

from __future__ import annotations

import importlib
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from tests.webui.fakehost.trees import write_checkpoint

ROOT = Path(__file__).parent / "root"

_PARTS = ("scripts", "extension", "javascript", "metadata.ini", "preload.py", "style.css")
_PATCHED = [one for one in vars(nn).values() if isinstance(one, type)
            and issubclass(one, nn.Module)]
_FIELDS = ("forward", "_load_from_state_dict")


@dataclass(frozen=True)
class Result:
    """One job: `picture` are the first picture's bytes, equal only where every bit is."""

    picture: bytes
    pictures: tuple[bytes, ...]
    infotext: str
    infotexts: tuple[str, ...]
    comments: str
    info: Mapping[str, Any]


class FakeWebUI:
    """One installation in `base`; `with FakeWebUI(tmp_path, [...]) as webui:` starts and stops it.

    `extensions` are folders to install (copied) or (name, {relative path: text}) to write.
    `checkpoints` are name -> (family, seed). `fresh` names packages that start without the state
    that earlier tests left in them.
    """

    def __init__(
        self, base: Path,
        extensions: Sequence[Path | tuple[str, Mapping[str, str]]] = (), *,
        checkpoints: Mapping[str, tuple[str, int]] | None = None, gradio: bool = False,
        options: Mapping[str, Any] | None = None, flags: Sequence[str] = (),
        late_model: bool = False, fresh: Sequence[str] = ("loradex.webui",),
    ) -> None:
        self.base, self.options, self.late_model = base, dict(options or {}), late_model
        self.flags = [*flags, *([] if gradio else ["nowebui"])]
        self.fresh, self.app = tuple(fresh), None
        self._kept: dict[str, ModuleType] | None = None
        for name, (family, seed) in (checkpoints or {"first": ("sd1", 1)}).items():
            write_checkpoint(self.checkpoint_path(name), family, seed)
        for one in extensions:
            self.install(one)

    def install(self, extension: Path | tuple[str, Mapping[str, str]]) -> Path:
        """Puts a folder under extensions/; a running WebUI finds it at its next reload."""
        if isinstance(extension, Path):
            target = self.base / "extensions" / extension.name
            for part in _PARTS:
                source = extension / part
                if source.is_dir():
                    shutil.copytree(source, target / part, ignore=shutil.ignore_patterns("*.pyc"))
                elif source.exists():
                    target.mkdir(parents=True, exist_ok=True)
                    shutil.copy(source, target / part)
            return target
        target = self.base / "extensions" / extension[0]
        for name, text in extension[1].items():
            file = target / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        return target

    def checkpoint_path(self, name: str) -> Path:
        return self.base / "models" / "Stable-diffusion" / f"{name}.safetensors"

    @property
    def lora_dir(self) -> Path:
        return self.base / "models" / "Lora"

    def __enter__(self) -> FakeWebUI:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: Any) -> None:
        self.stop()

    def start(self) -> None:
        """As webui.py does: preload.py, settings, scripts, model, before_ui, page, app_started."""
        if "modules" in sys.modules:
            raise RuntimeError("another WebUI runs in this process, or another `modules` is there")
        self._remember()
        sys.path.insert(0, str(ROOT))
        self.lora_dir.mkdir(parents=True, exist_ok=True)
        self.module("paths").configure(self.base)
        shared = self.module("shared")
        for flag in self.flags:
            setattr(shared.cmd_opts, flag.replace("-", "_"), True)
        shared.opts.data.update(self.options)
        initialize = self.module("initialize")
        initialize.initialize_rest(load_model=not self.late_model)
        self.app = initialize.start_ui()

    def stop(self) -> None:
        """The process ends: no callback is called, and nothing of it stays."""
        if self._kept is None:
            return
        for name in [one for one in sys.modules if one not in self._kept and self._ours(one)]:
            _forget(name)
        for name in [one for one in self._kept if self._is_fresh(one)]:
            sys.modules[name] = self._kept[name]
            parent, _, child = name.rpartition(".")
            if parent:
                setattr(sys.modules[parent], child, self._kept[name])
        self._kept = None
        sys.path[:] = self._path
        for (cls, name), function in self._functions.items():
            if function is None and name in cls.__dict__:
                delattr(cls, name)
            elif function is not None and cls.__dict__.get(name) is not function:
                setattr(cls, name, function)

    def _remember(self) -> None:
        self._kept, self._path = dict(sys.modules), list(sys.path)
        self._functions = {
            (cls, name): cls.__dict__.get(name) for cls in _PATCHED for name in _FIELDS}
        for name in [one for one in sys.modules if self._is_fresh(one)]:
            _forget(name)

    def _is_fresh(self, name: str) -> bool:
        return any(name == one or name.startswith(one + ".") for one in self.fresh)

    def _ours(self, name: str) -> bool:
        """Whether a module that came while the WebUI ran is its own or an extension's."""
        if self._is_fresh(name):
            return True
        module = sys.modules[name]
        places = [getattr(module, "__file__", None), *getattr(module, "__path__", ())]
        return any(
            Path(one).is_relative_to(root) for one in places if one for root in (ROOT, self.base))

    def module(self, name: str) -> Any:
        """`modules.<name>`"""
        return importlib.import_module(f"modules.{name}")

    @property
    def builtin(self) -> Any:
        """The built-in's module `networks`."""
        return sys.modules["networks"]

    @property
    def registry(self) -> dict[str, Any]:
        found: dict[str, Any] = self.module("extra_networks").extra_network_registry
        return found

    @property
    def aliases(self) -> dict[str, Any]:
        found: dict[str, Any] = self.module("extra_networks").extra_network_aliases
        return found

    @property
    def sd_model(self) -> Any:
        return self.module("shared").sd_model

    @property
    def opts(self) -> Any:
        return self.module("shared").opts

    def set(self, key: str, value: Any) -> bool:
        """As the Settings tab does: with the setting's onchange."""
        return bool(self.opts.set(key, value))

    def reload(self) -> None:
        """Reload UI."""
        self.app = self.module("initialize").reload_ui()

    def disable(self, name: str, *, reload: bool = True) -> None:
        self.opts.disabled_extensions = [*self.opts.disabled_extensions, name]
        if reload:
            self.reload()

    def txt2img(self, prompt: str | list[str] = "", **fields: Any) -> Result:
        """One job as the page and the API run it; `fields` are those of the processing object."""
        made = self.module("api").txt2img(prompt=prompt, **{"seed": 1, **fields})
        return Result(
            made.images[0], tuple(made.images), made.infotexts[0], tuple(made.infotexts),
            made.comments, made.js())

    def switch_checkpoint(self, name: str) -> Any:
        """Chooses a checkpoint by its name, as the page's drop-down does; the model then in use."""
        info = self.module("sd_models").get_closet_checkpoint_match(name)
        if info is None:
            raise KeyError(name)
        self.opts.sd_model_checkpoint = info.title
        with torch.no_grad():
            return self.module("sd_models").reload_model_weights()

    def api(self) -> Any:
        """A client of the app's routes."""
        from fastapi.testclient import TestClient

        return TestClient(self.app)

    def weights(self) -> dict[str, torch.Tensor]:
        """A copy of every weight of the model in use, to compare bit by bit."""
        return {name: one.detach().clone() for name, one in self.sd_model.named_parameters()}


def _forget(name: str) -> None:
    """Takes a module out of the table and out of its package, where `from` would find it."""
    del sys.modules[name]
    parent, _, child = name.rpartition(".")
    if parent in sys.modules:
        vars(sys.modules[parent]).pop(child, None)
