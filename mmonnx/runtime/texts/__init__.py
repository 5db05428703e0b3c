"""Text: where it is in a picture, and what it says, read of what exported files give.

How it is read is data that the file keeps, a dict of which ``how`` is one of

- ``ctc``: ``char_scores`` (N, T, C), steps that repeat the last one's character or have the ``blank`` are left out;
- ``attention``: ``char_scores`` (N, T, C), up to the first step that has the ``end``, without those of ``padding``;
- ``segments``: ``char_maps`` (N, C, h, w), a character for each region of one class, from left to right; ``unknown``;
- ``db``, ``pan``, ``pse``, ``textsnake``, ``fce``: ``maps``, of which boundaries are read with the ``settings`` of
  upstream's own post-processing; the maps are ``downsample`` times the input's size, or have ``scales``;
- ``drrg``: ``features`` (N, C, h, w), of which boundaries are read by way of a second run, see ``linking``;
- ``masks``: the boundaries of a detector's masks, with ``settings`` alike.

In: outputs by name. Out: ``Text``, ``TextRegions``. Touched: nothing. pyclipper is needed for ``db``
and ``drrg``, shapely for ``fce`` and scikit-image for ``textsnake``, which say so.
"""

from .detectors import TextDetector
from .linking import FEATURES, GRAPH_INPUTS, LINKS, graph_of, idle_graph, idle_pictures, linked
from .reading import CHAR_MAPS, CHAR_SCORES, READERS, VALID_WIDTH, best_of, read_text, steps_of
from .recognizers import TextRecognizer
from .regions import FINDERS, MAPS, regions_of

__all__ = [
    "CHAR_MAPS",
    "CHAR_SCORES",
    "FEATURES",
    "FINDERS",
    "GRAPH_INPUTS",
    "LINKS",
    "MAPS",
    "READERS",
    "TextDetector",
    "TextRecognizer",
    "VALID_WIDTH",
    "best_of",
    "graph_of",
    "idle_graph",
    "idle_pictures",
    "linked",
    "read_text",
    "regions_of",
    "steps_of",
]
