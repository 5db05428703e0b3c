"""Where the files are that come with the package but are no Python modules of it."""

from pathlib import Path

from mmonnx.errors import InputError

_PACKAGE = Path(__file__).resolve().parent


def config_root() -> Path:
    """Find the folder of the project's own configs.

    A wheel carries them inside the package (setup.py copies them there); in a checkout, also one that is installed
    with ``pip install -e``, they are the folder ``configs`` beside the package.

    Returns:
        The absolute path of the folder that holds, for example, ``digits/``.

    Raises:
        InputError: neither place has them.
    """
    # The package's own copy goes first: beside an installed package, `configs` may be somebody else's.
    for folder in (_PACKAGE / "configs", _PACKAGE.parent / "configs"):
        if folder.is_dir():
            return folder
    raise InputError(
        f"mmonnx's own configs are not at {_PACKAGE / 'configs'}",
        "a whole installation or a checkout",
        "install mmonnx again",
    )
