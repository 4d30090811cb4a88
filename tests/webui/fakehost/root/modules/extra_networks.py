"""Tags in prompts: who owns which, and the calls that an owner gets."""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from typing import Any

from modules import errors

extra_network_registry: dict[str, Any] = {}
extra_network_aliases: dict[str, Any] = {}

_TAG = re.compile(r"<(\w+):([^>]+)>")


def initialize() -> None:
    extra_network_registry.clear()
    extra_network_aliases.clear()


def register_extra_network(extra_network: Any) -> None:
    extra_network_registry[extra_network.name] = extra_network


def register_extra_network_alias(extra_network: Any, alias: str) -> None:
    extra_network_aliases[alias] = extra_network


class ExtraNetworkParams:
    """The arguments of one tag."""

    def __init__(self, items: list[Any] | None = None) -> None:
        self.items = items or []
        self.positional: list[Any] = []
        self.named: dict[str, Any] = {}
        for item in self.items:
            parts = item.split("=", 2) if isinstance(item, str) else [item]
            if len(parts) == 2:
                self.named[parts[0]] = parts[1]
            else:
                self.positional.append(item)

    def __eq__(self, other: Any) -> bool:
        return self.items == other.items

    __hash__ = None  # type: ignore[assignment]


class ExtraNetwork:
    """The owner of a tag."""

    def __init__(self, name: str) -> None:
        self.name = name

    def activate(self, p: Any, params_list: list[ExtraNetworkParams]) -> None:
        raise NotImplementedError

    def deactivate(self, p: Any) -> None:
        raise NotImplementedError


def lookup_extra_networks(data: dict[str, list[ExtraNetworkParams]]) -> dict[Any, list[Any]]:
    """Owner -> its tags; a name wins over an alias, and tags without an owner are dropped."""
    found: dict[Any, list[Any]] = {}
    for name, params in data.items():
        owner = extra_network_registry.get(name) or extra_network_aliases.get(name)
        if owner is None:
            logging.info("Skipping unknown extra network: %s", name)
        else:
            found.setdefault(owner, []).extend(params)
    return found


def activate(p: Any, data: dict[str, list[ExtraNetworkParams]]) -> None:
    """Owners of tags first, then every other owner, also one that just raised, with none."""
    activated = []
    for owner, params in lookup_extra_networks(data).items():
        with errors.displayed(f"activating extra network {owner.name} with arguments {params}"):
            owner.activate(p, params)
            activated.append(owner)
    for name, owner in extra_network_registry.items():
        if owner not in activated:
            with errors.displayed(f"activating extra network {name}"):
                owner.activate(p, [])
    if p.scripts is not None:
        p.scripts.after_extra_networks_activate(
            p, batch_number=p.iteration, prompts=p.prompts, seeds=p.seeds, subseeds=p.subseeds,
            extra_network_data=data)


def deactivate(p: Any, data: dict[str, list[ExtraNetworkParams]]) -> None:
    owners = list(lookup_extra_networks(data))
    owners += [one for one in extra_network_registry.values() if one not in owners]
    for owner in owners:
        with errors.displayed(f"deactivating extra network {owner.name}"):
            owner.deactivate(p)


def parse_prompt(prompt: str) -> tuple[str, dict[str, list[ExtraNetworkParams]]]:
    found: dict[str, list[ExtraNetworkParams]] = defaultdict(list)
    for name, arguments in _TAG.findall(prompt):
        found[name].append(ExtraNetworkParams(arguments.split(":")))
    return _TAG.sub("", prompt), found


def parse_prompts(prompts: list[str]) -> tuple[list[str], Any]:
    """Only the tags of the first prompt count."""
    parsed = [parse_prompt(prompt) for prompt in prompts]
    return [text for text, _ in parsed], parsed[0][1] if parsed else None
