"""Texts on a page for sample inputs, drawn, the same every time; and what a config's files say of real ones."""

from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Tuple

import numpy as np

from ...runtime import relations_of
from ...support import InputError

Shape = Tuple[int, int]
PAGE = (1024, 512)
"""(height, width) in pixels of a page that nobody looks at."""
NORM = 10.0
"""What distances are divided by where no config says."""
EMPTY = 100
"""The seed of a page of which most texts are empty."""
_NOTHING = -1
"""What texts are filled up with."""


def page(shape: Shape, count: int, length: int, characters: int, seed: int) -> Dict[str, np.ndarray]:
    """Texts of several lengths in boxes of several sizes, some of which cross.

    Args:
        shape: (height, width) of the page in pixels.
        count: how many texts there are.
        length: how many characters the longest one has.
        characters: how many the model knows, the one for nothing among them.
        seed: of what is drawn.

    Returns:
        ``relations`` (n, n, 5) float32, ``texts`` (n, L) int64, filled up with -1, and ``boxes`` (n, 4) float32.
    """
    random = np.random.RandomState(seed)
    size = np.array(shape[::-1])
    corners = random.uniform(0, 0.8, (count, 2)) * size
    sides = random.uniform(0.02, 0.6, (count, 2)) * [1, 0.3] * size
    # as annotations have them: whole numbers
    boxes = np.concatenate([corners, np.minimum(corners + sides + 1, size - 1)], 1).round().astype(np.float32)
    texts = random.randint(1, characters, (count, length))
    lengths = random.randint(0, length + 1, count)
    lengths[1::2] = 0 if seed == EMPTY else lengths[1::2]
    lengths[random.randint(count) // 2 * 2] = length  # upstream takes no texts that are filled up beyond the longest
    texts[np.arange(length)[None] >= lengths[:, None]] = _NOTHING
    return {"relations": relations_of(boxes, NORM), "texts": texts.astype(np.int64), "boxes": boxes}


def first_set(config: Any) -> Mapping[str, Any]:
    """The test set of a config, or the first one of several; empty where it has none."""
    test = config.get("data", {}).get("test") or {}
    while isinstance(test, (list, tuple)) or "datasets" in test:
        rows = test if isinstance(test, (list, tuple)) else test["datasets"]
        test = rows[0] if rows else {}
    return test


def characters_of(path: Optional[str]) -> Optional[List[str]]:
    """What each number above 0 stands for, one a line; None where the file is not here."""
    if not path or not Path(path).is_file():
        return None
    return [line.rstrip("\r\n") for line in _lines(path)]


def classes_of(path: Optional[str], count: int) -> List[str]:
    """The names of the classes of a file of ``0 Name`` a line; empty where it is not here.

    Raises:
        InputError: it says something else.
    """
    if not path or not Path(path).is_file():
        return []
    rows = [line.split() for line in _lines(path) if line.strip()]
    known = {row[0]: row[1] for row in rows if len(row) == 2}
    if len(known) != len(rows) or not all(name.isdigit() for name in known):
        raise InputError(f"class_list '{path}' has a line that is no class", "'0 Name' in each line", "fix the file")
    return [known.get(str(number), str(number)) for number in range(count)]


def _lines(path: str) -> List[str]:
    try:
        return Path(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"'{path}' cannot be read ({error})", "a text in UTF-8", "give another file") from error
