"""How far PyTorch's answers are from its own when it rounds otherwise: what may be allowed beyond the tolerances."""

from typing import Any, Callable, Dict, List, Optional, Set, Tuple, Union

import numpy as np

from ...loading import NO_KINDS, Kinds
from ...runtime import (
    Detections,
    EditedImage,
    KeyInformation,
    LabelMap,
    Panoptic,
    Poses,
    RawOutputs,
    Result,
    Scores,
    Text,
    TextMaps,
)
from .pairing import Gaps, assign, wrong_pixels
from .types import CHANCE, Tolerances

_SAME = Tolerances(box=2.0, score=0.02)
"""Up to here a detection of a further run is the same one, moved; beyond, it is another one in its place."""


class DetectionNoise:
    """The noise of one image's detections.

    Attributes:
        box, score, mask, mask_score: (n,) how far each detection moved at most: pixels, score, pixels of the mask, and
            score of the mask.
        more: the same of what else there is of each, by name.
        absent: (n,) bool, whether a further run did not give it.
    """

    def __init__(self, expected: Detections) -> None:
        count = len(expected.dets)
        self._expected = expected
        self._others: List[Detections] = []
        self.box, self.score, self.mask, self.mask_score = (np.zeros(count) for _ in range(4))
        self.more: Dict[str, np.ndarray] = {name: np.zeros(count) for name in expected.more}
        self.absent = np.zeros(count, bool)

    @property
    def typical_score(self) -> float:
        """How far scores moved in the median of the detections, 0.0 without any."""
        return float(np.median(self.score)) if len(self.score) else 0.0

    def add(self, again: Detections) -> None:
        """Take a further run's detections into account."""
        gaps = Gaps(self._expected, again, _SAME)
        fits = gaps.same & (gaps.box <= _SAME.box) & (gaps.score <= _SAME.score)
        closeness = 2.0 - gaps.box / _SAME.box - gaps.score / _SAME.score
        pairs = assign(fits, closeness, np.zeros(fits.shape))
        for i, j in pairs:
            self._moved(i, again, j, gaps)
        there = [i for i, _ in pairs]
        self.absent[np.setdiff1d(np.arange(len(self.absent)), there)] = True
        new = np.setdiff1d(np.arange(len(again.dets)), [j for _, j in pairs])
        if len(new):
            masks = None if again.masks is None else again.masks[new]
            self._others.append(Detections(again.dets[new], again.labels[new], masks))

    def _moved(self, i: int, again: Detections, j: int, gaps: Gaps) -> None:
        self.box[i] = max(self.box[i], gaps.box[i, j])
        self.score[i] = max(self.score[i], gaps.score[i, j])
        if self._expected.masks is not None and again.masks is not None:
            wrong, _ = wrong_pixels(self._expected.masks[i], again.masks[j], _SAME.threshold)
            self.mask[i] = max(self.mask[i], wrong)
        if self._expected.mask_scores is not None and again.mask_scores is not None:
            gap = abs(float(self._expected.mask_scores[i]) - float(again.mask_scores[j]))
            self.mask_score[i] = max(self.mask_score[i], gap)
        for name, values in self._expected.more.items():
            gap = np.abs(values[i].astype(np.float64) - again.more[name][j]).max(initial=0.0)
            self.more[name][i] = max(self.more[name][i], gap)

    def gives(self, actual: Detections, rows: np.ndarray, tolerances: Tolerances) -> np.ndarray:
        """(len(rows),) bool, whether these detections of the runtime's are in one of PyTorch's further runs.

        Same label, and box and score as far off as those that stayed moved at most.
        """
        box = max(tolerances.box, float(self.box.max(initial=0.0)))
        score = max(tolerances.score, float(self.score.max(initial=0.0)))
        masks = None if actual.masks is None else actual.masks[rows]
        chosen, found = Detections(actual.dets[rows], actual.labels[rows], masks), np.zeros(len(rows), bool)
        for other in self._others if len(rows) else ():
            gaps = Gaps(other, chosen, tolerances)
            found |= (gaps.same & (gaps.box <= box) & (gaps.score <= score)).any(0)
        return found


class PanopticNoise:
    """The noise of one image's panoptic map.

    Attributes:
        maps: the maps of the further runs, (H, W) each.
        detections: the noise of the instances, None of models that give none.
    """

    def __init__(self, expected: Panoptic) -> None:
        self.maps: List[np.ndarray] = []
        self.detections = None if expected.detections is None else DetectionNoise(expected.detections)

    def add(self, again: Panoptic) -> None:
        """Take a further run's map into account."""
        self.maps.append(again.segments)
        if self.detections is not None and again.detections is not None:
            self.detections.add(again.detections)


