"""What a file says of itself in its ``metadata_props``, as strings by name, all of them ``mmonnx.``-something."""

import json
from dataclasses import dataclass, field, fields
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ..support import InputError
from .annotations import check_annotations
from .boxes import LIMITS
from .companions import KINDS
from .films import check_step
from .prompts import check_prompt

PREFIX = "mmonnx."
TASKS = (
    "detection",
    "segmentation",
    "semantic segmentation",
    "pose estimation",
    "bottom-up pose estimation",
    "film pose estimation",
    "text detection",
    "text recognition",
    "key information extraction",
    "image editing",
    "inpainting",
    "matting",
    "film restoration",
    "classification",
    "action recognition",
    "raw",
)
_OF_MAPS = ("settings", "downsample")
_TEXTS: Dict[str, Tuple[str, ...]] = {
    "ctc": ("blank",),
    "attention": ("end", "padding"),
    "segments": ("unknown",),
    "masks": ("settings",),
    "fce": (*_OF_MAPS, "scales"),
    **dict.fromkeys(("db", "pan", "pse", "textsnake", "drrg"), _OF_MAPS),
}
"""What each way of reading text needs, see ``runtime.texts``."""


@dataclass(frozen=True)
class Description:
    """What somebody who runs a file has to know of it.

    Attributes:
        task: ``detection``, ``segmentation`` (detections with masks), ``semantic segmentation`` (the class of each
            pixel), ``pose estimation`` (key points), ``bottom-up pose estimation`` (maps of which those of several
            people are read), ``film pose estimation`` (key points of a frame, by several), ``text detection`` (maps or
            masks of which its boundaries are read), ``text recognition`` (scores of characters), ``key information
            extraction`` (what texts are, and which belong together), ``image editing`` (an image of an image),
            ``inpainting`` (the same, with a mask of what to fill in), ``matting`` (an alpha matte),
            ``film restoration`` (an image of a film's frames, or of each), ``classification``, ``action recognition``
            (the classes of a film) or ``raw`` (a network's outputs without post-processing).
        classes: class names, may be empty; the key points' names where these are found, characters where text is read.
        palette: (red, green, blue) of each class, may be empty.
        skeleton: lines between key points, each ``link`` (two of their indices) and ``color`` (red, green, blue).
        grouping: how key points of several people are read of maps, and told from those of somebody who was found
            twice, see ``runtime.grouping``; None where they are not.
        texts: how text, or where it is, is read of the outputs, see ``runtime.texts``; None where it is not.
        annotations: how the texts of a picture become inputs, see ``runtime.annotations``; None of files without.
        prompt: how text that the file takes becomes its inputs, see ``runtime.prompts``; None for a file without.
        pipeline: how an image is prepared, see ``runtime.pipeline``; None if the exporter did not know it.
        score_thr: the score below which the file drops detections.
        max_per_img: the greatest number of detections in an image, None for no limit.
        mask_thr: the probability from which on a pixel belongs to a mask.
        mask_output: ``image`` or ``roi``: whether masks are pasted.
        box_limits: what boxes may reach, see ``runtime.boxes``.
        outputs: what each output holds.
        companions: how further inputs are prepared, see ``runtime.companions``, by their names.
        image_values: ``low`` and ``high``, what is black and what is white in an image that the file gives, and
            ``rgb``, whether red is its first channel.
    """

    task: str = "raw"
    classes: Sequence[str] = ()
    palette: Sequence[Sequence[int]] = ()
    skeleton: Sequence[Dict[str, List[int]]] = ()
    grouping: Optional[Dict[str, Any]] = None
    texts: Optional[Dict[str, Any]] = None
    annotations: Optional[Dict[str, Any]] = None
    prompt: Optional[Dict[str, Any]] = None
    pipeline: Optional[List[Dict[str, Any]]] = None
    score_thr: float = 0.0
    max_per_img: Optional[int] = None
    mask_thr: float = 0.5
    mask_output: str = "image"
    box_limits: str = "image"
    outputs: Optional[Dict[str, str]] = None
    companions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    image_values: Mapping[str, Any] = field(default_factory=dict)

    def to_properties(self) -> Dict[str, str]:
        """The same as ``metadata_props``: each as JSON."""
        return {f"{PREFIX}{one.name}": _json(getattr(self, one.name)) for one in fields(self)}

    @staticmethod
    def from_properties(properties: Mapping[str, str], path: str) -> "Description":
        """Read it back; what is not there is as by default.

        Args:
            properties: of the file.
            path: the file's, for the message.

        Raises:
            InputError: the file does not describe itself, or what it says makes no sense.
        """
        if f"{PREFIX}task" not in properties:
            raise InputError(
                f"'{path}' does not say how it is to be run",
                "a file with the metadata that mmonnx export writes",
                "export the model again",
            )
        names = [one.name for one in fields(Description) if PREFIX + one.name in properties]
        try:
            values = {name: json.loads(properties[PREFIX + name]) for name in names}
            found = Description(**values)
            _check(found)
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise InputError(
                f"'{path}' has broken metadata ({type(error).__name__}: {error})",
                "the metadata that mmonnx export writes",
                "export the model again",
            ) from error
        return found


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _check(found: Description) -> None:
    """Raise ValueError, TypeError or KeyError where a value cannot be one that mmonnx wrote."""
    if found.task not in TASKS:
        raise ValueError(f"task {found.task!r}")
    if found.box_limits not in LIMITS:
        raise ValueError(f"box_limits {found.box_limits!r}")
    if not all(isinstance(name, str) for name in found.classes):
        raise ValueError("classes")
    if not all(len(color) == 3 and all(0 <= int(value) <= 255 for value in color) for color in found.palette):
        raise ValueError("palette")
    for line in found.skeleton:
        if len(line["link"]) != 2 or len(line["color"]) != 3 or not all(int(end) >= 0 for end in line["link"]):
            raise ValueError("skeleton")
    float(found.score_thr), float(found.mask_thr)
    if found.task in ("image editing", "inpainting"):
        float(found.image_values["low"]), float(found.image_values["high"]), bool(found.image_values["rgb"])
    if found.texts is not None:
        for name in _TEXTS[found.texts["how"]]:
            found.texts[name]
    if found.annotations is not None:
        check_annotations(found.annotations)
    if found.prompt is not None:
        check_prompt(found.prompt)
    for companion in found.companions.values():
        if companion["read"] not in KINDS or not isinstance(companion["of"], str):
            raise ValueError("companions")
        _check_steps(companion["steps"])
    _check_steps(found.pipeline or ())


def _check_steps(steps: Sequence[Mapping[str, Any]]) -> None:
    for step in steps:
        needed: Dict[str, Tuple[str, ...]] = {"resize": ("rule", "backend", "interpolation")}
        needed.update(normalize=("mean", "std", "to_rgb"), crop=("size",), pad=("value",), load=("color", "to_rgb"))
        needed.update(line=("height", "multiple", "least", "most", "value", "backend", "interpolation"))
        needed.update(person=("size", "padding", "udp"), align=("size", "base", "udp"), views=("how", "size"))
        for name in needed.get(step["type"], ()):
            step[name]
        if step["type"] == "frames":
            check_step(step)
        if step["type"] == "views" and step["how"] not in ("centre", "three", "ten"):
            raise ValueError("views")
