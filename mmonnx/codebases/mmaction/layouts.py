"""What the inputs of models of clips look like: how many clips, of which frames, channels and size."""

from dataclasses import dataclass, replace
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np
import torch
from torch import nn

from ...loading import LoadOptions, make_input
from ...support import InputError

Shape = Tuple[int, int]
Transforms = Sequence[Mapping[str, Any]]

DEFAULT_SHAPE = (224, 224)
"""(height, width) where no pipeline says."""
_FRAMES = 32
"""Of a clip, where nobody says: slow pathways leave most of them out."""
_SEGMENTS = 8
"""The frames of a film, for models that take any number, where nobody says."""
_UNIT = {"mean": [0.0], "std": [255.0], "to_rgb": True}
_OF_2D, _OF_3D = 5, 6
"""The axes of inputs."""


@dataclass(frozen=True)
class Layout:
    """The input of a model of clips, (N, M, C, T, H, W), or (N, M, C, H, W).

    Attributes:
        clips: M: how many clips there are; of models of single frames, how many frames.
        unit: what M is a multiple of.
        frames: T; None for models of single frames.
        channels: C.
        size: (height, width) in pixels.
        norm: the ``Normalize`` transform.
    """

    clips: int
    unit: int
    frames: Optional[int]
    channels: int
    size: Shape
    norm: Mapping[str, Any]

    @property
    def size_axis(self) -> int:
        """The axis of the height; that of the width follows."""
        return 3 if self.frames is None else 4

    def of_shape(self, shape: Sequence[int], title: str) -> "Layout":
        """The same for an input of some shape.

        Raises:
            InputError: the model takes another number of axes, of channels, or of clips.
        """
        wanted = _OF_2D if self.frames is None else _OF_3D
        names = "batch, clips, channels, " + ("" if self.frames is None else "frames, ") + "height and width"
        if len(shape) != wanted or shape[2] != self.channels or shape[1] % self.unit:
            more = f", clips a multiple of {self.unit}" if self.unit > 1 else ""
            raise InputError(
                f"--shape {' '.join(map(str, shape))} is no input of {title}",
                f"{names}, with {self.channels} channels{more}",
                "give these, or height and width alone",
            )
        frames = None if self.frames is None else shape[3]
        return replace(self, clips=shape[1], frames=frames, size=(shape[-2], shape[-1]))

    def feed(self, images: Sequence[np.ndarray], size: Shape, clips: Optional[int] = None) -> torch.Tensor:
        """A batch of films in which each image moves by a few pixels from frame to frame.

        Args:
            images: (H, W, C) each.
            size: (height, width) in pixels.
            clips: M, None for the layout's own.
        """
        stills = make_input(images, size, dict(self.norm), self.channels)
        count, frames = clips or self.clips, self.frames or 1
        moved = [stills.roll((3 * number, 5 * number), (2, 3)) for number in range(count * frames)]
        film = torch.stack(moved, 1).reshape(len(stills), count, frames, *stills.shape[1:])
        return film[:, :, 0] if self.frames is None else film.transpose(2, 3).contiguous()


def layout_of(model: Any, transforms: Transforms, options: LoadOptions, title: str) -> Layout:
    """The sample input of a model.

    Args:
        model: a recognizer.
        transforms: its test pipeline's, empty for none.
        options: what a user says of it.
        title: what it is, for messages.

    Raises:
        InputError: the user says what it cannot be.
    """
    channels, unit, single = _channels(model), _unit(model), is_of_frames(model)
    found = Layout(
        clips=max(_one_view(transforms) or (_SEGMENTS if single else 1), unit) if single else 1,
        unit=unit if single else 1,
        frames=None if single else _frames(model, transforms),
        channels=channels,
        size=options.shape or _size(transforms),
        norm=norm_of(transforms, channels),
    )
    if options.sample_shape is not None:
        return found.of_shape(options.sample_shape, title)
    if options.dynamic or options.dynamic_batch:
        # several views, so that their average is one
        return replace(found, clips=found.clips + (max(found.unit, found.clips) if single else 1))
    return found


def is_of_frames(model: Any) -> bool:
    """Whether a model takes frames, and no clips of them."""
    return any(base.__name__ in ("Recognizer2D", "AudioRecognizer") for base in type(model).__mro__)


def norm_of(transforms: Transforms, channels: int) -> Dict[str, Any]:
    """The ``Normalize`` transform for values of 0 to 255; without one, they are brought to 0 to 1."""
    norm = next((one for one in transforms if one["type"] == "Normalize"), None)
    return dict(_UNIT) if norm is None else whole(norm, channels)


def whole(norm: Mapping[str, Any], channels: int) -> Dict[str, Any]:
    """A ``Normalize`` transform of mmaction2's, with a mean for each channel: flows have theirs again and again."""
    found = {}
    for name in ("mean", "std"):
        values: List[float] = [float(value) for value in norm[name]]
        found[name] = values * (channels // len(values)) if len(values) == 2 else values
    return {**found, "to_rgb": bool(norm.get("to_rgb", not norm.get("to_bgr", False)))}


def _sampler(transforms: Transforms) -> Optional[Mapping[str, Any]]:
    return next((one for one in transforms if "clip_len" in one or "SampleFrames" in str(one["type"])), None)


def _one_view(transforms: Transforms) -> int:
    sampler = _sampler(transforms)
    if sampler is None or sampler["type"] == "PaddingWithLoop":
        return 0
    return int(sampler.get("num_clips", 1)) * (1 if _joins_frames(transforms) else int(sampler.get("clip_len", 1)))


def _joins_frames(transforms: Transforms) -> bool:
    """Whether the frames of a clip are channels of one: flows, and sound."""
    return any(transform.get("input_format") in ("NCHW_Flow", "NCTF") for transform in transforms)


def _frames(model: Any, transforms: Transforms) -> int:
    own = getattr(model.backbone, "num_frames", None)
    sampler = _sampler(transforms)
    return int(own or (sampler or {}).get("clip_len") or _FRAMES)


def _unit(model: Any) -> int:
    """What the number of a film's frames is a multiple of, as the layers of a model of frames have them built in."""
    known = [getattr(part, "num_segments", None) for part in (model.backbone, getattr(model, "cls_head", None))]
    return next((int(one) for one in known if one), 1)


def _channels(model: Any) -> int:
    first = next(layer for layer in model.modules() if isinstance(layer, (nn.Conv2d, nn.Conv3d)))
    return int(first.in_channels)


def _size(transforms: Transforms) -> Shape:
    """(height, width) that a test pipeline makes."""
    for transform in reversed(transforms):
        size: Any = transform.get("crop_size")
        if transform["type"] == "Resize" and transform.get("keep_ratio") is False:
            size = transform["scale"]
        if size is not None:
            width, height = (size, size) if isinstance(size, int) else size
            return int(height), int(width)
    return DEFAULT_SHAPE
