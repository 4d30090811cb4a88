"""How a network was trained, and which words it was trained on, from its metadata."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from loradex.files.metadata import json_object
from loradex.files.plain_text import distinct, one_line

_FOLDER = re.compile(r"(\d+)_(.+)\Z", re.DOTALL)
"""sd-scripts' dataset folders: the repeats and the words, `10_ohwx woman`."""
_NEARLY_ALL = 0.9
_MOST_WORDS = 3
_FIRST_CHARS = 2000
"""Of a folder's tags: the captions of several pictures."""
_LONGEST_WORD = 60
"""Characters; longer "tags" are pieces of sentences."""
_NAMELESS = frozenset(
    ("img", "image", "images", "data", "dataset", "train", "training", "default", "input", "lora",
     "style", "character", "concept", "pics", "pictures", "none", "final", "all", "new")
)  # fmt: skip
_COMMON = frozenset(
    ("1girl", "1boy", "solo", "no humans", "simple background", "white background", "woman", "man",
     "girl", "boy", "person", "looking at viewer", "highres", "absurdres", "masterpiece",
     "best quality", "realistic", "photo", "general", "sensitive", "smile", "long hair",
     "short hair", "breasts", "blush", "open mouth", "standing", "upper body", "full body",
     "monochrome", "greyscale", "multiple girls", "2girls", "a woman", "a man", "a photo")
)  # fmt: skip
"""In nearly all pictures of many sets: they describe, and name nothing."""


@dataclass(frozen=True)
class TagFolder:
    """One folder of the training set; `images` is 0 where it is not told."""

    name: str
    images: int
    tags: Mapping[str, int]

    @property
    def token(self) -> str:
        """The words in the folder's name, or '' for a name like `10_img`."""
        match = _FOLDER.match(self.name)
        words = one_line(match[2].replace("_", " ")) if match else ""
        return "" if words.lower() in _NAMELESS or words.isdigit() else words


@dataclass(frozen=True)
class Training:
    """What the trainer wrote down; empty where it did not."""

    tool: str = ""
    steps: int | None = None
    epoch: int | None = None
    epochs: int | None = None
    images: int | None = None
    resolution: str = ""
    base_name: str = ""
    base_hash: str = ""
    """The old 8-digit hash of the checkpoint."""
    base_sha256: str = ""
    module: str = ""
    algorithm: str = ""
    rank: str = ""
    alpha: str = ""
    network_args: Mapping[str, Any] = field(default_factory=dict)
    optimizer: str = ""
    learning_rate: str = ""
    clip_skip: int | None = None
    seed: int | None = None
    session: str = ""
    started: str = ""
    comment: str = ""


def read_training(metadata: Mapping[str, str]) -> Training:
    """The facts of the training; values that make no sense are left out."""
    info = json_object(metadata.get("training_info", ""))  # ai-toolkit
    arguments = json_object(metadata.get("ss_network_args", ""))
    peft = json_object(metadata.get("lora_adapter_metadata", ""))
    return Training(
        tool=_tool(metadata),
        steps=_whole(_said(metadata, "ss_steps") or info.get("step")),
        epoch=_whole(_said(metadata, "ss_epoch") or info.get("epoch")),
        epochs=_whole(_said(metadata, "ss_num_epochs")),
        images=_whole(_said(metadata, "ss_num_train_images")),
        resolution=_said(metadata, "ss_resolution").strip("() "),
        base_name=_said(metadata, "ss_sd_model_name"),
        base_hash=_said(metadata, "ss_sd_model_hash").lower(),
        base_sha256=_said(metadata, "ss_new_sd_model_hash").lower(),
        module=_said(metadata, "ss_network_module"),
        algorithm=one_line(str(arguments.get("algo", "") or "")),
        rank=_said(metadata, "ss_network_dim") or _peft(peft, "r"),
        alpha=_said(metadata, "ss_network_alpha") or _peft(peft, "lora_alpha"),
        network_args=arguments,
        optimizer=_said(metadata, "ss_optimizer"),
        learning_rate=_said(metadata, "ss_learning_rate") or _said(metadata, "ss_unet_lr"),
        clip_skip=_whole(_said(metadata, "ss_clip_skip")),
        seed=_whole(_said(metadata, "ss_seed")),
        session=_said(metadata, "ss_session_id"),
        started=_said(metadata, "ss_training_started_at"),
        comment=_said(metadata, "ss_training_comment"),
    )


def tag_folders(metadata: Mapping[str, str]) -> tuple[TagFolder, ...]:
    """The tags of the training set by folder; damaged ones are left out.

    sd-scripts writes `ss_tag_frequency`, or the same inside `ss_datasets` where the sets came
    from a configuration file.
    """
    return tuple(
        TagFolder(one_line(name), images, {one_line(tag): count for tag, count in tags.items()})
        for name, images, tags in _raw_folders(metadata)
    )


def _raw_folders(metadata: Mapping[str, str]) -> list[tuple[str, int, dict[str, int]]]:
    """Name, images and tags as they are written: cleaning thousands of tags takes milliseconds."""
    documents = [json_object(metadata.get("ss_tag_frequency", ""))]
    for dataset in _json_list(metadata.get("ss_datasets", "")):
        inner = dataset.get("tag_frequency") if isinstance(dataset, dict) else None
        documents.append(inner if isinstance(inner, dict) else {})
    images = _folder_images(json_object(metadata.get("ss_dataset_dirs", "")))
    return [
        (name, images.get(name, 0), {t: n for t, n in tags.items() if type(n) is int and n > 0})
        for document in documents
        for name, tags in document.items() if isinstance(tags, dict)
    ]  # fmt: skip


