"""The built-in owner of the tags `lora` and `lyco`."""

from __future__ import annotations

from typing import Any

import networks
from modules import extra_networks, shared


class ExtraNetworkLora(extra_networks.ExtraNetwork):
    """Loads at once, merges when the layers run."""

    remove_symbols = str.maketrans("", "", ":,")

    def __init__(self) -> None:
        super().__init__("lora")
        self.errors: dict[str, int] = {}

    def activate(self, p: Any, params_list: list[Any]) -> None:
        self.errors.clear()
        always = shared.opts.sd_lora
        if always != "None" and always in networks.available_networks and not any(
                one.items[0] == always for one in params_list):
            factor = shared.opts.extra_networks_default_multiplier
            p.all_prompts = [f"{one}<lora:{always}:{factor}>" for one in p.all_prompts]
            params_list.append(extra_networks.ExtraNetworkParams([always, factor]))
        names, te, unet, dyn = [], [], [], []
        for one in params_list:
            text = float(one.positional[1]) if len(one.positional) > 1 else 1.0
            text = float(one.named.get("te", text))
            picture = float(one.positional[2]) if len(one.positional) > 2 else text
            names.append(one.positional[0])
            te.append(text)
            unet.append(float(one.named.get("unet", picture)))
            dyn.append(int(one.named["dyn"]) if "dyn" in one.named else None)
        networks.load_networks(names, te, unet, dyn)
        if shared.opts.lora_add_hashes_to_infotext:
            self._hashes(p)

    def _hashes(self, p: Any) -> None:
        if not getattr(p, "is_hr_pass", False) or not hasattr(p, "lora_hashes"):
            p.lora_hashes = {}
        for net in networks.loaded_networks:
            if net.network_on_disk.shorthash and net.mentioned_name:
                key = net.mentioned_name.translate(self.remove_symbols)
                p.lora_hashes[key] = net.network_on_disk.shorthash
        if p.lora_hashes:
            p.extra_generation_params["Lora hashes"] = ", ".join(
                f"{key}: {value}" for key, value in p.lora_hashes.items())

    def deactivate(self, p: Any) -> None:
        if self.errors:
            p.comment("Networks with errors: " + ", ".join(
                f"{key} ({value})" for key, value in self.errors.items()))
            self.errors.clear()
