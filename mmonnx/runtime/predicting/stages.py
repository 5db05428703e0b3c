"""What is done to each picture, from its file to what is written of it."""

import json
import os
import tempfile
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np

from ...support import InputError
from ..model import Ready
from .annotations import Annotations
from .beside import Beside
from .boxes import Boxes
from .drawings import encoded, suffix_for, suffix_of
from .flow import Loaded
from .items import Item
from .records import Record, failure_of, record_of


class Outcome(NamedTuple):
    """What the stages make of a picture.

    Attributes:
        record: what is written of it.
        text: the same as JSON.
        drawing: a picture's encoded drawing, or a frame's as BGR; None where nothing is drawn.
    """

    record: Record
    text: str
    drawing: Union[None, bytes, np.ndarray]


class Picture(NamedTuple):
    """A picture, or a film, on its way: where it is to be drawn, its (height, width), and what the network gets."""

    image: Any
    size: Tuple[int, int]
    ready: Ready


class Stages:
    """What is done to each picture; called from several threads.

    Args:
        model: what answers.
        score_thr: of what is drawn.
        draws: whether anything is.
        boxes: for whose boxes a ``PoseEstimator`` is to find key points; None for a box around each picture.
        beside: what an ``ImageEditor`` takes beside each picture; None for nothing.
        top: see ``record_of``.
        annotations: the texts of each picture, of a ``KeyInformationExtractor``; None for nothing.
    """

    def __init__(
        self,
        model: Any,
        score_thr: float,
        draws: bool,
        boxes: Optional[Boxes] = None,
        beside: Optional[Beside] = None,
        top: Optional[int] = None,
        annotations: Optional[Annotations] = None,
    ) -> None:
        self._model, self._score_thr, self._draws, self._top = model, score_thr, draws, top
        self._boxes, self._beside, self._annotations = boxes, beside, annotations

    def prepare(self, item: Item) -> Loaded:
        """Read a picture and bring it into the network's size; raises what ``Detector.ready`` does."""
        if item.error is not None:
            raise item.error
        image = self._read(item)
        ready = self._model.ready(image, **self._more(item))
        kept = image if self._draws else None
        size = ready.feed.nbytes + (0 if kept is None else kept.nbytes)
        picture = Picture(kept, (image.shape[0], image.shape[1]), ready)
        return Loaded(picture, ready.group, max(ready.pixels, 1), size)

    def run(self, pictures: Sequence[Picture]) -> List[Any]:
        """Run the network on a batch; raises what ``Detector.run`` does."""
        return list(self._model.run([picture.ready for picture in pictures]))

    def finish(self, item: Item, picture: Picture, outputs: Any) -> Outcome:
        """Write down, and draw, what was found; raises what ``Detector.read_answer`` does."""
        found = self._model.read_answer(picture.ready, outputs)
        record = record_of(self._model, item.key, picture.size, found, self._top)
        if item.frame is not None and item.last:
            record["last"] = True
        drawing: Any = None
        if picture.image is not None:
            drawing = self._model.draw(picture.image, found, self._score_thr)
            drawing = encoded(drawing, suffix_of(item.path, suffix_for(self._model))) if item.frame is None else drawing
        return Outcome(record, json.dumps(record), drawing)

    def _more(self, item: Item) -> Dict[str, Any]:
        """What the model takes of this picture beyond itself."""
        boxes: Dict[str, Any] = {"boxes": self._boxes.of(item.key)} if self._boxes else {}
        if self._annotations:
            return {"annotations": self._annotations.of(item.path)}
        return {**boxes, **(self._beside.of(item.path) if self._beside else {})}

    def _read(self, item: Item) -> Any:
        if item.content is None:
            return self._model.read(item.path if item.image is None else item.image)
        content = item.content()
        # readers of TIFFs and arrays want a file, and go by its name
        with tempfile.TemporaryDirectory(prefix="mmonnx-") as folder:
            path = os.path.join(folder, f"picture{os.path.splitext(item.path)[1]}")
            with open(path, "wb") as file:
                file.write(content)
            try:
                return self._model.read(path)
            except InputError as error:
                raise InputError(error.what.replace(path, item.path), error.expected, error.fix) from error


def failed(item: Item, error: InputError) -> Outcome:
    """What is written of a picture that could not be read or run."""
    record = failure_of(item.key, error.what)
    if item.frame is not None and item.last:
        record["last"] = True
    return Outcome(record, json.dumps(record), None)
