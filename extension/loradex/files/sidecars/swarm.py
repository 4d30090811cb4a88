"""`NAME.swarm.json` of SwarmUI: ModelSpec's keys, as they were edited there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from loradex.files.metadata import read_modelspec
from loradex.files.picker import Picker
from loradex.files.sidecars.reader import Reader, Subject


def read(document: Mapping[str, Any], subject: Subject) -> list[Picker]:
    return [replace(read_modelspec(document, subject.name), origin="manager")]


READER = Reader(".swarm.json", "SwarmUI", read)
