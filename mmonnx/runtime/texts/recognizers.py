"""Text recognizers: an exported file that takes pictures of words, and reads them."""

from typing import Dict

import numpy as np

from .. import drawing
from ..model import Model, Picture, Ready, as_exported
from ..results import Text
from .reading import CHAR_MAPS, CHAR_SCORES, VALID_WIDTH, read_text


class TextRecognizer(Model):
    """Reads the text of a picture, as mmocr's ``model_inference`` of a recognizer."""

    tasks = ("text recognition",)

    @property
    def stretches(self) -> bool:  # type: ignore[override]
        """See ``Model``; a file that cannot be told where a picture ends would read what it was filled up with."""
        return VALID_WIDTH not in self._session.input_names

    def __call__(self, picture: Picture) -> Text:
        """Read what is written.

        Args:
            picture: an image file; or BGR uint8 (H, W, 3), or what ``read`` gives of a file for other pictures.

        Returns:
            The text, and a score for each of its characters.

        Raises:
            InputError: it cannot be read, or not be brought into the network's size.
        """
        return self.read_answer(*self._answer(picture))

    def read_answer(self, ready: Ready, outputs: Dict[str, np.ndarray]) -> Text:
        """What ``run`` gave of a picture, as a call of this gives it.

        Raises:
            InputError: the outputs are not those of such a file.
        """
        with as_exported(self._path, "has outputs that cannot be read"):
            values = outputs[CHAR_SCORES if CHAR_SCORES in outputs else CHAR_MAPS]
            share = ready.prepared.shape[1] / ready.feed.shape[3]
            return read_text(values, self.description.texts or {}, self.classes, share)

    def draw(self, picture: Picture, found: Text, score_thr: float = 0.0) -> np.ndarray:
        """The picture above what is written in it, BGR; ``score_thr`` is for other models."""
        canvas = drawing.enlarged(self.read(picture))[0]
        return np.vstack([canvas, drawing.caption(found.text, canvas.shape[1])])
