"""Scripts of extensions: loading their files, and calling them at each moment of a picture."""

from __future__ import annotations

import inspect
import sys
from collections import namedtuple
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from modules import errors, extensions, paths, script_callbacks, script_loading

AlwaysVisible = object()
ScriptFile = namedtuple("ScriptFile", ["basedir", "filename", "path"])


@dataclass
class ScriptClassData:
    """A class that a script's file has in its namespace, its own or an imported one."""

    script_class: type
    path: str
    basedir: str
    module: ModuleType


@dataclass
class PostSampleArgs:
    samples: Any


@dataclass
class PostprocessImageArgs:
    image: Any


@dataclass
class PostprocessBatchListArgs:
    images: list[Any]


class Script:
    """What extensions derive from; every moment is a method that does nothing."""

    name = section = filename = controls = None
    args_from = args_to = 0
    alwayson = is_txt2img = is_img2img = False
    infotext_fields = paste_field_names = api_info = None
    setup_for_ui_only = False

    def title(self) -> str:
        raise NotImplementedError

    def ui(self, is_img2img: bool) -> Any:
        return None

    def show(self, is_img2img: bool) -> Any:
        return True

    def run(self, p: Any, *args: Any) -> Any:
        return None

    def setup(self, p: Any, *args: Any) -> Any: ...
    def before_process(self, p: Any, *args: Any) -> Any: ...
    def process(self, p: Any, *args: Any) -> Any: ...
    def before_process_batch(self, p: Any, *args: Any, **kwargs: Any) -> Any: ...
    def after_extra_networks_activate(self, p: Any, *args: Any, **kwargs: Any) -> Any: ...
    def process_batch(self, p: Any, *args: Any, **kwargs: Any) -> Any: ...
    def process_before_every_sampling(self, p: Any, *args: Any, **kwargs: Any) -> Any: ...
    def before_hr(self, p: Any, *args: Any) -> Any: ...
    def post_sample(self, p: Any, ps: PostSampleArgs, *args: Any) -> Any: ...
    def postprocess_batch(self, p: Any, *args: Any, **kwargs: Any) -> Any: ...
    def postprocess_batch_list(self, p: Any, pp: Any, *args: Any, **kwargs: Any) -> Any: ...
    def postprocess_image(self, p: Any, pp: PostprocessImageArgs, *args: Any) -> Any: ...
    def postprocess(self, p: Any, processed: Any, *args: Any) -> Any: ...


class _Moment:
    """`runner.process(p, ...)`: every always-on script that has this method, in order."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, runner: ScriptRunner, owner: type) -> Any:
        def call(p: Any, *between: Any, **kwargs: Any) -> None:
            for script in runner.alwayson_scripts:
                if getattr(type(script), self.name) is getattr(Script, self.name):
                    continue
                with errors.reported(f"Error running {self.name}: {script.filename}"):
                    own = p.script_args[script.args_from:script.args_to]
                    getattr(script, self.name)(p, *between, *own, **kwargs)

        return call


class ScriptRunner:
    """One tab's instances of all scripts."""

    before_process = _Moment()
    process = _Moment()
    before_process_batch = _Moment()
    after_extra_networks_activate = _Moment()
    process_batch = _Moment()
    process_before_every_sampling = _Moment()
    before_hr = _Moment()
    post_sample = _Moment()
    postprocess_batch = _Moment()
    postprocess_batch_list = _Moment()
    postprocess_image = _Moment()
    postprocess = _Moment()
    setup = _Moment()

    def __init__(self) -> None:
        self.scripts: list[Any] = []
        self.alwayson_scripts: list[Any] = []
        self.selectable_scripts: list[Any] = []
        self.infotext_fields: list[Any] = []
        self.inputs: list[Any] = [None]

    def setup_scrips(self, p: Any, *, is_ui: bool = True) -> None:
        self.setup(p)

    def initialize_scripts(self, is_img2img: bool) -> None:
        for data in scripts_data:
            with errors.reported(f"failed to initialize Script {data.module}"):
                script = data.script_class()
                script.filename = data.path
                script.is_txt2img, script.is_img2img = not is_img2img, is_img2img
                visible = script.show(is_img2img)
                script.alwayson = visible is AlwaysVisible
                if visible:
                    self.scripts.append(script)
                    (self.alwayson_scripts if script.alwayson else self.selectable_scripts).append(
                        script)

    def setup_ui(self) -> None:
        """Needs an open gr.Blocks; scripts whose interface fails have none."""
        for script in self.scripts:
            script.name = script.title().lower()
            script.args_from = script.args_to = len(self.inputs)
            with errors.reported(f"Error creating UI for {script.name}: "):
                script.controls = script.ui(script.is_img2img)
                self.inputs += script.controls or []
                script.args_to = len(self.inputs)
                self.infotext_fields += script.infotext_fields or []


scripts_data: list[ScriptClassData] = []
scripts_txt2img = ScriptRunner()
scripts_img2img = ScriptRunner()
_basedirs = [paths.script_path]


def basedir() -> str:
    """The extension's folder, while its file runs; the WebUI's own at any other time."""
    return _basedirs[-1]


def load_scripts() -> None:
    """Forgets all callbacks and runs every script file, also those that ran before."""
    scripts_data.clear()
    script_callbacks.clear_callbacks()
    for extension in extensions.active():
        for file in extension.list_files("scripts", ".py"):
            before = list(sys.path)
            sys.path.insert(0, file.basedir)
            _basedirs.append(file.basedir)
            try:
                with errors.reported(f"Error loading script: {file.filename}"):
                    _register(script_loading.load_module(file.path), file)
            finally:
                sys.path[:] = before
                _basedirs.pop()
    globals().update(scripts_txt2img=ScriptRunner(), scripts_img2img=ScriptRunner())


def _register(module: ModuleType, file: Any) -> None:
    for found in vars(module).values():
        if inspect.isclass(found) and issubclass(found, Script):
            scripts_data.append(ScriptClassData(found, file.path, file.basedir, module))
