from typing import Any

extra_network_registry: dict[str, Any]
extra_network_aliases: dict[str, Any]

class ExtraNetworkParams:
    items: list[Any]
    def __init__(self, items: list[Any] | None = None) -> None: ...
