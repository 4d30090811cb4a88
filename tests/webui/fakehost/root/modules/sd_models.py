"""Checkpoints: listing, loading, loading into a tree that is there, taking one from the cache."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file

from modules import (
    devices,
    errors,
    extra_networks,
    hashes,
    lowvram,
    script_callbacks,
    sd_hijack,
    shared,
)
from tests.webui.fakehost.trees import LatentDiffusion

checkpoints_list: dict[str, CheckpointInfo] = {}
checkpoint_aliases: dict[str, CheckpointInfo] = {}


class CheckpointInfo:
    """One file."""

    def __init__(self, filename: str) -> None:
        self.filename = filename
        self.name = Path(filename).name
        self.name_for_extra = self.model_name = Path(filename).stem
        self.sha256 = hashes.sha256(filename, f"checkpoint/{self.name}")
        self.shorthash = self.hash = str(self.sha256)[:10]
        self.title = f"{self.name} [{self.shorthash}]"
        self.short_title = f"{self.name_for_extra} [{self.shorthash}]"
        self.metadata = read_metadata_from_safetensors(filename)
        self.ids = [self.name, self.name_for_extra, self.title, self.short_title, self.shorthash]

    def register(self) -> None:
        checkpoints_list[self.title] = self
        checkpoint_aliases.update(dict.fromkeys(self.ids, self))


class SkipWritingToConfig:
    """Inside, a change of the checkpoint is not the user's choice (refiner, hires)."""

    skip = False

    def __enter__(self) -> None:
        self.before = SkipWritingToConfig.skip
        SkipWritingToConfig.skip = True

    def __exit__(self, *_: Any) -> None:
        SkipWritingToConfig.skip = self.before


class SdModelData:
    """The model in use and those kept beside it."""

    def __init__(self) -> None:
        self.sd_model: Any = None
        self.loaded_sd_models: list[Any] = []
        self.was_loaded_at_least_once = False
        self.lock = threading.Lock()

    def get_sd_model(self) -> Any:
        if self.was_loaded_at_least_once or self.sd_model is not None:
            return self.sd_model
        with self.lock:
            if self.sd_model is None and not self.was_loaded_at_least_once:
                with errors.displayed("loading stable diffusion model"):
                    load_model()
        return self.sd_model

    def set_sd_model(self, v: Any, already_loaded: bool = False) -> None:
        self.sd_model = v
        if v in self.loaded_sd_models:
            self.loaded_sd_models.remove(v)
        if v is not None:
            self.loaded_sd_models.insert(0, v)


model_data = SdModelData()


def list_models() -> None:
    checkpoints_list.clear()
    checkpoint_aliases.clear()
    for file in sorted(Path(shared.cmd_opts.ckpt_dir).glob("*.safetensors")):
        CheckpointInfo(str(file)).register()


def get_closet_checkpoint_match(search_string: str | None) -> CheckpointInfo | None:
    return checkpoint_aliases.get(search_string) if search_string else None


def select_checkpoint() -> CheckpointInfo:
    found = checkpoint_aliases.get(shared.opts.sd_model_checkpoint)
    if found is None and not checkpoints_list:
        raise FileNotFoundError("No checkpoints found.")
    return found or next(iter(checkpoints_list.values()))


def read_metadata_from_safetensors(filename: str) -> dict[str, Any]:
    with safe_open(filename, framework="pt") as file:
        return dict(file.metadata() or {})


def read_state_dict(checkpoint_file: str, map_location: Any = None) -> dict[str, torch.Tensor]:
    return load_file(checkpoint_file)


def get_empty_cond(sd_model: Any) -> Any:
    """Activates every extra network for a picture that there is not."""
    from modules import processing

    extra_networks.activate(processing.StableDiffusionProcessingTxt2Img(), {})
    return sd_model.cond_stage_model([""])


def send_model_to_trash(m: Any) -> None:
    m.to(device="meta")


def send_model_to_cpu(m: Any) -> None:
    if m.lowvram:
        lowvram.send_everything_to_cpu()
    else:
        lowvram.moved(m)


