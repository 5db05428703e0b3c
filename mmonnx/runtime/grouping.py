"""Key points of several people, as associative embedding finds them in maps: grouped by their tags, as mmpose does it.

The files of such models give the maps: which key points are whose is a matter of dicts and of the best assignment of
each kind of key point to the people that are there already, which a graph has no operators for.
"""

from dataclasses import dataclass, field
from typing import Dict, List, Optional, Sequence, Tuple

import cv2
import numpy as np

from .munkres import assigned

_ORDER_OF_17 = [0, 1, 2, 3, 4, 5, 6, 11, 12, 7, 8, 9, 10, 13, 14, 15, 16]
"""The order in which the key points of COCO are grouped: the body before the limbs."""
_NOBODY = 1e10
"""What it costs to give a key point to a person who is not there yet."""
_EPS = np.finfo(np.float32).eps
_HEATS = 0.001, 50.0


@dataclass(frozen=True)
class Grouping:
    """How maps are read, by the names that mmpose's ``test_cfg`` has.

    Attributes:
        max_num_people: the most key points of a kind.
        detection_threshold: the heat above which a place is a key point.
        tag_threshold: how far a key point's tag may be from a person's.
        use_detection_val: hotter key points go before others where tags are about as near.
        ignore_too_much: there are no more people than ``max_num_people``.
        nms_kernel, nms_padding: of the window in which the best place alone is a key point.
        adjust: key points are moved a quarter of a place towards the better neighbour.
        refine: key points that a person lacks are looked for.
        use_udp: the first and the last places lie on the border of the picture.
        sigmas: how exact each key point is marked, to tell one person who was found twice; empty for no such look.
    """

    max_num_people: int = 30
    detection_threshold: float = 0.1
    tag_threshold: float = 1.0
    use_detection_val: bool = True
    ignore_too_much: bool = False
    nms_kernel: int = 5
    nms_padding: int = 2
    adjust: bool = True
    refine: bool = True
    use_udp: bool = False
    sigmas: Sequence[float] = field(default_factory=tuple)

    def people(self, heats: np.ndarray, tags: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
        """The people of one picture.

        Args:
            heats: (K, H, W) float32.
            tags: (K, H, W) float32, or (1, H, W) for all key points.

        Returns:
            (n, K, 3) float32 (x, y, heat) in places of the maps, and (n,) float32 scores.
        """
        tags = np.broadcast_to(tags, heats.shape)
        found = self._grouped(heats, tags)
        if self.adjust and len(found):
            found[..., :2] = _on_parabolas(found[..., :2], heats) if self.use_udp else _adjusted(found, heats)
        scores = found[:, :, 2].mean(1) if len(found) else np.empty(0, np.float32)
        if self.refine:
            for person in found:
                _complete(person, heats, tags, self.use_udp)
        return found[..., :3], scores

    def _grouped(self, heats: np.ndarray, tags: np.ndarray) -> np.ndarray:
        """(n, K, 4) (x, y, heat, tag)."""
        count = len(heats)
        people: Dict[float, np.ndarray] = {}
        known: Dict[float, List[np.ndarray]] = {}
        for point in _ORDER_OF_17 if count == len(_ORDER_OF_17) else range(count):
            points = self._best(heats[point], tags[point])
            if not len(points):
                continue
            keys = list(people)
            keys = keys[: self.max_num_people] if self.ignore_too_much else keys
            owners = self._owners(points, [np.mean(known[key], dtype=np.float32) for key in keys])
            for one, owner in zip(points, owners):
                if owner is None:
                    key = float(one[3])
                    known[key] = [one[3]]
                else:
                    key = keys[owner]
                    known[key].append(one[3])
                people.setdefault(key, np.zeros((count, 4), np.float32))[point] = one
        found = list(people.values())
        found = found[: self.max_num_people] if self.ignore_too_much else found
        return np.array(found, np.float32).reshape(-1, count, 4)

    def _best(self, heat: np.ndarray, tag: np.ndarray) -> np.ndarray:
        """(n, 4) float64 the key points of a map, the hottest one first."""
        size = self.nms_kernel
        greatest = cv2.dilate(heat, np.ones((size, size), np.uint8))
        place = np.flatnonzero((heat == greatest) & (heat > self.detection_threshold))
        place = place[np.argsort(-heat.flat[place], kind="stable")][: self.max_num_people]
        y, x = np.divmod(place, heat.shape[1])
        return np.stack([x, y, heat.flat[place], tag[y, x]], 1)

    def _owners(self, points: np.ndarray, tags: Sequence[np.floating]) -> List[Optional[int]]:
        """Whose of the people with these tags each key point is; None for somebody new."""
        if not tags:
            return [None] * len(points)
        apart = np.abs(points[:, 3:] - np.array(tags, np.float32)[None])
        cost = np.round(apart) * 100 - points[:, 2:3] if self.use_detection_val else apart
        new = max(len(points) - len(tags), 0)
        chosen = assigned(np.concatenate([cost, np.full((len(points), new), _NOBODY)], 1))
        near = [column < len(tags) and apart[row, column] < self.tag_threshold for row, column in enumerate(chosen)]
        return [column if fits else None for column, fits in zip(chosen, near)]


def _adjusted(found: np.ndarray, heats: np.ndarray) -> np.ndarray:
    """(n, K, 2) places of key points, a quarter towards the better neighbours, and in the middle of their cells."""
    places = found[..., :2].copy()
    _, height, width = heats.shape
    for person, point in np.argwhere(found[..., 2] > 0):
        x, y = (int(value) for value in places[person, point])
        heat = heats[point]
        down = heat[min(height - 1, y + 1), x] > heat[max(0, y - 1), x]
        right = heat[y, min(width - 1, x + 1)] > heat[y, max(0, x - 1)]
        places[person, point] += (0.75 if right else 0.25, 0.75 if down else 0.25)
    return places


def _on_parabolas(places: np.ndarray, heats: np.ndarray) -> np.ndarray:
    """(n, K, 2) places of key points, moved to the tops of the parabolas through their neighbours."""
    logs = np.log(np.clip([cv2.GaussianBlur(heat, (3, 3), 0) for heat in heats], *_HEATS))
    padded = np.pad(logs, ((0, 0), (1, 1), (1, 1)), mode="edge")
    x, y = (places[..., axis].astype(int) + 1 for axis in (0, 1))
    point = np.arange(len(heats))[None]

    def at(right: int, down: int) -> np.ndarray:
        found: np.ndarray = padded[point, y + down, x + right]
        return found

    middle = at(0, 0)
    slope = np.stack([0.5 * (at(1, 0) - at(-1, 0)), 0.5 * (at(0, 1) - at(0, -1))], -1)
    dxx, dyy = at(1, 0) - 2 * middle + at(-1, 0), at(0, 1) - 2 * middle + at(0, -1)
    dxy = 0.5 * (at(1, 1) - at(1, 0) - at(0, 1) + 2 * middle - at(-1, 0) - at(0, -1) + at(-1, -1))
    bend = np.stack([np.stack([dxx, dxy], -1), np.stack([dxy, dyy], -1)], -2) + _EPS * np.eye(2)
    step: np.ndarray = np.einsum("nkij,nkj->nki", np.linalg.inv(bend), slope)
    return places - step.astype(np.float32)


def _complete(person: np.ndarray, heats: np.ndarray, tags: np.ndarray, udp: bool) -> None:
    """Look for the key points that a person lacks where the maps have the person's tag.

    Args:
        person: (K, 4) (x, y, heat, tag), is changed.
        heats, tags: (K, H, W).
        udp: see ``Grouping``.
    """
    _, height, width = heats.shape
    there = np.flatnonzero(person[:, 2] > 0)
    x, y = (np.clip(person[there, axis].astype(int), 0, side - 1) for axis, side in ((0, width), (1, height)))
    own = np.mean(tags[there, y, x])
    for point in np.flatnonzero(person[:, 2] == 0):
        heat = heats[point]
        best = heat - np.round(np.abs(tags[point] - own))
        down, right = np.unravel_index(int(best.argmax()), heat.shape)
        if not heat[down, right] > 0:
            continue
        middle = 0.0 if udp else 0.5
        after = heat[down, min(width - 1, right + 1)] > heat[down, max(0, right - 1)]
        below = heat[min(height - 1, down + 1), right] > heat[max(0, down - 1), right]
        away = (0.25 if after else -0.25, 0.25 if below else -0.25)
        person[point, :3] = right + middle + away[0], down + middle + away[1], heat[down, right]


def without_doubles(poses: np.ndarray, scores: np.ndarray, sigmas: Sequence[float], most: float = 0.9) -> np.ndarray:
    """The people of poses (n, K, 3), the best one first, without those whose likeness with a better one is too great.

    Args:
        poses: in pixels of the picture.
        scores: (n,).
        sigmas: (K,) how exact each key point is marked.
        most: the greatest likeness that two people may have.

    Returns:
        Their indices.
    """
    spread = (np.asarray(sigmas) * 2) ** 2
    areas = np.ptp(poses[..., 0], axis=1) * np.ptp(poses[..., 1], axis=1) if len(poses) else np.empty(0)
    order, kept = scores.argsort()[::-1], []
    while len(order):
        first, rest = order[0], order[1:]
        kept.append(first)
        apart = ((poses[rest, :, :2] - poses[first, :, :2]) ** 2).sum(-1)
        scale = (areas[first] + areas[rest]) / 2 + np.spacing(1)
        likeness = np.exp(-apart / spread / scale[:, None] / 2).mean(1).astype(np.float32)
        order = rest[likeness <= most]
    return np.array(kept, int)
