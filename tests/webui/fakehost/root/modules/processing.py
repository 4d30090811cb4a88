"""Making pictures: the order of calls, the caches of conditioning and what ends in the infotext."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch

from modules import (
    devices,
    errors,
    extra_networks,
    infotext_utils,
    lowvram,
    prompt_parser,
    sd_models,
    sd_samplers,
    shared,
)
from modules.shared import opts


@dataclass(repr=False)
class StableDiffusionProcessing:
    """One job; the caches belong to the class."""

    prompt: Any = ""
    negative_prompt: Any = ""
    seed: int = -1
    batch_size: int = 1
    n_iter: int = 1
    steps: int = 2
    cfg_scale: float = 7.0
    width: int = 512
    height: int = 512
    sampler_name: str = "Euler"
    refiner_checkpoint: str | None = None
    refiner_switch_at: float | None = None
    disable_extra_networks: bool = False
    override_settings: dict[str, Any] = field(default_factory=dict)
    extra_generation_params: dict[str, Any] = field(default_factory=dict)

    scripts_value: Any = field(default=None, init=False)
    script_args: Any = field(default=(), init=False)
    comments: dict[str, int] = field(default_factory=dict, init=False)
    is_hr_pass: bool = field(default=False, init=False)
    is_api: bool = field(default=False, init=False)
    iteration: int = field(default=0, init=False)
    all_prompts: Any = field(default=None, init=False)
    all_negative_prompts: Any = field(default=None, init=False)
    all_seeds: Any = field(default=None, init=False)
    all_subseeds: Any = field(default=None, init=False)
    prompts: Any = field(default=None, init=False)
    negative_prompts: Any = field(default=None, init=False)
    seeds: Any = field(default=None, init=False)
    subseeds: Any = field(default=None, init=False)
    extra_network_data: Any = field(default=None, init=False)
    refiner_checkpoint_info: Any = field(default=None, init=False)
    c: Any = field(default=None, init=False)
    uc: Any = field(default=None, init=False)

    cached_uc: ClassVar[list[Any]] = [None, None]
    cached_c: ClassVar[list[Any]] = [None, None]
    enable_hr = False

    def __post_init__(self) -> None:
        self.cached_uc = StableDiffusionProcessing.cached_uc
        self.cached_c = StableDiffusionProcessing.cached_c

    @property
    def sd_model(self) -> Any:
        return shared.sd_model

    @property
    def scripts(self) -> Any:
        return self.scripts_value

    def comment(self, text: str) -> None:
        self.comments[text] = 1

    def close(self) -> None:
        self.c = self.uc = None
        if not opts.persistent_cond_cache:
            StableDiffusionProcessing.cached_c = [None, None]
            StableDiffusionProcessing.cached_uc = [None, None]

    def setup_prompts(self) -> None:
        count = self.batch_size * self.n_iter
        self.all_prompts = self.prompt if isinstance(self.prompt, list) else count * [self.prompt]
        self.all_negative_prompts = [self.negative_prompt] * len(self.all_prompts)

    def cached_params(self, required_prompts: Any, steps: Any, extra_network_data: Any,
                      hires_steps: Any = None, use_old_scheduling: bool = False) -> Any:
        """What makes a cached conditioning another one; weights are not in it."""
        return (
            required_prompts, steps, hires_steps, use_old_scheduling,
            opts.CLIP_stop_at_last_layers, shared.sd_model.sd_checkpoint_info, extra_network_data,
            opts.sdxl_crop_left, opts.sdxl_crop_top, self.width, self.height, opts.fp8_storage,
            opts.cache_fp16_weight, opts.emphasis)

    def get_conds_with_caching(self, function: Any, required_prompts: Any, steps: int,
                               caches: Any, extra_network_data: Any,
                               hires_steps: Any = None) -> Any:
        key = self.cached_params(required_prompts, steps, extra_network_data, hires_steps,
                                 opts.use_old_scheduling)
        for cache in caches:
            if cache[0] is not None and key == cache[0]:
                return cache[1]
        with devices.autocast():
            caches[0][1] = function(shared.sd_model, required_prompts, steps)
        caches[0][0] = key
        return caches[0][1]

    def setup_conds(self) -> None:
        self.uc = self.get_conds_with_caching(
            prompt_parser.get_learned_conditioning, self.negative_prompts, self.steps,
            [self.cached_uc], self.extra_network_data)
        self.c = self.get_conds_with_caching(
            prompt_parser.get_multicond_learned_conditioning, self.prompts, self.steps,
            [self.cached_c], self.extra_network_data)

    def get_conds(self) -> Any:
        return self.c, self.uc

    def parse_extra_network_prompts(self) -> None:
        self.prompts, self.extra_network_data = extra_networks.parse_prompts(self.prompts)

    def sample(self) -> torch.Tensor:
        raise NotImplementedError


@dataclass(repr=False)
class StableDiffusionProcessingTxt2Img(StableDiffusionProcessing):
    """Text to picture, with a second pass where it is asked for."""

    enable_hr: bool = False
    hr_checkpoint_name: str | None = None
    hr_second_pass_steps: int = 0
    hr_prompt: str = ""
    hr_negative_prompt: str = ""

    hr_c: Any = field(default=None, init=False)
    hr_uc: Any = field(default=None, init=False)
    all_hr_prompts: Any = field(default=None, init=False)
    hr_prompts: Any = field(default=None, init=False)
    hr_negative_prompts: Any = field(default=None, init=False)
    hr_extra_network_data: Any = field(default=None, init=False)
    hr_checkpoint_info: Any = field(default=None, init=False)

    cached_hr_uc: ClassVar[list[Any]] = [None, None]
    cached_hr_c: ClassVar[list[Any]] = [None, None]

    def __post_init__(self) -> None:
        super().__post_init__()
        self.cached_hr_uc = StableDiffusionProcessingTxt2Img.cached_hr_uc
        self.cached_hr_c = StableDiffusionProcessingTxt2Img.cached_hr_c

    def close(self) -> None:
        super().close()
        self.hr_c = self.hr_uc = None
        if not opts.persistent_cond_cache:
            StableDiffusionProcessingTxt2Img.cached_hr_uc = [None, None]
            StableDiffusionProcessingTxt2Img.cached_hr_c = [None, None]

    def parse_extra_network_prompts(self) -> None:
        super().parse_extra_network_prompts()
        if self.enable_hr:
            count = len(self.prompts)
            first = self.iteration * self.batch_size
            self.all_hr_prompts = [self.hr_prompt or one for one in self.all_prompts]
            texts = self.all_hr_prompts[first : first + count]
            self.hr_negative_prompts = [self.hr_negative_prompt or self.negative_prompt] * count
            self.hr_prompts, self.hr_extra_network_data = extra_networks.parse_prompts(texts)

    def setup_conds(self) -> None:
        if self.is_hr_pass:  # the refiner came in during the second pass
            self.hr_c = None
            self.calculate_hr_conds()
            return
        super().setup_conds()
        self.hr_c = self.hr_uc = None
        if not self.enable_hr or self.hr_checkpoint_info is not None:
            return
        if opts.hires_fix_use_firstpass_conds:
            self.calculate_hr_conds()
        elif lowvram.is_enabled(shared.sd_model):
            extra_networks.activate(self, self.hr_extra_network_data)
            self.calculate_hr_conds()
            extra_networks.activate(self, self.extra_network_data)

    def calculate_hr_conds(self) -> None:
        if self.hr_c is not None:
            return
        steps = self.hr_second_pass_steps or self.steps
        self.hr_uc = self.get_conds_with_caching(
            prompt_parser.get_learned_conditioning, self.hr_negative_prompts, self.steps,
            [self.cached_hr_uc, self.cached_uc], self.hr_extra_network_data, steps)
        self.hr_c = self.get_conds_with_caching(
            prompt_parser.get_multicond_learned_conditioning, self.hr_prompts, self.steps,
            [self.cached_hr_c, self.cached_c], self.hr_extra_network_data, steps)

    def get_conds(self) -> Any:
        return (self.hr_c, self.hr_uc) if self.is_hr_pass else super().get_conds()

    def sample(self) -> torch.Tensor:
        x = _noise(self.seeds)
        self.scripts.process_before_every_sampling(self, x=x, noise=x, c=self.c, uc=self.uc)
        samples = sd_samplers.sample(self, x, self.c, self.uc, self.steps)
        if not self.enable_hr:
            return samples
        with sd_models.SkipWritingToConfig():
            sd_models.reload_model_weights(info=self.hr_checkpoint_info)
        self.is_hr_pass = True
        if not self.disable_extra_networks:
            extra_networks.activate(self, self.hr_extra_network_data)
        self.calculate_hr_conds()
        self.scripts.before_hr(self)
        self.scripts.process_before_every_sampling(
            self, x=samples, noise=x, c=self.hr_c, uc=self.hr_uc)
        samples = sd_samplers.sample(
            self, samples, self.hr_c, self.hr_uc, self.hr_second_pass_steps or self.steps)
        self.is_hr_pass = False
        return samples


def _noise(seeds: list[int]) -> torch.Tensor:
    """[seeds, 4, 2, 2]"""
    return torch.stack(
        [torch.randn(4, 2, 2, generator=torch.Generator().manual_seed(seed)) for seed in seeds])


class Processed:
    """What a job made; its JSON has no comments, as the real one's."""

    def __init__(self, p: Any, images: list[bytes], infotexts: list[str]) -> None:
        self.images, self.infotexts, self.prompt = images, infotexts, p.all_prompts[0]
        self.info = infotexts[0]
        self.comments = "".join(f"{one}\n" for one in p.comments)
        self.extra_generation_params = p.extra_generation_params
        self.all_prompts, self.all_seeds = p.all_prompts, p.all_seeds
        self.sd_model_name = shared.sd_model.sd_checkpoint_info.name_for_extra

    def js(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if key not in ("images", "comments")
                } | {"extra_generation_params": {
                    key: value for key, value in self.extra_generation_params.items()
                    if not callable(value)}}


def create_infotext(p: Any, index: int) -> str:
    position = index + p.iteration * p.batch_size
    info = shared.sd_model.sd_checkpoint_info
    params = {
        "Steps": p.steps, "Sampler": p.sampler_name, "CFG scale": p.cfg_scale,
        "Seed": p.seeds[index], "Size": f"{p.width}x{p.height}", "Model hash": info.shorthash,
        "Model": info.name_for_extra, **p.extra_generation_params}
    for key, value in params.items():
        with errors.reported(f'Error creating infotext for key "{key}"'):
            if isinstance(value, list):
                params[key] = value[position]
            elif callable(value):
                params[key] = value(p=p, index=index, prompt_text=p.prompts[index])
    told = [f"{key}: {infotext_utils.quote(value)}" for key, value in params.items()
            if value is not None]
    negative = p.negative_prompts[index]
    lines = [p.prompts[index], f"Negative prompt: {negative}" if negative else ""]
    return "\n".join([*filter(None, lines), ", ".join(told)])


def process_images(p: Any) -> Processed:
    from modules.processing_run import process_images as run

    return run(p)
