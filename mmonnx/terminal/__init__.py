"""What a person sees in the terminal: a line for each stage, a progress bar where it is long, tables.

In: text, rows, items to count. Out: lines on a stream. Touched: that stream.
"""

from .report import Report, Row

__all__ = ["Report", "Row"]
