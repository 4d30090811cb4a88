"""The built-in's registration with the WebUI."""

import re
from typing import Any

import extra_networks_lora
import lora_patches
import networks
from modules import extra_networks, script_callbacks, shared, ui_extra_networks
from modules.shared import OptionInfo


def unload() -> None:
    networks.originals.undo()


class ExtraNetworksPageLora(ui_extra_networks.ExtraNetworksPage):
    def __init__(self) -> None:
        super().__init__("Lora")

    def list_items(self) -> list[dict[str, Any]]:
        return [{"name": name} for name in networks.available_networks]


def before_ui() -> None:
    ui_extra_networks.register_page(ExtraNetworksPageLora())
    networks.extra_network_lora = extra_networks_lora.ExtraNetworkLora()
    extra_networks.register_extra_network(networks.extra_network_lora)
    extra_networks.register_extra_network_alias(networks.extra_network_lora, "lyco")


def infotext_pasted(infotext: str, params: dict[str, Any]) -> None:
    hashes = dict(
        (part.strip() for part in one.split(":", 1))
        for one in params.get("Lora hashes", "").split(",") if ":" in one)

    def local(found: re.Match[str]) -> str:
        on_disk = networks.available_network_hash_lookup.get(hashes.get(found[1], ""))
        return f"<lora:{on_disk.get_alias()}:" if on_disk else found[0]

    params["Prompt"] = re.sub(r"<lora:([^:]+):", local, params["Prompt"])


def api_networks(_: Any, app: Any) -> None:
    @app.get("/sdapi/v1/loras")
    def get_loras() -> Any:
        return [
            {"name": one.name, "alias": one.alias, "path": one.filename, "metadata": one.metadata}
            for one in networks.available_networks.values()]

    @app.post("/sdapi/v1/refresh-loras")
    def refresh_loras() -> Any:
        return networks.list_available_networks()


networks.originals = lora_patches.LoraPatches()
script_callbacks.on_model_loaded(networks.assign_network_names_to_compvis_modules)
script_callbacks.on_script_unloaded(unload)
script_callbacks.on_before_ui(before_ui)
script_callbacks.on_infotext_pasted(infotext_pasted)
script_callbacks.on_app_started(api_networks)
shared.options_templates.update(shared.options_section(("extra_networks", "Extra Networks"), {
    "sd_lora": OptionInfo("None", "Add network to prompt"),
    "lora_preferred_name": OptionInfo("Alias from file", "Refer to Lora by"),
    "lora_add_hashes_to_infotext": OptionInfo(True, "Add Lora hashes to infotext"),
    "lora_bundled_ti_to_infotext": OptionInfo(True, "Add Lora name as TI hashes"),
    "lora_in_memory_limit": OptionInfo(0, "Number of networks to keep cached in memory"),
    "lora_functional": OptionInfo(False, "Use old method"),
}))
shared.opts.onchange("lora_in_memory_limit", networks.purge_networks_from_memory)
