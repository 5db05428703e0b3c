"""The errors that mmonnx raises on purpose: each one is a single line that says what to do."""

from typing import Any, Optional, Tuple

from .text import printable


class MmonnxError(Exception):
    """Base of every error that mmonnx raises on purpose; ``status`` is the exit status of the command line."""

    status = 1


class InputError(MmonnxError):
    """Something that the user gave is wrong.

    Args:
        what: what is wrong, with the value.
        expected: what was expected instead.
        fix: what to do, as an imperative.
    """

    status = 2

    def __init__(self, what: str, expected: str, fix: str) -> None:
        self.what, self.expected, self.fix = what, expected, fix
        super().__init__(_one_line(f"{what}; expected {expected}; {fix}"))

    def __reduce__(self) -> Tuple[Any, ...]:
        """Other processes raise it too."""
        return type(self), (self.what, self.expected, self.fix)


def _one_line(text: str) -> str:
    return printable(" ".join(text.split()))


class FixedSizeError(InputError):
    """The model takes images of one size alone, and height and width were to be dynamic."""


class ExportError(MmonnxError):
    """The model could not be traced, or the traced graph cannot be used.

    Args:
        what: what is wrong; all of the message, with what was expected and what to do, where those are not given.
        expected: what was expected instead.
        fix: what to do, as an imperative.
    """

    status = 2

    def __init__(self, what: str, expected: str = "", fix: str = "") -> None:
        super().__init__(_one_line("; ".join([what, *([f"expected {expected}", fix] if expected else [])])))


class NewerOpsetError(ExportError):
    """The model has an operator that cannot be written at the opset of the file.

    Args:
        what: what is wrong.
        opset: the first one at which it can be.
    """

    def __init__(self, what: str, opset: int) -> None:
        self.what, self.opset = what, opset
        super().__init__(what, f"opset {opset} or later", f"give --opset-version {opset}")


class VerificationError(ExportError):
    """A verification that was asked for did not hold: the file differs from PyTorch, or nothing could be compared.

    Args:
        what, expected, fix: see ``ExportError``.
        exported: the ``mmonnx.pipeline.Exported`` with every case's result.
    """

    status = 1

    def __init__(self, what: str, expected: str = "", fix: str = "", exported: Any = None) -> None:
        self.exported = exported
        super().__init__(what, expected, fix)


class LossError(ExportError):
    """A file in fewer bits loses more than is allowed; arguments are those of ``ExportError``."""

    status = 1


class MissingOperatorError(MmonnxError, NotImplementedError):
    """A compiled operator of mmcv was called that the fallback does not provide."""


def first_line(error: BaseException) -> str:
    """The first line of an error's message that says something; its type if none does."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].strip()


def type_and_line(error: BaseException) -> str:
    """The first line of an error's message, after its type."""
    kind = type(error).__name__
    return f"{kind}: {first_line(error)}" if str(error).strip() else kind


_MEMORY = ("can't allocate memory", "not enough memory", "out of memory", "bad_alloc", "Failed to allocate memory")


def is_out_of_memory(error: Optional[BaseException]) -> bool:
    """Whether an error, or what it came from, says that there is no memory; each library says it in its own words."""
    while error is not None:
        if isinstance(error, MemoryError) or any(words in str(error) for words in _MEMORY):
            return True
        error = error.__cause__
    return False
