"""Where the files are that come with the package but are no Python modules of it."""

from pathlib import Path

from .errors import InputError

_PACKAGE = Path(__file__).resolve().parents[1]


def config_root() -> Path:
    """The folder of the project's own configs, which holds, for example, ``digits/``.

    Raises:
        InputError: it is not there.
    """
    return _data_root("configs")


def patch_root() -> Path:
    """The folder of the patches for upstream checkouts, which holds ``series``.

    Raises:
        InputError: it is not there.
    """
    return _data_root("patches")


def _data_root(name: str) -> Path:
    """Find a folder of data files.

    A wheel carries them inside the package (setup.py puts them there); in a checkout, also one that is installed
    with ``pip install -e``, they lie beside the package.
    """
    # The package's own copy goes first: beside an installed package, a folder of that name may be somebody else's.
    for folder in (_PACKAGE / name, _PACKAGE.parent / name):
        if folder.is_dir():
            return folder
    raise InputError(
        f"mmonnx's own {name} are not at {_PACKAGE / name}",
        "a whole installation or a checkout",
        "install mmonnx again",
    )
