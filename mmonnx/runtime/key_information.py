"""Key information: an exported file that takes a picture and the texts on it, and says what these are."""

from dataclasses import replace
from typing import Dict, List, Optional, Sequence

import numpy as np

from ..support import InputError, first_line
from . import drawing, pipeline
from .annotations import Annotation, boxes_of, check_page, inputs_of, pairs_of
from .model import NO_IMAGE, Model, Picture, Ready, as_exported
from .results import KeyInformation

_INPUTS = ("input", "relations", "texts", "boxes")
_NO_FEED = np.empty((1, 1, 1, 1), np.float32)
"""Of a picture that nobody looks at."""
_BOXES, _TEXTS = "boxes of the picture", "what is written"
"""In ``Ready.beside``, for the answer."""


class KeyInformationExtractor(Model):
    """Says what the texts of a picture are, as mmocr's ``model_inference`` of an SDMGR with annotations."""

    tasks = ("key information extraction",)

    def __call__(self, picture: Picture, annotations: Optional[Sequence[Annotation]] = None) -> KeyInformation:
        """Say what the texts of a picture are, and which belong together.

        Args:
            picture: an image file; or BGR uint8 (H, W, 3), or what ``read`` gives of a file for other pictures.
            annotations: its texts, a dict each with ``text`` and ``box``, see ``runtime.annotations``; it takes them.

        Returns:
            Probabilities, with the boxes in pixels of the picture.

        Raises:
            InputError: it cannot be read, or the annotations are none.
        """
        ready = self.ready(picture, annotations)
        return self.read_answer(ready, self.run([ready])[0])

    @property
    def links(self) -> bool:
        """Whether it says which texts are a key and its value."""
        return (self.description.annotations or {}).get("links") is not None

    @property
    def batch(self) -> Optional[int]:
        """One picture at a time, as its texts are a graph."""
        return 1

    def ready(self, picture: Picture, annotations: Optional[Sequence[Annotation]] = None) -> Ready:
        """A picture and its texts as the network takes them; arguments and errors as of a call."""
        if annotations is None:
            raise InputError(
                f"'{self._path}' takes the texts of each picture",
                "these, with their boxes",
                "give its annotations (mmonnx predict: --annotations FILE)",
            )
        check_page(annotations)
        about = self.description.annotations or {}
        image = self.read(picture)
        height, width = image.shape[:2]
        with as_exported(self._path, "has a test pipeline that cannot be applied"):
            if self._looks:
                prepared = pipeline.apply(self._steps, image)
                feed = prepared.feed
            else:
                size = (height, width)
                for step in self._steps:
                    size = pipeline.resized(step, size) if step["type"] == "resize" else size
                scale = size[1] / width, size[0] / height
                prepared, feed = pipeline.Prepared(NO_IMAGE, (height, width), size, scale), _NO_FEED
            beside = inputs_of(annotations, about, prepared.scale, prepared.shape)
        told = {_BOXES: boxes_of(annotations), _TEXTS: np.array([one["text"] for one in annotations], object)}
        return Ready(feed, {}, replace(prepared, image=NO_IMAGE), beside={**beside, **told})

    def run(self, pictures: Sequence[Ready]) -> List[Dict[str, np.ndarray]]:
        """Run the network on each picture; see ``Model.run``."""
        return [self._run(one) for one in pictures]

    def _run(self, ready: Ready) -> Dict[str, np.ndarray]:
        feeds = {"input": ready.feed, **ready.beside}
        try:
            found: Dict[str, np.ndarray] = self._session.run({name: feeds[name] for name in self._session.input_names})
        except Exception as error:  # each runtime has its own
            count, length = ready.beside["texts"].shape
            raise InputError(
                f"'{self._path}' does not run on {count} texts of up to {length} characters "
                f"({first_line(error)[:300]})",
                "a file for any texts",
                "export it with --dynamic-export",
            ) from error
        return found

    def read_answer(self, ready: Ready, outputs: Dict[str, np.ndarray]) -> KeyInformation:
        """What ``run`` gave of a picture, as a call of this gives it.

        Raises:
            InputError: the outputs are not those of such a file.
        """
        with as_exported(self._path, "has outputs that cannot be read"):
            boxes, texts = ready.beside[_BOXES], ready.beside[_TEXTS].tolist()
            nodes, edges = (outputs[name].astype(np.float32) for name in ("nodes", "edges"))
            if len(nodes) != len(texts) or edges.shape != (len(texts) ** 2, 2):
                raise ValueError(f"nodes {nodes.shape}, edges {edges.shape} of {len(texts)} texts")
            links = (self.description.annotations or {}).get("links")
            return KeyInformation(nodes, edges, boxes, texts, () if links is None else pairs_of(nodes, edges, links))

    def draw(self, picture: Picture, found: KeyInformation, score_thr: float = 0.0) -> np.ndarray:
        """The picture with the classes of its texts, BGR, those below the threshold without; keys go with values."""
        canvas = drawing.viewable(self.read(picture)).copy()
        drawing.draw_key_information(canvas, found, 1, self.classes, score_thr)
        return canvas

    @property
    def _looks(self) -> bool:
        """Whether it looks at the picture."""
        return "input" in self._session.input_names

    def _check(self) -> None:
        about, needed = self.description.annotations, set(self._session.input_names) - set(_INPUTS)
        if about is None or self.description.pipeline is None or needed:
            what = f"takes {', '.join(sorted(needed))}" if needed else "has no test pipeline"
            raise InputError(f"'{self._path}' {what}", "what mmonnx export writes of an SDMGR", "give another one")
        if about["characters"] is None:
            raise InputError(
                f"'{self._path}' does not hold its characters",
                "a file that was exported where the config's dict_file is",
                "export it again with --cfg-options data.test.dict_file=FILE",
            )
