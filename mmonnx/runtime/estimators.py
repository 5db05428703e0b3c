"""Pose estimators: an exported file that takes pictures, or what boxes in them hold, and finds key points."""

from dataclasses import replace
from typing import Dict, List, Optional, Sequence

import numpy as np

from ..support import InputError
from . import drawing, pipeline
from .grouping import Grouping, without_doubles
from .model import NO_IMAGE, Model, Picture, Ready, as_exported
from .results import Poses, are_there


class _Posing(Model):
    """What draws poses."""

    def draw(self, picture: Picture, found: Poses, score_thr: float = 0.3) -> np.ndarray:
        """The picture with boxes, key points and lines between them, BGR; those below the threshold are left out."""
        canvas = drawing.viewable(self.read(picture)).copy()
        drawing.draw_poses(canvas, found, 1, self.description.palette, self.description.skeleton, score_thr)
        return canvas


class PoseEstimator(_Posing):
    """Finds the key points of what boxes hold, as mmpose's ``inference_top_down_pose_model``."""

    tasks = ("pose estimation",)

    def __call__(self, picture: Picture, boxes: Optional[np.ndarray] = None) -> Poses:
        """The key points of each box.

        Args:
            picture: an image file; or BGR uint8 (H, W, 3), or what ``read`` gives of a file for other pictures.
            boxes: (n, 4 or more) ``(x1, y1, x2, y2)`` in pixels of the picture, such as a ``Detector``'s ``dets``;
                None for one around all of it.

        Returns:
            Key points (n, K, 3) in pixels of the picture, with their scores.

        Raises:
            InputError: it cannot be read, or the boxes are none.
        """
        ready = self.ready(picture, boxes)
        return self.read_answer(ready, self.run([ready])[0])

    def ready(self, picture: Picture, boxes: Optional[np.ndarray] = None) -> Ready:
        """A picture's boxes as the network takes them; arguments and errors as of a call."""
        image = self.read(picture)
        chosen: Sequence[Optional[np.ndarray]] = [None] if boxes is None else list(_corners_to_sides(boxes))
        with as_exported(self._path, "has a test pipeline that cannot be applied"):
            crops = [pipeline.apply(self._steps, image, box) for box in chosen]
            feeds = [crop.feed for crop in crops]
        height, width = image.shape[:2]
        whole = pipeline.Prepared(NO_IMAGE, (height, width), (height, width))
        feed = np.concatenate(feeds) if feeds else np.empty((0, self._channels, 0, 0), np.float32)
        return Ready(feed, {}, whole, [replace(crop, image=NO_IMAGE) for crop in crops])

    def run(self, pictures: Sequence[Ready]) -> List[Dict[str, np.ndarray]]:
        """Run the network on all crops of pictures; the outputs of each picture's, stacked. See ``Model.run``."""
        rows = [one._replace(feed=feed[None]) for one in pictures for feed in one.feed]
        found: List[Dict[str, np.ndarray]] = []
        while len(found) < len(rows):
            found += super().run(rows[len(found) :][: self.batch])
        rest = iter(found)
        parts = [[next(rest) for _ in one.feed] for one in pictures]
        return [{name: np.stack([one[name] for one in part]) for name in (part[0] if part else ())} for part in parts]

    def read_answer(self, ready: Ready, outputs: Dict[str, np.ndarray]) -> Poses:
        """What ``run`` gave of a picture, as a call of this gives it.

        Raises:
            InputError: the outputs are not those of such a file.
        """
        with as_exported(self._path, "has outputs that cannot be read"):
            if not ready.crops:
                return Poses(np.empty((0, len(self.classes), 3), np.float32), np.empty((0, 4), np.float32))
            keypoints = outputs["keypoints"].astype(np.float32)
            boxes = []
            for pose, prepared in zip(keypoints, ready.crops):
                crop = prepared.crop
                if crop is None:
                    raise ValueError("its pipeline cuts nothing out")
                pose[:, :2] = crop.in_picture(pose[:, :2], prepared.shape)
                boxes.append(crop.box)
            return Poses(keypoints, np.array(boxes, np.float32))


class BottomUpPoseEstimator(_Posing):
    """Finds the key points of all people of a picture, as mmpose's ``inference_bottom_up_pose_model``."""

    tasks = ("bottom-up pose estimation",)

    def __call__(self, picture: Picture) -> Poses:
        """The people of a picture.

        Args:
            picture: an image file; or BGR uint8 (H, W, 3), or what ``read`` gives of a file for other pictures.

        Returns:
            Key points (n, K, 3) in pixels of the picture, with their scores, and the people's, the best one first.

        Raises:
            InputError: it cannot be read, or not be brought into the network's size.
        """
        return self.read_answer(*self._answer(picture))

    def read_answer(self, ready: Ready, outputs: Dict[str, np.ndarray]) -> Poses:
        """What ``run`` gave of a picture, as a call of this gives it.

        Raises:
            InputError: the outputs are not those of such a file.
        """
        with as_exported(self._path, "has outputs that cannot be read"):
            grouping, crop = Grouping(**(self.description.grouping or {})), ready.prepared.crop
            if crop is None:
                raise ValueError("its pipeline aligns nothing")
            if "keypoints" in outputs:
                there, size = are_there(outputs["scores"]), ready.prepared.shape
                poses, scores = (outputs[name][there].astype(np.float32) for name in ("keypoints", "scores"))
            else:
                heats = outputs["heatmaps"].astype(np.float32)
                poses, scores = grouping.people(heats, outputs["tags"].astype(np.float32))
                size = (heats.shape[1], heats.shape[2])
            poses[..., :2] = crop.in_picture(poses[..., :2], size)
            if grouping.sigmas:
                kept = without_doubles(poses, scores, grouping.sigmas)
                poses, scores = poses[kept], scores[kept]
            return Poses(poses, None, scores)


def _corners_to_sides(boxes: np.ndarray) -> np.ndarray:
    """(n, 4) (left, top, width, height) of boxes by their corners."""
    boxes = np.asarray(boxes)
    if boxes.ndim != 2 or boxes.shape[1] < 4 or not np.isfinite(boxes).all():
        raise InputError(
            f"boxes are {boxes.dtype} {boxes.shape}", "(n, 4) finite x1, y1, x2, y2", "convert them before"
        )
    if not (boxes[:, 2:4] > boxes[:, :2]).all():
        raise InputError("a box is nothing wide or high", "x1 < x2 and y1 < y2", "leave such boxes out")
    return np.concatenate([boxes[:, :2], boxes[:, 2:4] - boxes[:, :2]], 1)
