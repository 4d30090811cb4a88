from typing import Any

extra_network_registry: dict[str, Any]
extra_network_aliases: dict[str, Any]

class ExtraNetworkParams:
    items: list[Any]
    def __init__(self, items: list[Any] | None = None) -> None: ...

def parse_prompt(prompt: str) -> tuple[str, dict[str, list[ExtraNetworkParams]]]: ...
def lookup_extra_networks(
    extra_network_data: dict[str, list[ExtraNetworkParams]],
) -> dict[Any, list[ExtraNetworkParams]]: ...