class LabelMapNoise:
    """The noise of one image's map of classes.

    Attributes:
        greatest: how far a probability moved at most.
    """

    def __init__(self, expected: LabelMap) -> None:
        self._expected = expected
        self._moved = np.zeros(expected.labels.shape)
        self._maps: List[np.ndarray] = []
        self.greatest = 0.0

    def add(self, again: LabelMap) -> None:
        """Take a further run's map into account."""
        self._maps.append(again.labels)
        if again.probs is not None and self._expected.probs is not None:
            gaps = np.abs(logits_of(again) - logits_of(self._expected)).max(axis=0)
            self._moved = np.maximum(self._moved, gaps)
            self.greatest = max(self.greatest, float(np.abs(again.probs - self._expected.probs).max()))

    def at(self, places: Tuple[np.ndarray, ...]) -> np.ndarray:
        """How far the logits of pixels moved at most; a few runs may spare one, so half of all pixels is the least."""
        return np.maximum(self._moved[places], float(np.median(self._moved)))

    def has(self, labels: np.ndarray) -> np.ndarray:
        """(H, W) bool, the pixels that have the class of a map in a further run."""
        return np.any([labels == other for other in self._maps], axis=0) | np.zeros(labels.shape, bool)


_LEAST = 1e-30
"""The smallest probability of which there is a logarithm: float32 has some that are 0."""


def logits_of(result: LabelMap) -> np.ndarray:
    """What a map's classes are chosen by, (num_classes, H, W) float64: logits but for a constant at each pixel."""
    assert result.probs is not None  # the callers have asked
    probs = result.probs.astype(np.float64)
    if len(probs) > 1:
        return np.log(np.maximum(probs, _LEAST))
    threshold = np.log(result.threshold) - np.log1p(-result.threshold)
    over = np.log(np.maximum(probs, _LEAST)) - np.log(np.maximum(1.0 - probs, _LEAST)) - threshold
    return np.concatenate([-over / 2, over / 2])


def scores_of(poses: Poses) -> Tuple[np.ndarray, np.ndarray]:
    """The scores of key points (n, K), and of whole poses (n,), which are 0 where there are none, as float64."""
    points = poses.keypoints[..., 2].astype(np.float64)
    return points, np.zeros(len(points)) if poses.scores is None else poses.scores.astype(np.float64)


class PoseNoise:
    """The noise of one image's key points.

    Attributes:
        moved: (n, K) how far each key point moved at most, in pixels, where it stayed the same one.
        farthest: (n, K) how far it moved at most, wherever to.
        score: how far a key point's score moved at most; of one that is chosen by heats wherever to, else where it
            stayed the same one: with another pose in its place it says nothing of roundings.
        person: how far a whole pose's did that stayed the same one.
    """

    def __init__(self, expected: Poses) -> None:
        self._expected = expected
        self._heats = None if expected.heats is None else np.zeros(expected.heats.shape)
        self._places: List[np.ndarray] = []
        self._scores: List[Tuple[np.ndarray, np.ndarray]] = []
        self.moved = np.zeros(expected.keypoints.shape[:2])
        self.farthest = np.zeros(expected.keypoints.shape[:2])
        self.score = self.person = 0.0

    def add(self, again: Poses) -> None:
        """Take a further run's key points into account."""
        if again.keypoints.shape != self._expected.keypoints.shape:
            return
        gaps = np.abs(again.keypoints.astype(np.float64) - self._expected.keypoints)
        apart = gaps[..., :2].max(-1)
        self.farthest = np.maximum(self.farthest, apart)
        self.moved = np.where(apart <= _SAME.box, np.maximum(self.moved, apart), self.moved)
        same = apart <= _SAME.box
        points, people = (np.abs(one - other) for one, other in zip(scores_of(again), scores_of(self._expected)))
        counted = points if self._heats is not None else points[same]
        self.score = max(self.score, float(counted.max(initial=0.0)))
        self.person = max(self.person, float(people[same.all(1)].max(initial=0.0)))
        self._places.append(again.keypoints[..., :2])
        self._scores.append(scores_of(again))
        if self._heats is not None and again.heats is not None and again.heats.shape == self._heats.shape:
            self._heats = np.maximum(self._heats, np.abs(again.heats - self._expected.heats))

    def has(self, places: np.ndarray, tolerance: float) -> np.ndarray:
        """(n, K, 2) bool, the coordinates that a further run gives as well."""
        runs = [np.abs(places - other) <= np.maximum(tolerance, self.moved)[..., None] for other in self._places]
        return np.any(runs, axis=0) if runs else np.zeros(places.shape, bool)

    def nearest(self, actual: Poses, tolerance: float) -> Tuple[np.ndarray, np.ndarray]:
        """How far the scores of key points (n, K), and of poses (n,), are from those of a further run that has them
        at the same places; endless where none has."""
        ours = scores_of(actual)
        found = np.full(ours[0].shape, np.inf), np.full(ours[1].shape, np.inf)
        for places, theirs in zip(self._places, self._scores):
            there = (np.abs(actual.keypoints[..., :2] - places).max(-1) <= np.maximum(tolerance, self.moved)).all(1)
            for least, one, other in zip(found, ours, theirs):
                least[there] = np.minimum(least, np.abs(one - other))[there]
        return found

    def heat(self, row: int, point: int) -> float:
        """How far the heats of a key point's map moved at most."""
        return 0.0 if self._heats is None else float(self._heats[row, point].max(initial=0.0))


