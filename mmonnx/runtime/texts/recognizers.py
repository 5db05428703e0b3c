"""Text recognizers: an exported file that takes pictures of words, and reads them."""

from dataclasses import replace
from typing import Any, Dict, List

import numpy as np

from .. import drawing, pipeline
from ..model import NO_IMAGE, Model, Picture, Ready, as_exported
from ..results import Text
from .reading import CHAR_MAPS, CHAR_SCORES, VALID_WIDTH, best_of, read_text

_QUARTER = 90


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
            The text, and a score for each of its characters; of a picture that is turned, the text of the best mean.

        Raises:
            InputError: it cannot be read, or not be brought into the network's size.
        """
        return self.read_answer(*self._answer(picture))

    def ready(self, picture: Picture) -> Ready:
        """A picture as the network takes it, turned as often as its pipeline says; errors as of a call."""
        image = self.read(picture)
        height, width = image.shape[:2]
        with as_exported(self._path, "has a test pipeline that cannot be applied"):
            steps = [_sized(step, (height, width)) for step in self._steps]
            turned = [np.ascontiguousarray(np.rot90(image, angle // _QUARTER)) for angle in self._angles(image)]
            crops = [pipeline.apply(steps, one) for one in turned]
            feed = np.concatenate([crop.feed for crop in crops])
        widths = np.array([crop.shape[1] for crop in crops], np.int64)
        beside = {VALID_WIDTH: widths} if VALID_WIDTH in self._session.input_names else {}
        whole = pipeline.Prepared(NO_IMAGE, (height, width), (height, width))
        return Ready(feed, {}, whole, [replace(crop, image=NO_IMAGE) for crop in crops], beside)

    def run(self, pictures: Any) -> List[Dict[str, np.ndarray]]:
        """Run the network on all turns of pictures; the outputs of each picture's, stacked. See ``Model.run``."""
        rows = [
            one._replace(
                feed=one.feed[turn : turn + 1],
                beside={name: value[turn : turn + 1] for name, value in one.beside.items()},
            )
            for one in pictures
            for turn in range(len(one.feed))
        ]
        found: List[Dict[str, np.ndarray]] = []
        while len(found) < len(rows):
            found += super().run(rows[len(found) :][: self.batch])
        rest = iter(found)
        parts = [[next(rest) for _ in one.feed] for one in pictures]
        return [{name: np.stack([one[name] for one in part]) for name in part[0]} for part in parts]

    def read_answer(self, ready: Ready, outputs: Dict[str, np.ndarray]) -> Text:
        """What ``run`` gave of a picture, as a call of this gives it.

        Raises:
            InputError: the outputs are not those of such a file.
        """
        with as_exported(self._path, "has outputs that cannot be read"):
            turns = outputs[CHAR_SCORES if CHAR_SCORES in outputs else CHAR_MAPS]
            texts = self.description.texts or {}
            shares = [crop.shape[1] / ready.feed.shape[3] for crop in ready.crops]
            return best_of([read_text(one, texts, self.classes, share) for one, share in zip(turns, shares)])

    def draw(self, picture: Picture, found: Text, score_thr: float = 0.0) -> np.ndarray:
        """The picture above what is written in it, BGR; ``score_thr`` is for other models."""
        canvas = drawing.enlarged(self.read(picture))[0]
        return np.vstack([canvas, drawing.caption(found.text, canvas.shape[1])])

    def _angles(self, image: np.ndarray) -> List[int]:
        turn = next((step for step in self._steps if step["type"] == "turn"), None)
        height, width = image.shape[:2]
        if turn is None or not (turn.get("always") or height > width):
            return [0]
        return [int(angle) for angle in turn["degrees"]]


def _sized(step: pipeline.Step, size: pipeline.Size) -> pipeline.Step:
    """A line step with the width that it gives the picture as it is: upstream has that of turned ones too."""
    return {**step, "width": pipeline.line_width(step, size)} if step["type"] == "line" else step
