"""What ONNX Runtime's tools say, which is nothing to someone who exports a model."""

import contextlib
import io
import logging
from typing import Iterator


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Keep what they log and print to themselves."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(before)
