"""Two results side by side in one picture: PyTorch's on the left, the file's on the right."""

import os
from typing import Optional, Sequence, Union

import cv2
import numpy as np

from ..loading import Task, draw_result
from ..runtime import Result, drawing
from ..support import replacing
from .verification import Case, compare


def side_by_side(
    task: Task,
    case: Case,
    expected: Sequence[Result],
    actual: Sequence[Result],
    path: Union[str, "os.PathLike[str]"],
) -> None:
    """Write the picture of a case as PNG: a row per image of the batch, PyTorch left, the runtime right.

    Args:
        task: names the classes.
        case: the images, of the network's input size.
        expected: PyTorch's results, one per image (or one for the whole batch).
        actual: the runtime's.
        path: the PNG's; its folder is made if it is missing.

    Raises:
        OSError: the file cannot be written.
    """
    # Raw outputs are those of the whole batch at once: there is one result, and one picture is enough.
    rows = [
        np.hstack([_panel(image, one, task, "PyTorch", None), _panel(image, two, task, "ONNX", one)])
        for image, one, two in zip(case.images, expected, actual)
    ]
    title = drawing.caption(f"{task.title}: {case.name}", rows[0].shape[1])
    done, data = cv2.imencode(".png", np.vstack([title, *rows]))
    if not done:
        raise OSError(f"OpenCV cannot encode a picture for {os.fspath(path)}")
    with replacing(path) as temporary:
        temporary.write_bytes(data.tobytes())


def file_name(case: Case) -> str:
    """A name for a case's picture: ``photograph_800x1216.png``."""
    return "".join(letter if letter.isalnum() else "_" for letter in case.name) + ".png"


def _panel(image: np.ndarray, result: Result, task: Task, side: str, other: Optional[Result]) -> np.ndarray:
    """One result on its picture, with a caption above; ``other`` is PyTorch's, to say what differs."""
    canvas, scale = drawing.enlarged(image)
    canvas, note = draw_result(task.kinds, canvas, scale, result, task.classes, skeleton=task.skeleton)
    if other is not None:
        note += ", " + _difference(task, other, result)
    return drawing.framed(canvas, f"{side}: {note}")


def _difference(task: Task, expected: Result, actual: Result) -> str:
    """How the runtime's result compares with PyTorch's, by the rule that gives the verdict."""
    found = compare(task, expected, actual)
    text = f"{found.matched}/{found.total} match" if found.total else "as PyTorch"
    if found.max_box is not None:
        text += f", {found.max_box:.2g} px"
    elif found.max_score is not None:
        text += f", difference {found.max_score:.2g}"
    return text if found.ok else f"{text}: MISMATCH"
