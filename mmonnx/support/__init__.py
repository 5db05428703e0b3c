"""What the rest stands on: errors, files put in place whole, the lock of a process, quoting, reading KEY=VALUE.

In: plain values. Out: plain values, or an error that says what to do. Touched: files, by ``atomic`` alone. It imports
nothing but the standard library, so that ``import mmonnx`` costs a training nothing.
"""

from . import key_values
from .atomic import alone_in, check_writable, ending_signals_exit, lock, replacing, replacing_many
from .errors import (
    ExportError,
    FixedSizeError,
    InputError,
    LossError,
    MissingOperatorError,
    MmonnxError,
    NewerOpsetError,
    VerificationError,
    first_line,
    is_out_of_memory,
    type_and_line,
)
from .key_values import parse
from .later import dynamo_later, import_when_used
from .lazy import lazy
from .memory import MAX_PIXELS, check_images, check_memory
from .native import quiet
from .resources import config_root, patch_root
from .shell import command_line, path_word
from .syntax import syntax_trees
from .text import printable
from .threads import alone, shared
from .version import __version__

__all__ = [
    "ExportError",
    "FixedSizeError",
    "InputError",
    "LossError",
    "MAX_PIXELS",
    "MissingOperatorError",
    "MmonnxError",
    "NewerOpsetError",
    "VerificationError",
    "__version__",
    "alone",
    "alone_in",
    "check_images",
    "check_memory",
    "check_writable",
    "command_line",
    "config_root",
    "dynamo_later",
    "ending_signals_exit",
    "first_line",
    "import_when_used",
    "is_out_of_memory",
    "key_values",
    "lazy",
    "lock",
    "parse",
    "patch_root",
    "path_word",
    "printable",
    "quiet",
    "replacing",
    "replacing_many",
    "shared",
    "syntax_trees",
    "type_and_line",
]
