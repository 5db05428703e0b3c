"""What a verification has to reach, and what it has reached: a check that could not have failed is none."""

from dataclasses import dataclass
from typing import Dict, Iterable, List, Optional, Sequence, Set

import numpy as np

from ..loading import Task
from ..runtime import (
    FINDERS,
    Detections,
    EditedImage,
    KeyInformation,
    LabelMap,
    Panoptic,
    Poses,
    Result,
    Text,
    TextMaps,
    read_text,
    regions_of,
)
from ..tracing import Probe, poolings
from .driving import Driven, Level

_NEAR = 0.1
"""A lowest score within this share above the threshold shows where the threshold is."""


@dataclass(frozen=True)
class Goal:
    """One thing to reach.

    Attributes:
        what: the thing, for the table.
        reached: whether it was.
        note: how far, or why not, or what of it; may be empty.
        driven: whether driven runs go on for its sake.
    """

    what: str
    reached: bool
    note: str = ""
    driven: bool = True

    def __str__(self) -> str:
        return f"{self.what} ({self.note})" if self.note else self.what


class Goals:
    """What of a model was reached, gathered run by run.

    Args:
        task: the model.
        probes: its ends, none where its file has no inside to look at.

    Attributes:
        all_levels: how many levels regions can be pooled from, of all layers that choose one; 0 where none do.
        bounds: how many bounded activations came to their bounds, of how many.
        kernels: how many kernels met maps that are large enough for all of their weights, of how many.
        poolings: how many calls of layers that pool regions were given regions of every size, of how many.
    """

    def __init__(self, task: Task, probes: Sequence[Probe]) -> None:
        self._task = task
        self._ends = {probe.name for probe in probes}
        self._reached: Set[str] = set()
        self._levels: Set[Level] = set()
        levels = [len(getattr(pooling, "roi_layers", ())) for pooling in poolings(task.module)]
        self.all_levels = sum(count for count in levels if count > 1)  # of one there is nothing to choose
        self.bounds = self.kernels = self.poolings = (0, 0)
        self._counts: List[int] = []
        self._labels: Set[int] = set()
        self._lowest: Optional[float] = None
        self._together = 0
        self._points: Set[int] = set()
        self._posed = False
        self._masks = self._clipped = False
        self._grey: Optional[float] = None
        self._characters: Optional[Set[str]] = None
        self._longest = 0
        self._regions: Optional[int] = None
        self._texts = 0
        self._links: Set[bool] = set()

    @property
    def lacks_levels(self) -> bool:
        """Whether there are levels that no region was pooled from."""
        return len(self._levels) < self.all_levels

    @property
    def unreached_ends(self) -> Set[str]:
        """The ends of which nothing has shown yet that the answers depend on them."""
        return self._ends - self._reached

    def see(self, results: Sequence[Result]) -> None:
        """Take answers of PyTorch's into account that the file gives as well."""
        for found in map(detections_of, results):
            if found is not None:
                self._see(found)
        for result in results:
            if isinstance(result, LabelMap):
                labels = np.unique(result.labels).tolist()
                self._labels.update(labels)
                self._together = max(self._together, len(labels))
            if isinstance(result, Poses):
                self._posed = True
                # where nothing is hot there is no place to be right or wrong
                self._points.update(np.flatnonzero((result.keypoints[..., 2] > 0).any(0)).tolist())
            if isinstance(result, Text):
                self._see_text(result)
            if isinstance(result, TextMaps):
                self._see_maps(result)
            if isinstance(result, KeyInformation):
                self._texts = max(self._texts, len(result.nodes))
                self._labels.update(result.labels.tolist())
                self._links.update(np.unique(result.edges.argmax(1) > 0).tolist())
            if isinstance(result, EditedImage):
                grey = (result.values > result.low) & (result.values < result.high)
                self._grey = max(self._grey or 0.0, float(grey.mean()))

    def _see_text(self, found: Text) -> None:
        self._characters = (self._characters or set()) | set(found.text)
        self._longest = max(self._longest, len(found.text))

    def _see_maps(self, found: TextMaps) -> None:
        if found.texts["how"] not in FINDERS:  # maps of characters
            (values,) = found.values.values()
            self._see_text(read_text(values, found.texts, found.texts["characters"]))
        elif not self._regions:
            self._regions = len(regions_of(found.values, found.texts).boundaries)

    def _see(self, found: Detections) -> None:
        self._counts.append(len(found.dets))
        self._labels.update(found.labels.tolist())
        self._masks |= found.masks is not None and bool(np.asarray(found.masks).any())
        self._clipped |= bool((found.boxes[:, :2] == 0).any())  # a corner, or the centre of a rotated one
        if len(found.dets):
            lowest = float(found.scores.min())
            self._lowest = lowest if self._lowest is None else min(lowest, self._lowest)

    def see_driven(self, driven: Driven) -> None:
        """The same of a driven run."""
        self.see(driven.results)
        self._levels |= driven.levels

    def reach(self, ends: Iterable[str]) -> None:
        """The answers were shown to depend on these ends."""
        self._reached.update(ends)

    @property
    def all(self) -> List[Goal]:
        """Every goal that the model has, in the order of its parts."""
        found = []
        if self._task.faults:
            first, *others = [line.split(" (")[0] for line in self._task.faults]  # a path may have spaces
            note = f"{first}, see the warning" if not others else f"{first} and {len(others)} more, see the warnings"
            found.append(Goal("values that Python takes out of the trace", False, note, driven=False))
        if self._ends:
            missed = sorted(self.unreached_ends)
            note = f"{len(self._reached)} of {len(self._ends)}" + (f"; not {missed[0]}" if missed else "")
            found.append(Goal("layers that the answers depend on", not missed, note))
        for what, (reached, count) in (
            ("activations at their bounds", self.bounds),
            ("whole kernels", self.kernels),
            ("poolings of regions of every size", self.poolings),
        ):
            if count:
                found.append(Goal(what, reached == count, f"{reached} of {count}", driven=False))
        if self.all_levels:
            note = f"{len(self._levels)} of {self.all_levels}"
            found.append(Goal("levels that regions are pooled from", not self.lacks_levels, note, driven=False))
        if self._grey is not None:
            found.append(Goal("values between black and white", self._grey > 0, f"{self._grey:.0%}"))
        if self._characters is not None:
            note = f"{len(self._characters)} different ones, {self._longest} in a text at most"
            found.append(Goal("characters", len(self._characters) > 1, note))
        if self._regions is not None:
            found.append(Goal("texts", self._regions > 0, f"{self._regions} in a picture"))
        found += self._of_key_information() if self._texts else []
        found += self._of_detections() if self._counts else []
        found += self._of_maps() if self._together else []
        return found + (self._of_poses() if self._posed else [])

    def _of_key_information(self) -> List[Goal]:
        note = f"{len(self._labels)} different ones, {self._texts} texts in a picture at most"
        both = Goal("texts that belong together, and others that do not", len(self._links) > 1, driven=False)
        return [Goal("classes of texts", len(self._labels) > 1, note, driven=False), both]

    def _of_poses(self) -> List[Goal]:
        count = len(self._task.classes) or len(self._points)
        return [Goal("key points", len(self._points) >= count > 0, f"{len(self._points)} of {count}")]

    def _of_maps(self) -> List[Goal]:
        several = Goal("pixels of several classes", self._together > 1, f"{self._together} in a picture")
        return [several, *self._of_classes()]

    def _of_classes(self) -> List[Goal]:
        classes = len(self._task.classes)
        known = len(self._labels & set(range(classes)))
        return [Goal("classes", known == classes, f"{known} of {classes}")] if classes else []

    def _of_detections(self) -> List[Goal]:
        limit, thr = self._task.max_per_img, self._task.score_thr
        always = "" if thr else "the model has no score threshold"
        found = [Goal("detections", max(self._counts) > 0)]
        found.append(Goal("an image without any", min(self._counts) == 0, always, bool(thr)))
        if limit:
            found.append(Goal("the limit", max(self._counts) >= limit, f"{limit} detections"))
            found.append(
                Goal("less than the limit", any(0 < count < limit for count in self._counts), always, bool(thr))
            )
        if thr:
            near = self._lowest is not None and self._lowest <= thr * (1 + _NEAR)
            lowest = "none" if self._lowest is None else f"{self._lowest:.4f}"
            found.append(Goal("the score threshold", near, f"{thr:g}, the lowest score is {lowest}"))
        if self._task.preprocess_padded is not None:
            found.append(Goal("padding", True))  # one of the cases
        if self._task.box_limits == "image" and "dets" in self._task.output_names:
            found.append(Goal("boxes that are clipped", self._clipped))
        found += self._of_classes()
        if "masks" in self._task.output_names:
            found.append(Goal("masks", self._masks))
        return found


def detections_of(result: Result) -> Optional[Detections]:
    """The detections of a result, None of one that has none."""
    found = result.detections if isinstance(result, Panoptic) else result
    return found if isinstance(found, Detections) else None


def as_data(goals: Sequence[Goal]) -> List[Dict[str, object]]:
    """The goals as JSON holds them."""
    return [{"what": goal.what, "reached": goal.reached, "note": goal.note} for goal in goals]
