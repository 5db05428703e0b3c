"""OpenCV's dnn module, from OpenCV 5 on."""

import importlib
from typing import Any, Dict, Sequence

import numpy as np


def version() -> str:
    """The installed version; ImportError without one."""
    import cv2

    return str(cv2.__version__)


class Engine:
    """A file in OpenCV; arguments and errors are those of every engine, see ``engines.worker``."""

    def __init__(self, path: str, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        dnn: Any = importlib.import_module("cv2.dnn")  # by name: mypy knows OpenCV 4

        # The new one alone: of itself OpenCV falls back to the older one, which takes other files.
        self._net = dnn.readNetFromONNX(path, dnn.ENGINE_NEW)
        self._outputs = list(outputs)

    def run(self, feeds: Dict[str, np.ndarray]) -> Dict[str, np.ndarray]:
        """The outputs by name."""
        for name, array in feeds.items():
            self._net.setInput(np.ascontiguousarray(array), name)
        found = self._net.forward(self._outputs)
        return {name: np.array(value) for name, value in zip(self._outputs, found)}
