"""A test's eyes inside the WebUI: hashes of the weights, memory, times, and "Reload UI"."""

import hashlib
import json
import os
import sys
import time
from pathlib import Path

from modules import script_callbacks, shared

STATE = sys.modules.setdefault(
    # survives "Reload UI", as this file does not
    "loradex_probe_state", type(sys)("loradex_probe_state")).__dict__
STATE.setdefault("starts", 0)
STATE.setdefault("seconds", {})


def add_narrow_encoders():
    """OpenCLIP knows its models by name: the tests' narrow ones are told to it, in memory."""
    folder = os.environ.get("LORADEX_PROBE_ENCODERS")
    if folder:
        import open_clip

        open_clip.add_model_config(Path(folder))


def hash_of(tensors):
    found = hashlib.sha256()
    for tensor in tensors:
        found.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()


def denoiser_and_encoders():
    model = shared.sd_model
    objects = getattr(model, "forge_objects", None)
    if objects is not None:
        clip = objects.clip.cond_stage_model
        return objects.unet.model.diffusion_model, clip
    encoders = getattr(model, "cond_stage_model", None)
    return model.model.diffusion_model, encoders


def weights():
    denoiser, encoders = denoiser_and_encoders()
    return {"denoiser": hash_of(denoiser.parameters()), "encoders": hash_of(encoders.parameters())}


def memory():
    import psutil

    process = psutil.Process()
    return {"rss": process.memory_info().rss}


def card():
    """Bytes that are in use on the second device, and the most since the last question."""
    import torch

    ops = torch.ops.second_device
    place = next(denoiser_and_encoders()[0].parameters()).device
    return {"used": int(ops.allocated()), "peak": int(ops.peak()), "denoiser": place.type}


def reload_ui():
    shared.state.request_restart()
    return {}


def handlers():
    """Who answers each tag now, by the class that does."""
    from modules import extra_networks

    names = dict(extra_networks.extra_network_registry)
    names.update(getattr(extra_networks, "extra_network_aliases", {}))
    return {name: f"{type(one).__module__}.{type(one).__name__}" for name, one in names.items()}


def process_state():
    """What must not pile up over reloads: threads by name, and the patched forward of a layer."""
    import threading

    import torch

    return {"threads": sorted(thread.name for thread in threading.enumerate()),
            "forward": torch.nn.Linear.forward.__module__,
            "loradex_modules": sum(name.split(".")[0] == "loradex" for name in sys.modules)}


def timed(module, name):
    """Counts the seconds that a function of the built-in takes; nested calls count once."""
    original = getattr(module, name)
    if getattr(original, "loradex_probe", False):
        return

    def measured(*args, **kwargs):
        started = time.perf_counter()
        try:
            return original(*args, **kwargs)
        finally:
            seconds = STATE["seconds"]
            seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - started

    measured.loradex_probe = True
    setattr(module, name, measured)


def measure_builtin():
    if os.environ.get("LORADEX_PROBE_TIMING"):
        import networks

        timed(networks, "network_apply_weights")
        timed(networks, "load_networks")


def take_seconds():
    found = dict(STATE["seconds"])
    STATE["seconds"].clear()
    return found


def started(_, app):
    STATE["starts"] += 1
    measure_builtin()
    routes = {"weights": weights, "memory": memory, "handlers": handlers, "seconds": take_seconds,
              "process": process_state, "card": card, "starts": lambda: {"starts": STATE["starts"]},
              "options": lambda: json.loads(json.dumps(shared.opts.data, default=str))}
    for name, answer in routes.items():
        app.add_api_route("/loradex-probe/" + name, answer, methods=["GET"])
    app.add_api_route("/loradex-probe/reload", reload_ui, methods=["POST"])


add_narrow_encoders()
script_callbacks.on_app_started(started)
