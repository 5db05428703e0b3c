"""What a file takes beside each picture, by the picture's name: a mask, a trimap, a reference."""

import os
from typing import Dict, Mapping

from ...support import InputError
from ..images import is_known


class Beside:
    """Files that go with pictures.

    Args:
        given: a path by what it is: a file for all pictures, or a folder that has one of each picture's name, whatever
            the name ends in.

    Raises:
        InputError: a path does not exist.
    """

    def __init__(self, given: Mapping[str, str]) -> None:
        self._files: Dict[str, str] = {}
        self._folders: Dict[str, Dict[str, str]] = {}
        for name, path in given.items():
            if os.path.isdir(path):
                known = sorted(entry.path for entry in os.scandir(path) if entry.is_file() and is_known(entry.name))
                self._folders[name] = {_stem(one): one for one in known}
            elif os.path.isfile(path):
                self._files[name] = path
            else:
                raise InputError(
                    f"--with {name}={path} does not exist", "a file, or a folder of files", "check the path"
                )

    def of(self, path: str) -> Dict[str, str]:
        """The paths of what goes with a picture.

        Raises:
            InputError: a folder has none of its name.
        """
        found = dict(self._files)
        for name, files in self._folders.items():
            if _stem(path) not in files:
                raise InputError(
                    f"--with {name}=...: the folder has nothing named {_stem(path)!r}",
                    "a file of the picture's name",
                    "put it there",
                )
            found[name] = files[_stem(path)]
        return found


def _stem(path: str) -> str:
    return os.path.splitext(os.path.basename(path))[0]
