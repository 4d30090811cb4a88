"""Settings and what extensions add to them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from modules import errors
from modules.shared_cmd_options import cmd_opts

_OWN = {"data", "data_labels", "restricted_opts"}


class OptionInfo:
    """One setting: its default, its label and how it is shown."""

    def __init__(
        self, default: Any = None, label: str = "", component: Any = None,
        component_args: Any = None, onchange: Callable[[], Any] | None = None,
        section: Any = None, refresh: Any = None, comment_before: str = "",
        comment_after: str = "", infotext: str | None = None, restrict_api: bool = False,
        category_id: str | None = None,
    ) -> None:
        self.default, self.label = default, label
        self.component, self.component_args = component, component_args
        self.onchange, self.section, self.refresh = onchange, section, refresh
        self.comment_before, self.comment_after = comment_before, comment_after
        self.infotext, self.restrict_api, self.category_id = infotext, restrict_api, category_id
        self.do_not_save = False

    def info(self, text: str) -> OptionInfo:
        self.comment_after += f"<span class='info'>({text})</span>"
        return self

    def html(self, text: str) -> OptionInfo:
        self.comment_after += text
        return self

    def link(self, label: str, url: str) -> OptionInfo:
        self.comment_before += f"[<a href='{url}' target='_blank'>{label}</a>]"
        return self

    def needs_restart(self) -> OptionInfo:
        return self.html(" <span class='info'>(requires restart)</span>")

    def needs_reload_ui(self) -> OptionInfo:
        return self.html(" <span class='info'>(requires Reload UI)</span>")


class OptionHTML(OptionInfo):
    """Text between settings; has no value."""

    def __init__(self, text: str) -> None:
        super().__init__(text.strip(), label="")
        self.do_not_save = True


def options_section(section: tuple[Any, ...], options: dict[str, OptionInfo]) -> Any:
    for one in options.values():
        one.section = section[:2]
        one.category_id = section[2] if len(section) > 2 else one.category_id
    return options


class Options:
    """Attribute access to values; what is set without a label is a plain attribute."""

    def __init__(self, data_labels: dict[str, OptionInfo], restricted_opts: set[str]) -> None:
        self.data_labels = data_labels
        self.data = {k: v.default for k, v in data_labels.items() if not v.do_not_save}
        self.restricted_opts = restricted_opts

    def __setattr__(self, key: str, value: Any) -> None:
        if key in _OWN or not (key in self.data or key in self.data_labels):
            super().__setattr__(key, value)
            return
        assert not cmd_opts.freeze_settings, "changing settings is disabled"
        info = self.data_labels.get(key)
        if info is not None and info.do_not_save:
            return
        args = info.component_args if info is not None else None
        if isinstance(args, dict) and args.get("visible", True) is False:
            raise RuntimeError(f"not possible to set '{key}' because it is restricted")
        self.data[key] = value

    def __getattr__(self, item: str) -> Any:
        if item in _OWN:
            raise AttributeError(item)
        if item in self.data:
            return self.data[item]
        if item in self.data_labels:
            return self.data_labels[item].default
        raise AttributeError(item)

    def set(self, key: str, value: Any, is_api: bool = False, run_callbacks: bool = True) -> bool:
        """Whether the value changed; an onchange that raises takes it back."""
        before = self.data.get(key)
        option = self.data_labels[key]
        if before == value or option.do_not_save or (is_api and option.restrict_api):
            return False
        try:
            setattr(self, key, value)
        except RuntimeError:
            return False
        if run_callbacks and option.onchange is not None:
            try:
                option.onchange()
            except Exception as error:  # noqa: BLE001 - any failure takes the change back
                errors.display(error, f"changing setting {key} to {value}")
                setattr(self, key, before)
                return False
        return True

    def get_default(self, key: str) -> Any:
        label = self.data_labels.get(key)
        return None if label is None else label.default

    def onchange(self, key: str, func: Callable[[], Any], call: bool = True) -> None:
        self.data_labels[key].onchange = func
        if call:
            func()

    def add_option(self, key: str, info: OptionInfo) -> None:
        self.data_labels[key] = info
        if key not in self.data and not info.do_not_save:
            self.data[key] = info.default

    def save(self, filename: str) -> None:
        Path(filename).write_text(json.dumps(self.data), encoding="utf-8")

    def load(self, filename: str) -> None:
        """What the file has replaces everything: a label's default fills the rest."""
        file = Path(filename)
        self.data = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
