"""Every fault that a model file can have: its code, what it means, what to do, how bad it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, NamedTuple

from loradex.errors import LoradexError

AGAIN = "Download it again."
_WRITTEN = "Download it again; if that changes nothing, the tool that wrote it made the fault."
_UNPACK = "Unpack it and use the model inside."
_LATER = "Close the program that uses it and try again."
_RETRAIN = "Use an earlier epoch or another version: the training went wrong."

Severity = Literal["error", "warning"]
"""`error`: the file cannot be used as it is. `warning`: it works, but is not what it should be."""


@dataclass(frozen=True)
class FaultKind:
    """One kind of fault, in the words for a list of them."""

    code: str
    meaning: str
    next_step: str
    severity: Severity = "error"


_KINDS = (
    # The file is not there yet, or not readable.
    FaultKind("unreadable", "The system does not let the file be read.", _LATER),
    FaultKind("changed", "The file was written to while it was read.",
              "Wait until it rests and try again.", "warning"),
    FaultKind("unfinished", "The download or copy has not ended.",
              "Wait for its end; if nothing is running any more, start it again."),
    # The file is something else.
    FaultKind("empty", "The file has no bytes.", AGAIN),
    FaultKind("zeros", "Nothing but zero bytes: space was reserved and never filled.",
              "Let the download finish, or start it again."),
    FaultKind("html-page", "A web page that a site sent instead of the model.",
              "Download the model itself: the site may have asked for a login or a licence."),
    FaultKind("json-page", "A site's answer in JSON, mostly an error, instead of the model.",
              "Read what it says, log in or add your API key, and download it again."),
    FaultKind("text-page", "A text that a site sent instead of the model.", AGAIN),
    FaultKind("lfs-pointer", "A git-LFS pointer: it names the model and does not contain it.",
              "Run 'git lfs pull' in that folder, or download the file itself."),
    FaultKind("pickle", "A PyTorch pickle under the name of a safetensors file.",
              "Rename it to .pt, or convert it to safetensors."),
    FaultKind("unsafe-pickle", "A pickle that would run code when it is opened.",
              "Do not open it with other tools; look for a safetensors version."),
    FaultKind("damaged", "A pickle that cannot be read to its end.", AGAIN),
    FaultKind("no-tensors", "A pickle without tensors that have names.",
              "Use the model that it belongs to, if there is one."),
    FaultKind("archive", "An archive (zip, 7z, RAR, gzip) under the name of a model.", _UNPACK),
    FaultKind("gguf", "A GGUF file, another format for models.",
              "Download the safetensors version."),
    FaultKind("picture", "A picture or a film under the name of a model.", AGAIN),
    FaultKind("document", "A PDF document under the name of a model.", AGAIN),
    # The frame: eight bytes of length, the header, the data.
    FaultKind("too-short", "Fewer bytes than the length of a header takes.", AGAIN),
    FaultKind("empty-header", "The header has no bytes.", AGAIN),
    FaultKind("header-too-long", "The header's length is beyond what the format allows.", AGAIN),
    FaultKind("header-cut", "The file ends inside its header.", AGAIN),
    FaultKind("truncated", "The file ends before its last tensor.", AGAIN),
    FaultKind("trailing-bytes",
              "Bytes follow the last tensor: readers refuse such a file, although its tensors may "
              "be whole.", "Cut the surplus off, or download it again."),
    # The header's text.
    FaultKind("not-utf8", "The header is no UTF-8 text.", AGAIN),
    FaultKind("not-json", "The header is no JSON.", AGAIN),
    FaultKind("duplicate-key", "The header names something twice.", _WRITTEN),
    FaultKind("wrong-json", "The header is JSON of another form than a list of tensors.", _WRITTEN),
    FaultKind("metadata-not-text", "The metadata holds something that is no text.",
              "Save it again with the safetensors library: its metadata is text to text."),
    # What the header says of the tensors.
    FaultKind("unknown-dtype", "A tensor has a type that the format does not know.",
              "Update Loradex, or save the model as fp16 with the tool that made it."),
    FaultKind("size-mismatch", "A tensor has more or fewer bytes than its shape and type say.",
              _WRITTEN),
    FaultKind("overlap", "Two tensors share bytes.", _WRITTEN),
    FaultKind("gap", "Bytes between two tensors belong to none.", _WRITTEN),
    # What the tensors make up.
    FaultKind("not-a-lora", "A whole model file of another kind: ControlNet, VAE, checkpoint ...",
              "Move it to the folder where such files belong."),
    FaultKind("unusable", "No module of the network has the factors that its type needs.",
              "Get the file again from where it was made."),
    # Several files.
    FaultKind("duplicate", "Another file has the same content.",
              "Keep one of them; the other can go to the trash.", "warning"),
    FaultKind("broken-sidecar", "A note of a tool beside the model is damaged.",
              "Correct the file or move it away; the model itself is not concerned.", "warning"),
    # Values, seen by a deep check.
    FaultKind("not-finite", "Tensors hold values that are no numbers or infinite.", _RETRAIN),
    FaultKind("zero-tail", "All tensors from some place to the end are zero: a download that "
              "reserved its space and stopped.", AGAIN),
    FaultKind("no-effect", "Every up matrix is zero: the network changes nothing.",
              "Use another version: this one was saved before any training."),
    FaultKind("zero-up", "Some up matrices are zero: these modules change nothing.",
              "Nothing has to be done where the trainer froze these parts.", "warning"),
    FaultKind("alpha-not-finite", "An alpha is no number or infinite.", _RETRAIN),
    FaultKind("zero-alpha", "An alpha is zero: these modules change nothing.",
              "Set alpha to the rank with a LoRA editor, or use another version.", "warning"),
    FaultKind("absurd-alpha", "An alpha is far beyond the rank: the effect is multiplied.",
              "Begin with a strength of rank divided by alpha.", "warning"),
    FaultKind("absurd-norm", "The change of a module is far larger than any weight of a model.",
              "Try a far lower strength, or an earlier epoch.", "warning"),
    FaultKind("fp16-overflow", "Values are too large for fp16 and become infinite there.",
              "Run the model in bf16 or fp32, or lower the strength.", "warning"),
)  # fmt: skip

FAULTS: Mapping[str, FaultKind] = MappingProxyType({kind.code: kind for kind in _KINDS})


class FaultText(NamedTuple):
    """What is wrong with one file: the code, a sentence without the file's name, what to do."""

    code: str
    message: str
    next_step: str

    @property
    def severity(self) -> Severity:
        kind = FAULTS.get(self.code)
        return kind.severity if kind else "error"


def explain(error: LoradexError) -> FaultText:
    """An error as a fault of its file; the name is left out, since files are renamed."""
    expected = f"; expected {error.expected}" if error.expected else ""
    found = error.found[:1].upper() + error.found[1:]
    kind = FAULTS.get(error.code)
    next_step = error.next_step or (kind.next_step if kind else "")
    return FaultText(error.code, f"{found}{expected}".rstrip(".") + ".", next_step)


class Fault(Exception):  # noqa: N818 - never leaves the reader, which turns it into a HeaderError
    """One fault of a header: its code, what was found, what was expected, the next step.

    Without a next step it is the one that the list above has for the code.
    """

    def __init__(self, code: str, found: str, expected: str = "", next_step: str = "") -> None:
        super().__init__(code, found)
        self.code = code
        self.found = found
        self.expected = expected
        kind = FAULTS.get(code)
        self.next_step = next_step or (kind.next_step if kind else "")