def send_model_to_device(m: Any) -> None:
    lowvram.apply(m)
    if not m.lowvram:
        lowvram.moved(m)


def load_model_weights(model: Any, info: CheckpointInfo) -> None:
    model.load_state_dict(load_file(info.filename))
    if not SkipWritingToConfig.skip:
        shared.opts.data["sd_model_checkpoint"] = info.title
        shared.opts.data["sd_checkpoint_hash"] = info.sha256
    model.sd_model_hash = info.shorthash
    model.sd_model_checkpoint, model.sd_checkpoint_info = info.filename, info


def load_model(checkpoint_info: CheckpointInfo | None = None, *_: Any) -> Any:
    """A new model; the one in use goes to the meta device first."""
    info = checkpoint_info or select_checkpoint()
    if model_data.sd_model is not None:
        send_model_to_trash(model_data.sd_model)
        model_data.sd_model = None
    sd_model: Any = LatentDiffusion(info.metadata["family"])
    sd_model.used_config = info.metadata["family"]
    load_model_weights(sd_model, info)
    send_model_to_device(sd_model)
    sd_hijack.model_hijack.hijack(sd_model)
    sd_model.eval()
    model_data.set_sd_model(sd_model)
    model_data.was_loaded_at_least_once = True
    sd_hijack.model_hijack.embedding_db.load_textual_inversion_embeddings(force_reload=True)
    script_callbacks.model_loaded_callback(sd_model)
    with devices.autocast(), torch.no_grad():
        sd_model.cond_stage_model_empty_prompt = get_empty_cond(sd_model)
    return sd_model


def reuse_model_from_already_loaded(sd_model: Any, info: CheckpointInfo) -> Any:
    """The wanted model from the cache, without any callback; or one whose tree may be loaded into.
    """
    if shared.opts.sd_checkpoints_keep_in_cpu:
        send_model_to_cpu(sd_model)
    limit, loaded = shared.opts.sd_checkpoints_limit, model_data.loaded_sd_models
    wanted = next((one for one in loaded if one.sd_checkpoint_info.filename == info.filename), None)
    for one in reversed(list(loaded)):
        if one is not wanted and len(loaded) > limit > 0:
            loaded.remove(one)
            send_model_to_trash(one)
    if wanted is not None:
        send_model_to_device(wanted)
        model_data.set_sd_model(wanted, already_loaded=True)
        if not SkipWritingToConfig.skip:
            shared.opts.data["sd_model_checkpoint"] = info.title
        return wanted
    if limit > 1 and len(loaded) < limit:
        model_data.sd_model = None
        return load_model(info)
    model_data.sd_model = loaded.pop() if loaded else None
    return model_data.sd_model


def reload_model_weights(
    sd_model: Any = None, info: CheckpointInfo | None = None, forced_reload: bool = False
) -> Any:
    """Makes the wanted checkpoint the one in use, in the cheapest of three ways."""
    info = info or select_checkpoint()
    sd_model = sd_model or model_data.sd_model
    if sd_model is not None:
        if sd_model.sd_model_checkpoint == info.filename and not forced_reload:
            return sd_model
        if sd_model.sd_checkpoint_info.filename != info.filename:
            sd_model = reuse_model_from_already_loaded(sd_model, info)
            if sd_model is not None and sd_model.sd_checkpoint_info.filename == info.filename:
                return sd_model
    if sd_model is not None:
        send_model_to_cpu(sd_model)
        sd_hijack.model_hijack.undo_hijack(sd_model)
    if sd_model is None or sd_model.used_config != info.metadata["family"]:
        if sd_model is not None:
            send_model_to_trash(sd_model)
        load_model(info)
        return model_data.sd_model
    try:
        load_model_weights(sd_model, info)
    finally:
        sd_hijack.model_hijack.hijack(sd_model)
        if not sd_model.lowvram:
            lowvram.moved(sd_model)
        script_callbacks.model_loaded_callback(sd_model)
    model_data.set_sd_model(sd_model)
    return sd_model
