"""Textual inversions that come inside network files, lent to the WebUI while the network is on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loradex.errors import LoradexError
from loradex.networks.report import Applied, RunReport
from loradex.webui.applier import Applier
from loradex.webui.environment import switch


class Embeddings:
    """Registers embeddings in the WebUI's own table, and takes exactly these out again."""

    def __init__(self) -> None:
        self._lent: dict[str, Any] = {}

    def serve(self, report: RunReport, applier: Applier) -> list[str]:
        """Lends those of the networks that are on; says what a user must know."""
        table = _table()
        self.take_back()
        notes: list[str] = []
        for row in (one for one in report.applied if one.used and one.bundled):
            if table is None:
                notes.append(f"{row.name}: its embeddings cannot be lent to this WebUI")
                continue
            notes += self._lend(table, row, applier)
        return notes

    def take_back(self) -> None:
        """Every embedding that was lent leaves the table; one of the user's stays."""
        table = _table()
        for name, embedding in self._lent.items():
            if table is not None and table.word_embeddings.get(name) is embedding:
                table.register_embedding_by_name(None, _model(), name)
        self._lent.clear()

    def _lend(self, table: Any, row: Applied, applier: Applier) -> list[str]:
        notes: list[str] = []
        for name, tensors in _embeddings_of(row, applier).items():
            if name in table.word_embeddings:
                notes.append(f"{row.name}: your own embedding '{name}' is used, not the file's")
                continue
            embedding = _made(name, tensors, row)
            if table.expected_shape not in (-1, embedding.shape):
                notes.append(f"{row.name}: its embedding '{name}' is of width {embedding.shape}, "
                             f"this checkpoint takes {table.expected_shape}")
                continue
            table.register_embedding(embedding, _model())
            self._lent[name] = embedding
        return notes


def _embeddings_of(row: Applied, applier: Applier) -> Mapping[str, Mapping[str, Any]]:
    try:
        return applier.manager.load(applier.manager.resolve(row.name)).embeddings
    except LoradexError:
        return {}  # the file went away since it was applied; the next run says so


def _made(name: str, tensors: Mapping[str, Any], row: Applied) -> Any:
    """The WebUI's own object of an embedding's tensors."""
    from modules.textual_inversion import textual_inversion

    if {"clip_l", "clip_g"} <= tensors.keys():
        data: dict[str, Any] = {key: tensors[key] for key in ("clip_l", "clip_g")}
    else:
        data = {"string_to_param": {"*": next(iter(tensors.values()))}}
    embedding = textual_inversion.create_embedding_from_data(data, name, filename=row.name)
    # What the infotext's "TI hashes" shows for it.
    embedding.shorthash = row.name if switch("lora_bundled_ti_to_infotext", True) else ""
    return embedding


def _table() -> Any:
    """The WebUI's table of embeddings, or None where it keeps them elsewhere."""
    from modules import sd_hijack

    table = getattr(getattr(sd_hijack, "model_hijack", None), "embedding_db", None)
    return table if hasattr(table, "register_embedding_by_name") else None


def _model() -> Any:
    from modules import sd_models

    return sd_models.model_data.sd_model
