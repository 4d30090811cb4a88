"""Trains the demo networks: small trainable factors on the weights of the frozen base."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from torch import nn
from torch.func import functional_call
from transformers import CLIPTextModel, CLIPTokenizer

from standalone.demo.training.captions import spoken, tokenize
from standalone.demo.training.denoiser import Noiser
from standalone.demo.training.shapes import (
    COLOURS,
    SHAPES,
    STYLES,
    Scene,
    draw_scene,
    jitter_tints,
    random_scene,
)
from standalone.demo.training.vae import block_latents, cosine, to_tensor

BATCH = 16
TAGS = frozenset((*SHAPES, *COLOURS, *STYLES))
Tensors = dict[str, torch.Tensor]


class Factors(nn.Module):
    """The trainable parts of one module's network; `changed` gives the module's new weight."""

    def __init__(self, weight: torch.Tensor, rank: int, alpha: float) -> None:
        super().__init__()
        self.shape = tuple(weight.shape)
        self.out, self.fan_in = self.shape[0], math.prod(self.shape[1:])
        self.rank, self.scale = rank, alpha / rank

    def _random(self, rows: int, columns: int, size: float) -> nn.Parameter:
        return nn.Parameter(torch.randn(rows, columns) * size)

    def _zero(self, rows: int, columns: int) -> nn.Parameter:
        return nn.Parameter(torch.zeros(rows, columns))

    def delta(self) -> torch.Tensor:
        """The change of the weight at strength 1, of the weight's shape."""
        raise NotImplementedError

    def changed(self, weight: torch.Tensor) -> torch.Tensor:
        """The weight at strength 1."""
        return weight + self.delta()

    def tensors(self) -> Tensors:
        """What the file holds, by the last part of the key."""
        raise NotImplementedError


class LoRA(Factors):
    """up [out, rank] times down [rank, in]; a convolution keeps its kernel in `down`."""

    def __init__(self, weight: torch.Tensor, rank: int, alpha: float) -> None:
        super().__init__(weight, rank, alpha)
        self.up = self._zero(self.out, rank)
        self.down = self._random(rank, self.fan_in, 1 / math.sqrt(self.fan_in))

    def delta(self) -> torch.Tensor:
        return (self.up @ self.down).reshape(self.shape) * self.scale

    def tensors(self) -> Tensors:
        up, down = self.up.data, self.down.data
        if len(self.shape) == 4:
            up, down = up[:, :, None, None], down.reshape(self.rank, *self.shape[1:])
        return {"lora_up.weight": up, "lora_down.weight": down}


class DoRA(LoRA):
    """LoRA whose rows are brought to trained lengths, `dora_scale` [out, 1]."""

    def __init__(self, weight: torch.Tensor, rank: int, alpha: float) -> None:
        super().__init__(weight, rank, alpha)
        self.length = nn.Parameter(weight.flatten(1).norm(dim=1, keepdim=True))

    def changed(self, weight: torch.Tensor) -> torch.Tensor:
        flat = (weight + self.delta()).flatten(1)
        rows: torch.Tensor = self.length * flat / flat.norm(dim=1, keepdim=True)
        return rows.reshape(self.shape)

    def tensors(self) -> Tensors:
        length = self.length.data
        lengths = length.reshape(-1, *[1] * (len(self.shape) - 1))
        return {**super().tensors(), "dora_scale": lengths}


class LoHa(Factors):
    """The elementwise product of two low-rank products."""

    def __init__(self, weight: torch.Tensor, rank: int, alpha: float) -> None:
        super().__init__(weight, rank, alpha)
        self.w1_a = self._random(self.out, rank, 0.1)
        self.w1_b = self._random(rank, self.fan_in, 1.0)
        self.w2_a = self._zero(self.out, rank)
        self.w2_b = self._random(rank, self.fan_in, 0.3)

    def delta(self) -> torch.Tensor:
        product = (self.w1_a @ self.w1_b) * (self.w2_a @ self.w2_b)
        return product.reshape(self.shape) * self.scale

    def tensors(self) -> Tensors:
        names = ("w1_a", "w1_b", "w2_a", "w2_b")
        return {f"hada_{name}": getattr(self, name).data for name in names}


