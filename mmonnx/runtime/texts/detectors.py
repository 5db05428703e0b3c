"""Text detectors: an exported file that takes pictures, and finds where text is."""

from typing import Dict, List, Sequence

import numpy as np

from ...support import InputError, first_line
from .. import drawing
from ..model import Model, Picture, Ready, as_exported
from ..results import TextRegions
from .linking import FEATURES, GRAPH_INPUTS, LINKS, idle_graph, idle_pictures, linked
from .regions import needed, regions_of


class TextDetector(Model):
    """Finds text in pictures, as mmocr's ``model_inference`` of a detector."""

    tasks = ("text detection",)
    own_inputs = GRAPH_INPUTS

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

    def run(self, pictures: Sequence[Ready]) -> List[Dict[str, np.ndarray]]:
        """Run the network once, and of a file that judges graphs once more for each picture; see ``Model.run``."""
        found = super().run(pictures)
        if not self._links:
            return found
        needed("pyclipper", "pyclipper")
        with as_exported(self._path, "has outputs that cannot be read"):
            return [linked(one[FEATURES], self.description.texts or {}, self._judge) for one in found]

    def _judge(self, graph: Dict[str, np.ndarray]) -> np.ndarray:
        """The links of one picture's graph."""
        pictures = idle_pictures(self._session.input_shape("input"))
        try:
            links: np.ndarray = self._session.run({"input": pictures, **graph})[LINKS]
        except Exception as error:  # each runtime has its own
            count = len(graph["rois"])
            raise InputError(
                f"'{self._path}' does not run on a graph of {count} components ({first_line(error)[:300]})",
                "a file for any graph",
                "export it again",
            ) from error
        return links

    @property
    def _links(self) -> bool:
        return (self.description.texts or {}).get("how") == "drrg"

    def _shared(self, count: int) -> Dict[str, np.ndarray]:
        return idle_graph(self._session.input_shape, count) if self._links else super()._shared(count)

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
