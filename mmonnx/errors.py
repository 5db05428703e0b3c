"""The errors that mmonnx raises on purpose: each one is a single line that says what to do."""


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
        line = f"{what}; expected {expected}; {fix}"
        super().__init__(" ".join(line.split()))


class FixedSizeError(InputError):
    """The model takes images of one size alone, and height and width were to be dynamic."""


class ExportError(MmonnxError):
    """The model could not be traced, or the traced graph cannot be used."""


class MissingOperatorError(MmonnxError, NotImplementedError):
    """A compiled operator of mmcv was called that the fallback does not provide."""


def first_line(error: BaseException) -> str:
    """The first line of an error's message that says something; its type if none does."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].strip()


def type_and_line(error: BaseException) -> str:
    """The first line of an error's message, after its type."""
    kind = type(error).__name__
    return f"{kind}: {first_line(error)}" if str(error).strip() else kind
