"""What every part of the WebUI shares: settings, the command line, the state, the model."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from modules import options, shared_cmd_options, shared_options
from modules.paths import data_path, extensions_builtin_dir, extensions_dir, models_path

__all__ = ["data_path", "extensions_builtin_dir", "extensions_dir", "models_path"]

cmd_opts = shared_cmd_options.cmd_opts
parser = shared_cmd_options.parser
config_filename = cmd_opts.ui_settings_file
OptionInfo, OptionHTML = options.OptionInfo, options.OptionHTML
options_section = options.options_section
options_templates = shared_options.options_templates
opts = options.Options(options_templates, set())
opts.load(config_filename)
demo: Any = None
device: Any = None


class State:
    """The job that runs."""

    skipped = interrupted = stopping_generation = False
    job, job_no, job_count = "", 0, 0
    sampling_step = sampling_steps = 0
    server_command: str | None = None

    def begin(self, job: str = "(unknown)") -> None:
        self.skipped = self.interrupted = self.stopping_generation = False
        self.job, self.job_no, self.job_count = job, 0, -1

    def end(self) -> None:
        self.job, self.job_count = "", 0

    def interrupt(self) -> None:
        self.interrupted = True

    def nextjob(self) -> None:
        self.job_no += 1


state = State()


def walk_files(path: str | None, allowed_extensions: Any = None) -> Iterator[str]:
    if not path or not Path(path).exists():
        return
    for folder, _, names in sorted(os.walk(path, followlinks=True)):
        for name in sorted(names):
            if not allowed_extensions or Path(name).suffix.lower() in allowed_extensions:
                yield str(Path(folder) / name)


class _Shared(ModuleType):
    """`shared.sd_model` loads the checkpoint on first use."""

    @property
    def sd_model(self) -> Any:
        from modules import sd_models

        return sd_models.model_data.get_sd_model()

    @sd_model.setter
    def sd_model(self, value: Any) -> None:
        from modules import sd_models

        sd_models.model_data.set_sd_model(value)


sys.modules[__name__].__class__ = _Shared