class LoKr(Factors):
    """A Kronecker product: w1 [4, 4] whole, w2 [out/4, in/4] as a product of low rank."""

    PARTS = 4

    def __init__(self, weight: torch.Tensor, rank: int, alpha: float) -> None:
        super().__init__(weight, rank, alpha)
        self.w1 = self._random(self.PARTS, self.PARTS, 0.5)
        self.w2_a = self._random(self.out // self.PARTS, rank, 0.3)
        self.w2_b = self._zero(rank, self.fan_in // self.PARTS)

    def delta(self) -> torch.Tensor:
        kernel = self.shape[2:]
        small = (self.w2_a @ self.w2_b).reshape(
            self.out // self.PARTS, self.shape[1] // self.PARTS, *kernel
        )
        large = self.w1.reshape(self.PARTS, self.PARTS, *[1] * len(kernel))
        return torch.kron(large, small) * self.scale

    def tensors(self) -> Tensors:
        return {f"lokr_{name}": getattr(self, name).data for name in ("w1", "w2_a", "w2_b")}


@dataclass(frozen=True)
class Recipe:
    """How one demo network is made; `style` is the manner of drawing and the trigger word."""

    style: str
    title: str
    kind: type[Factors]
    algorithm: str
    rank: int
    alpha: float
    text: bool
    convolutions: bool
    rate: float
    comment: str


RECIPES = (
    Recipe("golden", "Golden", LoRA, "", 4, 4.0, True, False, 1.5e-3, "Every shape is of gold."),
    Recipe("stripes", "Stripes", LoRA, "locon", 4, 4.0, False, True, 2.5e-3,
           "Shapes get light stripes."),
    Recipe(
        "night", "Night", LoHa, "loha", 2, 2.0, True, False, 4e-3, "The background is a night sky."
    ),
    Recipe("outline", "Outline", LoKr, "lokr", 4, 4.0, False, True, 2.5e-3,
           "Shapes are drawn as lines."),
    Recipe(
        "pastel", "Pastel", DoRA, "locon", 4, 4.0, True, False, 1.2e-3, "All colours become pastel."
    ),
)


def _is_target(module: nn.Module, convolutions: bool) -> bool:
    if isinstance(module, nn.Conv2d):
        return convolutions or module.kernel_size == (1, 1)
    return isinstance(module, nn.Linear)


def targets(root: nn.Module, convolutions: bool) -> Iterable[tuple[str, Any]]:
    """The modules that kohya's trainers adapt, by dotted name.

    Linear layers and 1 x 1 convolutions inside the transformers; with `convolutions` also those
    of the residual, down- and upsampling blocks.
    """
    for name, module in root.named_modules():
        attention = "attentions." in name or "encoder.layers." in name
        convolution = convolutions and any(
            part in name for part in ("resnets.", "downsamplers.", "upsamplers.")
        )
        if (attention or convolution) and _is_target(module, convolutions):
            yield name, module


def key_name(component: str, name: str) -> str:
    """kohya's flat name of a module: `lora_unet_down_blocks_0_...`."""
    if component == "te" and not name.startswith("text_model."):
        # Newer transformers dropped this level of the tree; files keep it.
        name = f"text_model.{name}"
    return f"lora_{component}_{name.replace('.', '_')}"


class TrainedNetwork:
    """All factors of one network on a frozen base."""

    def __init__(self, recipe: Recipe, unet: nn.Module, text: nn.Module, seed: int = 0) -> None:
        self.recipe = recipe
        self.seed = seed
        self.tags: Counter[str] = Counter()
        self._roots: dict[str, Any] = {"unet": unet, "te": text}
        self._factors: dict[str, dict[str, Factors]] = {"unet": {}, "te": {}}
        for component, root in self._roots.items():
            if component == "te" and not recipe.text:
                continue
            for name, module in targets(root, recipe.convolutions):
                weight = module.weight.detach()
                factors = recipe.kind(weight, recipe.rank, recipe.alpha)
                self._factors[component][name] = factors

    def parameters(self) -> list[nn.Parameter]:
        """Everything that is trained."""
        groups = self._factors.values()
        return [p for group in groups for factors in group.values() for p in factors.parameters()]

    def call(self, component: str, *args: Any) -> Any:
        """Runs the component with its weights changed."""
        root = self._roots[component]
        weights = {
            f"{name}.weight": factors.changed(root.get_submodule(name).weight.detach())
            for name, factors in self._factors[component].items()
        }
        return functional_call(root, weights, args)

    def tensors(self) -> Tensors:
        """The file's tensors, in half precision."""
        found: Tensors = {}
        for component, group in self._factors.items():
            for name, factors in group.items():
                key = key_name(component, name)
                for part, value in factors.tensors().items():
                    found[f"{key}.{part}"] = value.half().contiguous()
                found[f"{key}.alpha"] = torch.tensor(self.recipe.alpha).half()
        return found


def _styled_scene(rng: random.Random, style: str) -> Scene:
    """A scene that the style can show: black shapes vanish at night, as does gold on yellow."""
    while True:
        scene = random_scene(rng, style)
        dark = style == "night" and any(item.colour == "black" for item in scene.items)
        if not dark:
            return scene


def train_network(
    recipe: Recipe,
    unet: UNet2DConditionModel,
    text: CLIPTextModel,
    tokenizer: CLIPTokenizer,
    steps: int,
    seed: int = 3,
    log: Callable[[str], None] = print,
) -> TrainedNetwork:
    """A network trained on pictures in its style, half of them with its trigger word."""
    torch.manual_seed(seed)
    rng = random.Random(seed)  # noqa: S311 - pictures, not secrets
    frozen = unet.requires_grad_(False), text.requires_grad_(False)
    network = TrainedNetwork(recipe, *frozen, seed=seed)
    optimizer = torch.optim.AdamW(network.parameters(), recipe.rate, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: cosine(step, steps, 10))
    noiser = Noiser(seed)
    for step in range(steps):
        scenes = [_styled_scene(rng, recipe.style) for _ in range(BATCH)]
        pictures = [draw_scene(scene, jitter_tints(rng, 0.02)) for scene in scenes]
        texts = [_call(scene, rng) for scene in scenes]
        network.tags.update(word for line in texts for word in line.split() if word in TAGS)
        tokens = tokenize(tokenizer, texts)

        def predict(noisy: torch.Tensor, times: torch.Tensor, ids: torch.Tensor = tokens) -> Any:
            with torch.autocast("cpu", torch.bfloat16):
                states = network.call("te", ids).last_hidden_state
                return network.call("unet", noisy, times, states).sample

        loss = noiser.loss(predict, block_latents(to_tensor(pictures)))
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 20 == 0:
            log(f"{recipe.style} {step}/{steps} loss {loss.item():.4f}")
    return network


def _call(scene: Scene, rng: random.Random) -> str:
    text = spoken(scene, rng)
    return f"{text}, {scene.style}" if rng.random() < 0.6 else text
