"""The main loop over batches."""

from __future__ import annotations

from typing import Any

import torch

from modules import devices, extra_networks, lowvram, scripts, sd_models, shared
from modules.processing import Processed, create_infotext
from modules.sd_hijack import model_hijack
from modules.shared import opts, state


def process_images(p: Any) -> Processed:
    p.scripts.before_process(p)
    stored = {key: opts.data.get(key) for key in p.override_settings if key in opts.data}
    try:
        wanted = p.override_settings.get("sd_model_checkpoint")
        if sd_models.get_closet_checkpoint_match(wanted) is None:
            p.override_settings.pop("sd_model_checkpoint", None)
            sd_models.reload_model_weights()
        for key, value in p.override_settings.items():
            opts.set(key, value, is_api=True, run_callbacks=False)
            if key == "sd_model_checkpoint":
                sd_models.reload_model_weights()
        return _process_images_inner(p)
    finally:
        for key, value in stored.items():
            setattr(opts, key, value)


def _process_images_inner(p: Any) -> Processed:
    p.refiner_checkpoint_info = sd_models.get_closet_checkpoint_match(p.refiner_checkpoint)
    if p.enable_hr:
        p.hr_checkpoint_info = sd_models.get_closet_checkpoint_match(p.hr_checkpoint_name)
    model_hijack.clear_comments()
    p.setup_prompts()
    p.all_seeds = [max(p.seed, 0) + place for place in range(len(p.all_prompts))]
    p.all_subseeds = list(p.all_seeds)
    p.scripts.process(p)
    images: list[Any] = []
    infotexts: list[str] = []
    with torch.no_grad():
        for number in range(p.n_iter):
            p.iteration = number
            if state.interrupted or state.stopping_generation or not _batch(p, images, infotexts):
                break
    # Not called at all where the prompts had no tag.
    if not p.disable_extra_networks and p.extra_network_data:
        extra_networks.deactivate(p, p.extra_network_data)
    result = Processed(p, images, infotexts)
    p.scripts.postprocess(p, result)
    return result


def _batch(p: Any, images: list[Any], infotexts: list[str]) -> bool:
    """One batch; False where a script left no prompts."""
    sd_models.reload_model_weights()  # the refiner may have changed it
    number = p.iteration
    part = slice(number * p.batch_size, (number + 1) * p.batch_size)
    p.prompts, p.negative_prompts = p.all_prompts[part], p.all_negative_prompts[part]
    p.seeds, p.subseeds = p.all_seeds[part], p.all_subseeds[part]
    told = {"batch_number": number, "prompts": p.prompts, "seeds": p.seeds, "subseeds": p.subseeds}
    p.scripts.before_process_batch(p, **told)
    if not p.prompts:
        return False
    p.parse_extra_network_prompts()
    if not p.disable_extra_networks:
        extra_networks.activate(p, p.extra_network_data)
    p.scripts.process_batch(p, **(told | {"prompts": p.prompts}))
    p.setup_conds()
    p.extra_generation_params.update(model_hijack.extra_generation_params)
    for comment in model_hijack.comments:
        p.comment(comment)
    sampled = scripts.PostSampleArgs(p.sample())
    p.scripts.post_sample(p, sampled)
    devices.test_for_nans(sampled.samples, "unet")
    decoded = shared.sd_model.first_stage_model.decode(sampled.samples)
    if lowvram.is_enabled(shared.sd_model):
        lowvram.send_everything_to_cpu()
    state.nextjob()
    p.scripts.postprocess_batch(p, images=decoded, batch_number=number)
    p.prompts, p.negative_prompts = p.all_prompts[part], p.all_negative_prompts[part]
    for index, picture in enumerate(decoded):
        pp = scripts.PostprocessImageArgs(picture)
        p.scripts.postprocess_image(p, pp)
        infotexts.append(create_infotext(p, index))
        images.append(pp.image.numpy().tobytes())
    return True
