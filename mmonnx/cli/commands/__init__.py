"""The parsers of the commands that run and read files."""

from .compare import add_compare
from .inspect import add_inspect
from .predict import add_predict
from .quantize import add_precision, add_quantize, precision_of
from .test import add_test
from .triton import add_triton

__all__ = [
    "add_compare",
    "add_inspect",
    "add_precision",
    "add_predict",
    "add_quantize",
    "add_test",
    "add_triton",
    "precision_of",
]