def frequent_tags(folders: tuple[TagFolder, ...]) -> tuple[tuple[str, int], ...]:
    """All tags with their counts over the folders, the most frequent first."""
    total: dict[str, int] = {}
    for folder in folders:
        for tag, count in folder.tags.items():
            total[tag] = total.get(tag, 0) + count
    return tuple(sorted(total.items(), key=lambda item: (-item[1], item[0])))


def guess_trigger_words(metadata: Mapping[str, str]) -> tuple[str, ...]:
    """Tags of nearly all pictures that are no common words, else the folders' own words."""
    found: list[str] = []
    for folder in _first_tags(metadata):
        words = _of_nearly_all(folder)
        if not words:
            break
        found += words
    else:
        if found:
            return distinct(found)[: _MOST_WORDS * 2]
    found.clear()
    for name, images, tags in _raw_folders(metadata):
        folder = TagFolder(name, images, tags)
        found += _of_nearly_all(folder) or [folder.token]
    return distinct(found)[: _MOST_WORDS * 2] or _class_tokens(metadata)


def _first_tags(metadata: Mapping[str, str]) -> list[TagFolder]:
    """The first tags of every folder of a long list, as far as the pictures are counted.

    Tags stand in the order in which captions had them, so those of nearly all pictures are among
    the first; the whole list of a large set takes a millisecond to read.
    """
    text = metadata.get("ss_tag_frequency", "")
    if len(text) <= 2 * _FIRST_CHARS or not text.startswith('{"'):
        return []
    images = _folder_images(json_object(metadata.get("ss_dataset_dirs", "")))
    folders: list[TagFolder] = []
    for part in text[2:].split('}, "'):
        begin = '{"' + part[:_FIRST_CHARS]
        if len(part) > _FIRST_CHARS:
            begin = begin[: begin.rfind(', "')]
        document = json_object(begin.rstrip("}") + "}}")
        name, tags = next(iter(document.items()), ("", None))
        if name not in images or not isinstance(tags, dict):
            return []
        counted = {tag: count for tag, count in tags.items() if type(count) is int}
        folders.append(TagFolder(name, images[name], counted))
    return folders


def _of_nearly_all(folder: TagFolder) -> list[str]:
    needed = _NEARLY_ALL * (folder.images or max(folder.tags.values(), default=0))
    often = [(-count, tag) for tag, count in folder.tags.items() if count >= needed]
    often.sort(key=lambda item: item[0])  # in the captions' order where equal
    words = [
        word for word in distinct(tag for _, tag in often)
        if len(word) <= _LONGEST_WORD and word.lower() not in _COMMON
    ]  # fmt: skip
    named = [word for word in words if word.lower() == folder.token.lower()]
    return (named + [word for word in words if word not in named])[:_MOST_WORDS]


def _class_tokens(metadata: Mapping[str, str]) -> tuple[str, ...]:
    """`class_tokens` of a set without captions, in a configuration file's datasets."""
    text = metadata.get("ss_datasets", "")
    if "class_tokens" not in text:
        return ()
    tokens: list[str] = []
    for dataset in _json_list(text):
        subsets = dataset.get("subsets") if isinstance(dataset, dict) else None
        if isinstance(subsets, list):
            dicts = [one for one in subsets if isinstance(one, dict)]
            tokens += [str(one.get("class_tokens") or "") for one in dicts]
    return distinct(tokens)


def _folder_images(document: Mapping[str, Any]) -> dict[str, int]:
    return {
        name: count for name, one in document.items()
        if isinstance(one, dict) and type(count := one.get("img_count")) is int and count > 0
    }  # fmt: skip


def _tool(metadata: Mapping[str, str]) -> str:
    software = json_object(metadata.get("software", ""))
    if isinstance(software.get("name"), str):
        return one_line(f"{software['name']} {software.get('version') or ''}")
    if "ot_revision" in metadata or "ot_branch" in metadata:
        return "OneTrainer"
    implementation = one_line(metadata.get("modelspec.implementation", ""))
    if "OneTrainer" in implementation:
        return "OneTrainer"
    if "ss_network_module" in metadata:
        return "LyCORIS" if "lycoris" in metadata["ss_network_module"] else "sd-scripts"
    return "PEFT" if "lora_adapter_metadata" in metadata else ""


def _said(metadata: Mapping[str, str], key: str) -> str:
    """A value, unless it is how Python spells that there is none."""
    value = one_line(metadata.get(key, ""))
    return "" if value in ("None", "null") else value


def _whole(value: Any) -> int | None:
    try:
        return int(float(value)) if value not in ("", None) else None
    except (TypeError, ValueError, OverflowError):
        return None


def _peft(settings: Mapping[str, Any], key: str) -> str:
    """A PEFT setting; diffusers leads the keys with the component (`unet.r`)."""
    for name, value in settings.items():
        if name.split(".")[-1] == key and isinstance(value, (int, float)):
            return str(value)
    return ""


def _json_list(text: str) -> list[Any]:
    try:
        value = json.loads(text) if text.lstrip().startswith("[") else []
    except (ValueError, RecursionError):
        return []
    return value if isinstance(value, list) else []
