"""The command line: every command's arguments, and nothing else.

In: words. Out: settings for the other rooms, and an exit status. Touched: the standard streams.
"""

from .parsers import main

__all__ = ["main"]
