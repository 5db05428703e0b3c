"""Where Python finds the modules that a model is made of."""

import importlib
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, List

from ..support import InputError, alone


@contextmanager
def found_in(*folders: str) -> Iterator[None]:
    """Find modules in these folders too, after everything that is installed."""
    with alone():
        sys.path.extend(folders)
        try:
            yield
        finally:
            for folder in folders:  # the last one of that name: it may have been there before
                del sys.path[len(sys.path) - 1 - sys.path[::-1].index(folder)]


@alone()
def use_root(root: str) -> List[str]:
    """Use the source tree of mmdet or mmcls instead of the installed package, for the rest of the process.

    Args:
        root: the tree's top folder, which has ``mmdet/`` or ``mmcls/`` in it, and ``configs/``.

    Returns:
        The packages that it has.

    Raises:
        InputError: it has none of them, or another one is imported already.
    """
    folder = Path(root).resolve()
    known = _packages()
    packages = [name for name in known if (folder / name / "__init__.py").is_file()]
    if not packages:
        raise InputError(
            f"--codebase-root {root!r} has no {' or '.join(f'{name}/__init__.py' for name in known)}",
            f"the top folder of a source tree of {' or '.join(known)}",
            "check the path",
        )
    for name in packages:
        imported = getattr(sys.modules.get(name), "__file__", None)
        if imported and Path(imported).resolve().parent.parent != folder:
            raise InputError(
                f"--codebase-root {root!r}: {name} is imported already, from {Path(imported).parent}",
                "a process that has not imported it",
                "start another one",
            )
    if str(folder) not in sys.path[:1]:
        sys.path.insert(0, str(folder))
        importlib.invalidate_caches()
    return packages


def _packages() -> List[str]:
    from .codebase import packages  # a codebase reads its configs, which needs this module

    return packages()
