"""The parsers of the commands that run and read files."""

from .compare import add_compare
from .inspect import add_inspect
from .predict import add_predict
from .test import add_test
from .triton import add_triton

__all__ = ["add_compare", "add_inspect", "add_predict", "add_test", "add_triton"]
