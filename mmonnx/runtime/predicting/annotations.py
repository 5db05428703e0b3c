"""The texts of pictures, for files that say what these are, out of a file of lines as mmocr's datasets have it."""

import json
import os
from pathlib import PurePath
from typing import Any, Dict, List

from ...support import InputError
from ..annotations import check_page


class Annotations:
    """Lines of JSON, each with the ``file_name`` of a picture and its ``annotations``.

    Args:
        path: the file.

    Raises:
        InputError: it cannot be read, or has other lines.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._found: Dict[str, List[Any]] = {}
        try:
            with open(path, encoding="utf-8") as file:
                for number, line in enumerate(file, 1):
                    if line.strip():
                        self._add(number, line)
        except OSError as error:
            raise InputError(
                f"--annotations {path!r} cannot be read ({error.strerror})", "a file", "check the path"
            ) from error
        except UnicodeDecodeError as error:
            raise InputError(
                f"--annotations {path!r} is no text", "lines of JSON in UTF-8", "check the path"
            ) from error

    def of(self, path: str) -> List[Any]:
        """The annotations of a picture: of the line whose ``file_name`` is its path, or the most of its end.

        Raises:
            InputError: there is no such line.
        """
        parts = PurePath(os.path.normpath(path)).parts
        names = (str(PurePath(*parts[start:])) for start in range(len(parts)))
        found = next((self._found[name] for name in names if name in self._found), None)
        if found is None:
            raise InputError(
                f"--annotations {self._path!r} has nothing of {path!r}",
                "a line with the end of the picture's path as file_name",
                "add it, or leave the picture out",
            )
        return found

    def _add(self, number: int, line: str) -> None:
        try:
            page = json.loads(line)
            name, annotations = os.path.normpath(page["file_name"]), page["annotations"]
            check_page(annotations)
        except InputError as error:
            raise InputError(
                f"line {number} of --annotations {self._path!r}: {error.what}", error.expected, error.fix
            ) from error
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise InputError(
                f"line {number} of --annotations {self._path!r} is none of mmocr's",
                'JSON as {"file_name": ..., "annotations": [{"box": [...], "text": ...}]}',
                "fix it",
            ) from error
        self._found[name] = annotations
