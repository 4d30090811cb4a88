"""The built-in's state and its lazy merging into the weights of each layer that runs."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import network
import torch
from modules import errors, sd_hijack, sd_models, shared

from tests.webui.fakehost.trees import kohya_places

originals: Any = None
extra_network_lora: Any = None
available_networks: dict[str, Any] = {}
available_network_aliases: dict[str, Any] = {}
available_network_hash_lookup: dict[str, Any] = {}
forbidden_network_aliases: dict[str, int] = {}
loaded_networks: list[Any] = []
networks_in_memory: dict[str, Any] = {}


def assign_network_names_to_compvis_modules(sd_model: Any) -> None:
    mapping: dict[str, Any] = {}
    if sd_model.is_sdxl:
        roots = [(f"{i}_", one.wrapped) for i, one in enumerate(sd_model.conditioner.embedders)]
    else:
        roots = [("", sd_model.cond_stage_model.wrapped)]
    for prefix, root in [*roots, ("", sd_model.model)]:
        for name, module in root.named_modules():
            module.network_layer_name = prefix + name.replace(".", "_")
            mapping[module.network_layer_name] = module
    sd_model.network_layer_mapping = mapping


def load_network(name: str, on_disk: Any) -> Any:
    net = network.Network(name, on_disk)
    groups: dict[str, dict[str, Any]] = {}
    for key, tensor in sd_models.read_state_dict(on_disk.filename).items():
        module, _, role = key.partition(".")
        groups.setdefault(module, {})[role] = tensor
    places = {key: (layer, rows) for key, layer, rows in kohya_places(shared.sd_model.family)}
    for module, parts in groups.items():
        layer, rows = places.get(module, ("", None))
        if layer not in shared.sd_model.network_layer_mapping:
            logging.debug("Network %s didn't match key %s", name, module)
        elif not {"lora_up.weight", "lora_down.weight"} <= parts.keys():
            raise AssertionError(f"Could not find a module type that would accept those keys: "
                                 f"{', '.join(parts)}")
        else:
            net.modules.setdefault(layer, []).append((rows, parts))
    return net


def load_networks(names: list[str], te_multipliers: Any = None, unet_multipliers: Any = None,
                  dyn_dims: Any = None) -> None:
    already = {net.name: net for net in loaded_networks if net.name in names}
    loaded_networks.clear()
    if any(name not in available_network_aliases for name in names):
        list_available_networks()
    missing = []
    for index, name in enumerate(names):
        on_disk = available_network_aliases.get(name)
        net = already.get(name)
        if on_disk is not None:
            net = net or networks_in_memory.get(name)
            # Outside any guard: a file that is gone raises here.
            if net is None or Path(on_disk.filename).stat().st_mtime > net.mtime:
                net = None
                with errors.displayed(f"loading network {on_disk.filename}"):
                    net = networks_in_memory[name] = load_network(name, on_disk)
                if net is None:
                    continue
            net.mentioned_name = name
            on_disk.read_hash()
        if net is None:
            missing.append(name)
            continue
        net.te_multiplier = te_multipliers[index] if te_multipliers else 1.0
        net.unet_multiplier = unet_multipliers[index] if unet_multipliers else 1.0
        net.dyn_dim = dyn_dims[index] if dyn_dims else 1.0
        loaded_networks.append(net)
    if missing:
        sd_hijack.model_hijack.comments.append(f"Lora not found: {', '.join(missing)}")
    purge_networks_from_memory()


def purge_networks_from_memory() -> None:
    while len(networks_in_memory) > shared.opts.lora_in_memory_limit:
        networks_in_memory.pop(next(iter(networks_in_memory)))


def _tensors(layer: Any) -> list[Any]:
    """What a layer's backup holds."""
    if isinstance(layer, torch.nn.MultiheadAttention):
        return [layer.in_proj_weight, layer.out_proj.weight, layer.out_proj.bias]
    return [layer.weight, layer.bias]


