"""How far a run is, for a terminal."""

import contextlib
import os
import sys
from typing import Any, Callable, Iterator

from ...support import printable

Show = Callable[..., None]


@contextlib.contextmanager
def progress(sources: int) -> Iterator[Show]:
    """A function that shows how far it is, on a terminal alone.

    It is told the picture or video that is done; or a video, the number of a frame of it that is done, and how many
    frames there are (0 where that is not known).
    """
    if not sys.stderr.isatty():
        yield lambda name, frame=None, frames=0: None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import Progress

    # a descriptor of its own: while pictures are read, nothing that is written to stderr's is seen, see ``quiet``
    terminal = os.fdopen(os.dup(sys.stderr.fileno()), "w")
    with terminal, Progress(console=Console(file=terminal), transient=True) as bar:
        whole = bar.add_task("predict", total=sources)
        inside = bar.add_task("", total=None, visible=False)

        def show(name: str, frame: Any = None, frames: int = 0) -> None:
            shown = escape(printable(name))
            if frame is None:
                bar.update(inside, visible=False)
                bar.update(whole, description=shown, advance=1)
            else:
                bar.update(inside, description=f"{shown}, frames", completed=frame, total=frames or None, visible=True)

        yield show
