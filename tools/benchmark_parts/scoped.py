"""Replacing an attribute for a while."""

import contextlib
from typing import Any, Iterator


@contextlib.contextmanager
def replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Set an attribute of a class or module inside the block, and put the old value back after it."""
    before = vars(owner).get(name)
    known = name in vars(owner)
    setattr(owner, name, value)
    try:
        yield
    finally:
        if known:
            setattr(owner, name, before)
        else:
            delattr(owner, name)
