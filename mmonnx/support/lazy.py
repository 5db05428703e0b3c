"""Names of a package that are imported when somebody asks for them."""

import importlib
from typing import Any, Callable, Mapping


def lazy(package: str, names: Mapping[str, str]) -> Callable[[str], Any]:
    """The ``__getattr__`` of a package some of whose names cost an import that not everybody needs.

    Args:
        package: its ``__name__``.
        names: where in the package each of these names is: a module that has it, ``module:its name there``, or
            ``module:`` for the module itself.
    """

    def get(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        path, colon, there = names[name].partition(":")
        module = importlib.import_module(f".{path}", package)
        return module if colon and not there else getattr(module, there or name)

    return get