def network_restore_weights_from_backup(self: Any) -> None:
    backup = getattr(self, "network_weights_backup", None)
    if backup is not None:
        with torch.no_grad():
            for tensor, saved in zip(_tensors(self), backup, strict=True):
                if tensor is not None:
                    tensor.copy_(saved)


def network_apply_weights(self: Any) -> None:
    """Compares the names of what is merged and what is wanted; files and sizes are not looked at.
    """
    name = getattr(self, "network_layer_name", None)
    if name is None:
        return
    current = getattr(self, "network_current_names", ())
    wanted = tuple(
        (one.name, one.te_multiplier, one.unet_multiplier, one.dyn_dim) for one in loaded_networks)
    if getattr(self, "network_weights_backup", None) is None and wanted != ():
        if current != ():
            raise RuntimeError(f"{name} - no backup weights found and current weights are not "
                               "unchanged")
        self.network_weights_backup = [
            None if one is None else one.detach().clone() for one in _tensors(self)]
    if current == wanted:
        return
    network_restore_weights_from_backup(self)
    for net in loaded_networks:
        try:
            _merge(self, name, net)
        except RuntimeError as error:
            logging.debug("Network %s layer %s: %s", net.name, name, error)
            extra_network_lora.errors[net.name] = extra_network_lora.errors.get(net.name, 0) + 1
    self.network_current_names = wanted


def _merge(layer: Any, name: str, net: Any) -> None:
    factor = net.te_multiplier if "transformer" in name[:20] else net.unet_multiplier
    attention = isinstance(layer, torch.nn.MultiheadAttention)
    targets = [(layer.in_proj_weight if attention else layer.weight, name)]
    if attention:
        targets.append((layer.out_proj.weight, name + "_out_proj"))
    with torch.no_grad():
        for weight, own in targets:
            for rows, parts in net.modules.get(own, ()):
                up, down = parts["lora_up.weight"], parts["lora_down.weight"]
                scale = float(parts.get("alpha", torch.tensor(len(down)))) / len(down)
                place = weight[rows.start:rows.stop] if rows is not None else weight
                change = up.reshape(len(up), -1).float() @ down.reshape(len(down), -1).float()
                place += (change * scale * factor).reshape(place.shape).to(place.dtype)


def network_reset_cached_weight(self: Any) -> None:
    self.network_current_names = ()
    self.network_weights_backup = None
    self.network_bias_backup = None


def _patched_forward(original: str) -> Any:
    def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        network_apply_weights(self)
        return getattr(originals, original)(self, *args, **kwargs)

    return forward


def _patched_load(original: str) -> Any:
    def load(self: Any, *args: Any, **kwargs: Any) -> Any:
        network_reset_cached_weight(self)
        return getattr(originals, original)(self, *args, **kwargs)

    return load


# `network_Linear_forward`, `network_Linear_load_state_dict` and so on.
for _name in ("Linear", "Conv2d", "GroupNorm", "LayerNorm", "MultiheadAttention"):
    globals()[f"network_{_name}_forward"] = _patched_forward(f"{_name}_forward")
    globals()[f"network_{_name}_load_state_dict"] = _patched_load(f"{_name}_load_state_dict")


def list_available_networks() -> None:
    """By base name: of two files of one name the last wins."""
    for table in (available_networks, available_network_aliases, forbidden_network_aliases,
                  available_network_hash_lookup):
        table.clear()
    forbidden_network_aliases.update({"none": 1, "Addams": 1})
    for folder in (shared.cmd_opts.lora_dir, shared.cmd_opts.lyco_dir_backcompat):
        for file in shared.walk_files(folder, (".pt", ".ckpt", ".safetensors")):
            entry = network.NetworkOnDisk(Path(file).stem, file)
            available_networks[entry.name] = entry
            if entry.alias in available_network_aliases:
                forbidden_network_aliases[str(entry.alias).lower()] = 1
            available_network_aliases[entry.name] = entry
            available_network_aliases[str(entry.alias)] = entry


list_available_networks()
