"""One file to what the catalog keeps of it: facts from its header, a summary from its notes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from loradex.catalog.network_file import NetworkFile
from loradex.catalog.reading.peek import Peek, Peeker
from loradex.catalog.reading.structures import Reading, Structures
from loradex.catalog.reading.summary import summarise
from loradex.catalog.records import FaultNote, FileFacts, Summary
from loradex.compat.claims import Claim, read_claim
from loradex.compat.detect import decide
from loradex.errors import LoradexError
from loradex.files import foreign
from loradex.files.faults import FAULTS, FaultText, explain
from loradex.files.header import parse_header
from loradex.files.pickle_header import read_pickle_header
from loradex.files.unfinished import why_unfinished


@dataclass(frozen=True)
class Inspection:
    """What one look at a file gives."""

    facts: FileFacts
    summary: Summary


class Inspector:
    """Inspects files; safe to use from several threads."""

    def __init__(self) -> None:
        self.structures = Structures()
        self._peeker = Peeker()

    def inspect(self, file: NetworkFile, names: Collection[str] | None = None) -> Inspection:
        """Facts and summary; a file that cannot be read has the fault among its facts.

        `names` are the file names of its folder, where the caller knows them.
        """
        seen: Peek | None = None
        fault: FaultNote | None = None
        try:
            seen = self._peeker.peek(file.path)
            found = self._read(file, seen)
        except LoradexError as error:
            if seen is None or error.code != "trailing-bytes":
                facts = _broken(file, error, seen.fingerprint() if seen else "", names or ())
                return Inspection(facts, summarise(file, {}, names))
            fault, found = note_of(error), self._read_with_surplus(file, seen)
        summary = summarise(file, found.metadata, names)
        return Inspection(_facts(file, found, summary, fault), summary)

    def _read(self, file: NetworkFile, seen: Peek) -> Reading:
        beginning = bytes(seen.head[:8])
        if foreign.is_zip(beginning) or foreign.is_pickle(beginning):
            header = read_pickle_header(file.path)
            fingerprint = seen.fingerprint()
            structure = self.structures.work_out(fingerprint, header)
            return Reading(header.metadata, structure, fingerprint)
        return self.structures.read(seen, file.path.name)

    def _read_with_surplus(self, file: NetworkFile, seen: Peek) -> Reading:
        """A file whose tensors are whole, although more bytes follow, is still told what it is."""
        header = parse_header(bytes(seen.head), seen.length, file.path.name, surplus=True)
        fingerprint = seen.fingerprint()
        structure = self.structures.work_out(fingerprint, header)
        return Reading(header.metadata, structure, fingerprint)


def note_of(error: LoradexError) -> FaultNote:
    """An error as the note that is kept of it."""
    return _note(explain(error))


def _note(text: FaultText) -> FaultNote:
    return FaultNote(text.code, text.message, text.next_step)


def _broken(
    file: NetworkFile, error: LoradexError, fingerprint: str, names: Collection[str]
) -> FileFacts:
    unfinished = why_unfinished(file.path.name, error, names=names)
    if unfinished is not None:
        return FileFacts(status="unfinished", fingerprint=fingerprint, fault=_note(unfinished))
    return FileFacts(status="broken", fingerprint=fingerprint, fault=note_of(error))


def _facts(
    file: NetworkFile, found: Reading, summary: Summary, fault: FaultNote | None
) -> FileFacts:
    structure = found.structure
    common = FileFacts(
        status="ok", fingerprint=found.fingerprint, structure=structure.digest,
        layouts=structure.layouts, embeddings=structure.embeddings,
    )
    if structure.not_a_lora:
        return replace(
            common, status="not_a_lora", kind=structure.not_a_lora,
            fault=_not_a_lora(structure.not_a_lora),
        )
    network = structure.network
    decided = decide(network, found.metadata, claims=_claims(summary), file_name=file.id)
    fault = _unusable(structure.unusable) if structure.unusable else fault
    return replace(
        common, kind="lora", status="broken" if fault else "ok", fault=fault,
        family=decided.family, variant=decided.variant, candidates=decided.candidates,
        confidence=decided.confidence, evidence=decided.evidence,
        types=network.types, rank=network.rank, ranks=network.ranks,
        components=network.components,
    )


def _claims(summary: Summary) -> Sequence[Claim]:
    """The base model in a sidecar's words; what the header says is read from the header."""
    source = summary.sources.get("base_model", "")
    if not summary.base_model or source in ("", "metadata"):
        return ()
    return (read_claim(source, summary.base_model),)


def _not_a_lora(what: str) -> FaultNote:
    return FaultNote(
        "not-a-lora", f"This is no LoRA; it is: {what}.", FAULTS["not-a-lora"].next_step)


def _unusable(problem: str) -> FaultNote:
    message = f"None of its modules can be used; the first: {problem}."
    return FaultNote("unusable", message, FAULTS["unusable"].next_step)
