"""Sidecars of all tools: one file per owner, and the list of them that everything goes through.

To add a format: a module with a `Reader`, an entry in this list, and its suffix in
`loradex.files.sidecar_names`.
"""

from __future__ import annotations

from loradex.files.sidecars import (
    a1111,
    civitai,
    lora_manager,
    rgthree,
    stability_matrix,
    swarm,
    texts,
)
from loradex.files.sidecars.reader import Reader

READERS: tuple[Reader, ...] = (
    # The most trusted first, among sources of one origin.
    a1111.READER,
    lora_manager.READER,
    swarm.READER,
    civitai.READER,
    stability_matrix.READER,
    rgthree.READER,
    civitai.API_INFO,
    stability_matrix.CIVICOMFY,
    texts.DESCRIPTION,
    texts.TEXT,
    a1111.MISNAMED,
    texts.SHA256,
)
