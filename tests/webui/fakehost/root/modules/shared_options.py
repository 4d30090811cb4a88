"""The WebUI's own settings, as far as pictures and extensions depend on them."""

from modules.options import OptionInfo, options_section

options_templates: dict[str, OptionInfo] = {}

_DEFAULTS = {
    "sd_model_checkpoint": None, "sd_checkpoint_hash": "", "sd_checkpoints_limit": 1,
    "sd_checkpoints_keep_in_cpu": True, "sd_unet": "Automatic", "CLIP_stop_at_last_layers": 1,
    "sdxl_crop_left": 0, "sdxl_crop_top": 0, "fp8_storage": "Disable",
    "cache_fp16_weight": False, "emphasis": "Original", "use_old_scheduling": False,
    "persistent_cond_cache": True, "extra_networks_default_multiplier": 1.0,
    "hires_fix_refiner_pass": "second pass", "hires_fix_use_firstpass_conds": False,
    "disabled_extensions": [], "disable_all_extensions": "none",
    "textual_inversion_add_hashes_to_infotext": True,
}

options_templates.update(options_section(("sd", "Stable Diffusion"), {
    key: OptionInfo(default, key) for key, default in _DEFAULTS.items()}))
