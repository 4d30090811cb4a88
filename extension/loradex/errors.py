"""Every error that Loradex raises on purpose, with words that all surfaces show alike.

LoradexError
├── FileError                     a file is not what it should be
│   ├── HeaderError               the header of a model file cannot be read
│   │   └── IncompleteFileError   the file is shorter than its own header says
│   ├── UnsafeFileError           a pickle that wants to run code
│   └── SidecarError              a sidecar cannot be written and was left alone
├── NetworkError                  a network cannot be used
│   ├── NetworkNotFoundError      no file of that name; the nearest names are offered
│   ├── AmbiguousNameError        several files of that name; the shortest unique names are offered
│   ├── UnknownNetworkTypeError   no network type admits the tensors of a module
│   ├── BrokenNetworkError        a factor is missing, not finite or of an impossible shape
│   └── IncompatibleNetworkError  the network is for another base model
├── PromptError                   a tag in the prompt cannot be read
├── PatchError                    writing weights failed; the weights were restored
├── InputError                    a value that the user gave cannot be used
└── CancelledError                the user stopped the run
"""

from __future__ import annotations

from collections.abc import Sequence


class LoradexError(Exception):
    """A problem told in four parts: subject, what was found, what was expected, next step."""

    code = "error"

    def __init__(
        self, subject: str, found: str, expected: str = "", next_step: str = "", code: str = ""
    ) -> None:
        super().__init__(subject, found, expected, next_step)
        self.subject = subject
        self.found = found
        self.expected = expected
        self.next_step = next_step
        self.code = code or type(self).code

    def __str__(self) -> str:
        parts = [f"{self.subject}: {self.found}"]
        if self.expected:
            parts.append(f"expected {self.expected}")
        sentence = "; ".join(parts).rstrip(".") + "."
        return f"{sentence} {self.next_step}".strip()

    def as_dict(self) -> dict[str, str]:
        """The same parts for JSON surfaces; `message` is the line that people read."""
        return {
            "code": self.code,
            "subject": self.subject,
            "found": self.found,
            "expected": self.expected,
            "next_step": self.next_step,
            "message": str(self),
        }


class FileError(LoradexError):
    """A file is not what it should be."""

    code = "file"


class HeaderError(FileError):
    """The header of a model file cannot be read; `code` names the fault."""

    code = "header"


class IncompleteFileError(HeaderError):
    """The file is shorter than its own header says."""

    code = "truncated"


class UnsafeFileError(FileError):
    """A pickle that names something other than tensors and plain containers."""

    code = "unsafe-pickle"


class SidecarError(FileError):
    """A sidecar is another tool's, damaged or locked: it was left alone."""

    code = "sidecar"


class NetworkError(LoradexError):
    """A network cannot be used."""

    code = "network"


class NetworkNotFoundError(NetworkError):
    """No file answers to a name; `near` holds the nearest names, best first."""

    code = "not-found"

    def __init__(self, name: str, near: Sequence[str] = (), searched: str = "") -> None:
        where = f" in {searched}" if searched else ""
        step = "Check the name and the LoRA folder."
        if near:
            step = "Did you mean " + " or ".join(f"'{n}'" for n in near) + "?"
        super().__init__(f"<lora:{name}>", f"no network of that name{where}", "", step)
        self.name = name
        self.near = tuple(near)


class AmbiguousNameError(NetworkError):
    """Several files answer to a name; `choices` holds the shortest unique names."""

    code = "ambiguous"

    def __init__(self, name: str, choices: Sequence[str]) -> None:
        listed = ", ".join(f"'{c}'" for c in choices)
        super().__init__(
            f"<lora:{name}>", f"{len(choices)} networks have that name", "one",
            f"Write one of {listed}.",
        )
        self.name = name
        self.choices = tuple(choices)


class UnknownNetworkTypeError(NetworkError):
    """No network type admits the tensors of a module."""

    code = "unknown-type"


class BrokenNetworkError(NetworkError):
    """A factor is missing, not finite or of an impossible shape."""

    code = "broken"


class IncompatibleNetworkError(NetworkError):
    """The network is for another base model than the one that is loaded."""

    code = "incompatible"


class PromptError(LoradexError):
    """A tag in the prompt cannot be read."""

    code = "prompt"


class PatchError(LoradexError):
    """Writing weights failed; every weight of the component was restored first."""

    code = "patch"


class InputError(LoradexError):
    """A value that the user gave cannot be used."""

    code = "input"


class CancelledError(LoradexError):
    """The user stopped the run."""

    code = "cancelled"
