"""Text detectors: an exported file that takes pictures, and finds where text is."""

from typing import Dict

import numpy as np

from .. import drawing
from ..model import Model, Picture, Ready, as_exported
from ..results import TextRegions
from .regions import regions_of


class TextDetector(Model):
    """Finds text in pictures, as mmocr's ``model_inference`` of a detector."""

    tasks = ("text detection",)

    def __call__(self, picture: Picture) -> TextRegions:
        """Find where text is.

        Args:
            picture: an image file; or BGR uint8 (H, W, 3), or what ``read`` gives of a file for other pictures.

        Returns:
            Boundaries in pixels of the picture, in the order in which upstream gives them.

        Raises:
            InputError: it cannot be read, or not be brought into the network's size.
        """
        return self.read_answer(*self._answer(picture))

    def read_answer(self, ready: Ready, outputs: Dict[str, np.ndarray]) -> TextRegions:
        """What ``run`` gave of a picture, as a call of this gives it.

        Raises:
            InputError: the outputs are not those of such a file.
        """
        with as_exported(self._path, "has outputs that cannot be read"):
            return regions_of(outputs, self.description.texts or {}, ready.prepared.scale)

    def draw(self, picture: Picture, found: TextRegions, score_thr: float = 0.5) -> np.ndarray:
        """The picture with the boundaries of text, BGR; those below the threshold are left out."""
        canvas = drawing.viewable(self.read(picture)).copy()
        drawing.draw_regions(canvas, found, 1, score_thr)
        return canvas
