"""A file in ONNX Runtime against the same file in another runtime: which answers differ, and from which operator on.

In: an ONNX file, a runtime's name. Out: a ``Comparison``. Touched: the terminal; child processes while they run.
"""

from .comparing import Compared, CompareSettings, Comparison, compare
from .showing import as_data, show_comparison

__all__ = ["CompareSettings", "Compared", "Comparison", "as_data", "compare", "show_comparison"]