class TextNoise:
    """The noise of one image's text.

    Attributes:
        texts: those that further runs read.
        greatest: how far a score of a step moved at most, of the steps up to the first that has another character.
    """

    def __init__(self, expected: Text) -> None:
        self._expected = expected
        self.texts: Set[str] = set()
        self.greatest = 0.0

    def add(self, again: Text) -> None:
        """Take a further run's text into account."""
        self.texts.add(again.text)
        ours, theirs = self._expected.steps, again.steps
        if ours is None or theirs is None or ours.shape[1:] != theirs.shape[1:]:
            return
        count = common_steps(ours, theirs)
        self.greatest = max(self.greatest, float(np.abs(ours[:count] - theirs[:count]).max(initial=0.0)))


def common_steps(one: np.ndarray, other: np.ndarray) -> int:
    """How many steps (T, C) two texts have in common, and the first one that has another character; all may depend on
    what the last one was."""
    count = min(len(one), len(other))
    unlike = np.flatnonzero(one[:count].argmax(1) != other[:count].argmax(1))
    return int(unlike[0]) + 1 if len(unlike) else count


Arrays = Union[Scores, EditedImage, KeyInformation, RawOutputs, TextMaps]


class ArrayNoise:
    """The noise of class probabilities, raw outputs, maps or images.

    Attributes:
        greatest: how far a value moved at most, by output; of probabilities by ``probs``, of an image by
            ``image``. A value that a choice made another one has not moved.
        runs: the arrays of the further runs in which a choice did.
    """

    def __init__(self, expected: Arrays) -> None:
        self._expected = expected
        self.greatest: Dict[str, float] = {}
        self.runs: Dict[str, List[np.ndarray]] = {}

    def add(self, again: Arrays) -> None:
        """Take a further run's arrays into account."""
        for name, ours in _floats(self._expected).items():
            theirs = _floats(again)[name]
            if ours.shape == theirs.shape:
                finite = np.isfinite(ours) & np.isfinite(theirs)
                gaps = np.abs(ours - theirs, where=finite, out=np.zeros_like(ours))
                moved = gaps <= CHANCE * np.ptp(ours[finite]) if finite.any() else finite
                self.greatest[name] = max(self.greatest.get(name, 0.0), float(gaps[moved].max(initial=0.0)))
                if not moved.all():
                    self.runs.setdefault(name, []).append(theirs)


def _floats(result: Arrays) -> Dict[str, np.ndarray]:
    if isinstance(result, EditedImage):
        return {"image": result.values}
    arrays = {"probs": result.probs} if isinstance(result, Scores) else result.values
    return {name: array for name, array in arrays.items() if array.dtype.kind == "f"}


Noise = Union[DetectionNoise, PanopticNoise, LabelMapNoise, PoseNoise, TextNoise, ArrayNoise]


_NOISES: Dict[type, Callable[[Any], Noise]] = {
    Detections: DetectionNoise,
    LabelMap: LabelMapNoise,
    Panoptic: PanopticNoise,
    Poses: PoseNoise,
    Text: TextNoise,
}


def noise_of(expected: Result, kinds: Kinds = NO_KINDS) -> Any:
    """An empty noise of one result of PyTorch's, to which its further runs are added.

    Args:
        expected: the result.
        kinds: see ``match``.
    """
    kind = type(expected)
    return kinds[kind].noise(expected) if kind in kinds else _NOISES.get(kind, ArrayNoise)(expected)


def greatest_of(noise: Optional[Noise], name: str) -> float:
    """How far an array's values moved at most, 0.0 where nothing is known."""
    return noise.greatest.get(name, 0.0) if isinstance(noise, ArrayNoise) else 0.0


def runs_of(noise: Optional[Noise], name: str) -> List[np.ndarray]:
    """The further runs in which a choice made other values of an array's."""
    return noise.runs.get(name, []) if isinstance(noise, ArrayNoise) else []
