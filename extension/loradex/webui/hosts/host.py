"""What the engine needs to know of the model that a WebUI has in memory, whichever WebUI it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn


@dataclass(frozen=True, eq=False)
class HostModel:
    """The model that the WebUI computes with now, and where in it the weights are.

    `root` is the WebUI's own object. `encoders` are the roots of the text encoders by component
    (`te`, `te2`, `te3`). `gates` are the modules that are called before any weight is used, the
    denoiser first. `obstacle` says why no network can be put on, or is empty. `computes_on` is the
    type of device that parts in main memory are sent to before they compute.
    """

    root: Any
    title: str
    path: Path | None
    denoiser: nn.Module
    encoders: Mapping[str, nn.Module]
    gates: tuple[nn.Module, ...]
    obstacle: str = ""
    computes_on: str = ""

    @property
    def parts(self) -> tuple[int, ...]:
        """What makes it the same model again: the objects that hold its weights."""
        return tuple(id(one) for one in (self.root, self.denoiser, *self.encoders.values(),
                                         *self.gates))


class Host(ABC):
    """A kind of WebUI, told by what it has and not by its version."""

    name: str

    @abstractmethod
    def admits(self) -> bool:
        """Whether the running WebUI keeps its models this way."""

    @abstractmethod
    def model(self) -> HostModel | None:
        """The model that is in memory; nothing is loaded for the question."""

    def chosen_checkpoint(self) -> Path | None:
        """The file that will be loaded for the next picture, while no model is in memory."""
        return None

    @property
    def draws_image_by_image(self) -> bool:
        """Whether scripts are told before each sampling, so that images can have own networks.

        Row i of every batch that the denoiser is given belongs to image i modulo their number:
        all positive prompts, then all negative ones in modules/sd_samplers_cfg_denoiser.py, the
        images once for each kind of prompt in Forge's backend/sampling/sampling_function.py and
        in reForge's ldm_patched/modules/samplers.py (`calc_cond_batch`).
        """
        from modules import scripts

        return hasattr(scripts.Script, "process_before_every_sampling")  # A1111 since v1.9

    @abstractmethod
    def settle(self, root: Any) -> None:
        """Makes the WebUI take off what its own loader put on the weights, as far as it is lazy."""

    def forget_conditionings(self, processing: Any) -> None:
        """Empties the caches of encoded prompts.

        Their key holds the tags of the prompt, not the files (modules/processing.py,
        `cached_params`), so a file that was replaced would serve old conditionings. A cache is
        a list of two: the key and the conditioning.
        """
        for cache in _conditioning_caches(processing):
            cache[:] = [None, None]


CONDITIONING_CACHES = ("cached_c", "cached_uc", "cached_hr_c", "cached_hr_uc")


def _conditioning_caches(processing: Any) -> Iterator[list[Any]]:
    """Those of the run, and those of the classes that the next run takes over."""
    from modules import processing as classes

    owners = [processing, classes.StableDiffusionProcessing,
              getattr(classes, "StableDiffusionProcessingTxt2Img", None)]
    for owner in owners:
        for name in CONDITIONING_CACHES:
            cache = getattr(owner, name, None)
            if isinstance(cache, list) and len(cache) == 2:
                yield cache


def first_module(owner: Any, *names: str) -> nn.Module | None:
    """The first of these attributes that is a module."""
    for name in names:
        found = getattr(owner, name, None)
        if isinstance(found, nn.Module):
            return found
    return None


def numbered(roots: list[nn.Module]) -> dict[str, nn.Module]:
    """Text encoders by component, in the order in which the model uses them."""
    return {"te" if not i else f"te{i + 1}": root for i, root in enumerate(roots)}


def checkpoint_title(root: Any) -> str:
    """What the WebUI calls the checkpoint that a model was loaded from."""
    info = getattr(root, "sd_checkpoint_info", None)
    return getattr(info, "name_for_extra", "") or "the loaded model"


def checkpoint_path(root: Any) -> Path | None:
    info = getattr(root, "sd_checkpoint_info", None)
    name = getattr(info, "filename", "")
    return Path(name) if name else None
