from collections.abc import Callable
from typing import Any

cmd_opts: Any
sd_model: Any

class OptionInfo:
    def __init__(
        self, default: Any, label: str, component: Any, component_args: Any, *,
        onchange: Callable[[], None] | None = ..., section: tuple[str, str] = ...,
    ) -> None: ...
    def info(self, info: str) -> OptionInfo: ...

class Options:
    data_labels: dict[str, OptionInfo]
    def add_option(self, key: str, info: OptionInfo) -> None: ...

opts: Options
