"""Image editors: an exported file that takes a picture, and more beside it, and makes another one of it."""

from dataclasses import replace
from typing import Any, Dict, List, Mapping, Optional

import cv2
import numpy as np

from ..support import InputError
from . import companions, pipeline
from .model import Model, Picture, Ready, as_exported
from .results import EditedImage

_TRANSPARENT, _OPAQUE = 0, 255
"""Of a trimap; what lies between is not known."""


class ImageEditor(Model):
    """Makes an image of another, as mmedit's ``restoration_inference`` and its siblings for the other tasks."""

    tasks = ("image editing", "inpainting", "matting")

    def __call__(self, picture: Picture, **beside: Picture) -> EditedImage:
        """Edit a picture.

        Args:
            picture: an image file; or BGR uint8 (H, W, 3), or what ``read`` gives of a file for other pictures.
            beside: what the file takes beside it, such as ``mask`` (what is not 0 is filled in) or ``trimap`` (0, 255,
                and what is not known), of the picture's size; or a ``ref``.

        Returns:
            The image; of inpainting and matting of the picture's own size.

        Raises:
            InputError: something cannot be read, is missing, or cannot be brought into the network's size.
        """
        ready = self.ready(picture, **beside)
        return self.read_answer(ready, self.run([ready])[0])

    @property
    def takes(self) -> List[str]:
        """The names of what it takes beside the picture."""
        return companions.given_names(self.description.companions)

    def ready(self, picture: Picture, **beside: Picture) -> Ready:
        """A picture as the network takes it; arguments and errors as of a call."""
        wanted = self.takes
        if sorted(beside) != wanted:
            raise InputError(
                f"'{self._path}' takes {' and '.join(wanted) or 'nothing'} beside the picture, not "
                f"{' and '.join(sorted(beside)) or 'nothing'}",
                "what it takes",
                " ".join(f"--with {name}=FILE" for name in wanted) or "leave it out",
            )
        image = self.read(picture)
        ready = super().ready(image)
        kinds = {one["of"]: one["read"] for one in self.description.companions.values()}
        pictures = {name: companions.read(one, kinds[name]) for name, one in beside.items()}
        with as_exported(self._path, "has a test pipeline that cannot be applied"):
            sized = {name: self._sized(one) for name, one in self.description.companions.items()}
            feeds = companions.prepared(sized, {"input": image, **pictures})
        if self.description.task == "inpainting":
            ready = ready._replace(feed=ready.feed * (1 - feeds["mask"]))
        known = pictures.get("trimap")  # of the picture's own size: a matte is 0 and 1 where it says so
        return ready._replace(
            beside=feeds, prepared=replace(ready.prepared, image=image[:0] if known is None else known)
        )

    def read_answer(self, ready: Ready, outputs: Dict[str, np.ndarray]) -> EditedImage:
        """What ``run`` gave of a picture, as a call of this gives it.

        Raises:
            InputError: the outputs are not those of such a file.
        """
        with as_exported(self._path, "has outputs that cannot be read"):
            if self.description.task == "matting":
                return EditedImage(_matte(ready.prepared, outputs, self._resizing))
            values = outputs["image"].astype(np.float32)
            (_, height, width), about = values.shape, self.description.image_values
            if self.description.task == "inpainting":
                height, width = ready.prepared.shape
            return EditedImage(values[:, :height, :width], float(about["low"]), float(about["high"]), about["rgb"])

    def draw(self, picture: Picture, found: EditedImage, score_thr: float = 0.0) -> np.ndarray:
        """The image, (H, W, 3) BGR uint8, or (H, W) of a matte; ``score_thr`` is for other models."""
        return found.pixels

    @property
    def _resizing(self) -> Optional[str]:
        """How the pipeline resizes pictures, None where it does not."""
        return next((step["interpolation"] for step in self._steps if step["type"] == "resize"), None)

    def _sized(self, companion: Mapping[str, Any]) -> Mapping[str, Any]:
        if not self._size or companion["read"] == "picture":
            return companion
        return {**companion, "steps": pipeline.for_fixed_size(companion["steps"], self._size)}


def _matte(prepared: pipeline.Prepared, outputs: Dict[str, np.ndarray], resizing: Optional[str]) -> np.ndarray:
    """(1, H, W) of the picture's size: 0 and 1 where the trimap knows."""
    if resizing is None:
        height, width = prepared.original
        return outputs["alpha"][:, :height, :width].astype(np.float32)
    size = prepared.original[::-1]
    resized = cv2.resize(outputs["alpha_raw"][0], size, interpolation=pipeline.INTERPOLATIONS[resizing])
    alpha, trimap = np.clip(resized, 0, 1), prepared.image
    alpha[trimap == _TRANSPARENT], alpha[trimap == _OPAQUE] = 0.0, 1.0
    return alpha[None]
