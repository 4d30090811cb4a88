"""A plain LoRA gives the picture that diffusers' load_lora_weights and fuse_lora give."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from loradex.manager import LoraManager  # noqa: E402
from loradex.networks.model import bind_diffusers  # noqa: E402
from loradex.prompts.tags import LoraTag  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

from standalone.checkpoint import load_checkpoint  # noqa: E402
from standalone.demo import DEMO_LORAS  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.peers]

CPU = torch.device("cpu")
PROMPT = "a red circle on a blue background"


def pipeline_of(checkpoint: str) -> Any:
    from diffusers import EulerDiscreteScheduler, StableDiffusionPipeline

    model = load_checkpoint(checkpoint, CPU)
    encoder = model.text_encoders[0]
    scheduler = EulerDiscreteScheduler.from_config(
        model.scheduler, timestep_spacing="linspace", steps_offset=1)
    pipeline = StableDiffusionPipeline(
        model.vae, encoder.model, encoder.tokenizer, model.unet, scheduler, None, None,
        requires_safety_checker=False)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def draw(pipeline: Any) -> Any:
    """[3, h, w] from 0 to 1, in fp32."""
    return pipeline(PROMPT, num_inference_steps=4, guidance_scale=5.0, output_type="pt",
                    generator=torch.Generator().manual_seed(1)).images[0]


def psnr(one: Any, other: Any) -> float:
    error = float(((one - other).double() ** 2).mean())
    return float("inf") if error == 0 else -10 * float(torch.tensor(error).log10())


def write_full_lora(pipeline: Any, path: Path, rank: int = 4) -> Path:
    """A kohya LoRA on every linear of the UNet's attentions and of the text encoder."""
    generator = torch.Generator().manual_seed(2)
    tensors = {}
    parts = (("lora_unet_", "", pipeline.unet, "transformer_blocks"),
             ("lora_te_", "text_model_", pipeline.text_encoder, "encoder"))
    for prefix, level, root, within in parts:
        for name, module in root.named_modules():
            if not isinstance(module, torch.nn.Linear) or within not in name:
                continue
            flat = name.removeprefix("text_model.").replace(".", "_")
            key = f"{prefix}{level}{flat}"
            out, inp = module.weight.shape
            tensors[f"{key}.lora_down.weight"] = torch.randn(rank, inp, generator=generator) * 0.1
            tensors[f"{key}.lora_up.weight"] = torch.randn(out, rank, generator=generator) * 0.1
            tensors[f"{key}.alpha"] = torch.tensor(rank / 2)
    path.parent.mkdir(parents=True)
    save_file(tensors, path)
    return path


def test_a_plain_lora_gives_the_same_picture(toy_folder: Path, tmp_path: Path) -> None:
    pipeline = pipeline_of(str(toy_folder))
    compare(pipeline, write_full_lora(pipeline, tmp_path / "loras" / "style.safetensors"))


def test_the_demos_plain_lora_gives_the_same_picture() -> None:
    golden = next(path for path in DEMO_LORAS.iterdir() if "golden" in path.name)
    compare(pipeline_of("demo"), golden)


def compare(pipeline: Any, path: Path) -> None:
    """Draw without, with Loradex, and with diffusers, in one and the same pipeline."""
    base = draw(pipeline)
    manager = LoraManager([path.parent])
    manager.bind(bind_diffusers(pipeline.unet, [pipeline.text_encoder]))
    row = manager.use([LoraTag(path.stem, 1.0, 1.0)], strict=True).applied[0]
    ours = draw(pipeline)
    manager.close()
    assert torch.equal(draw(pipeline), base)

    pipeline.load_lora_weights(str(path.parent), weight_name=path.name)
    adapted = sum("lora_A" in name for part in (pipeline.unet, pipeline.text_encoder)
                  for name, _ in part.named_parameters())
    assert adapted == sum(count.total for count in row.components.values())
    pipeline.fuse_lora()
    theirs = draw(pipeline)
    assert psnr(ours, base) < 40
    assert psnr(ours, theirs) > 60
