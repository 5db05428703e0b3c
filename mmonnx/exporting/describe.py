"""What the exporter writes into a file about itself; ``runtime.description`` is what a runtime reads of it."""

import hashlib
import json
import platform
from typing import Dict, Optional

import onnx
import onnxruntime

from ..environment import compat
from ..loading import LoadOptions, Task
from ..runtime import PREFIX, READERS, Description, is_rotated
from ..support import __version__
from ..verifying import Verification, as_data

_OUTPUTS = {
    "dets": "(batch, num_dets, 5): x1, y1, x2, y2 in pixels of the input, and the score; padded with zeros",
    "labels": "class indices, best first; -1 where dets is padded",
    "masks": "the detections' masks",
    "mask_scores": "(batch, num_dets): how good each mask is judged to be",
    "seg_map": "(batch, height, width): the class of each pixel",
    "seg_probs": "(batch, num_classes, height, width): probabilities; of two classes by a threshold, of the second",
    "keypoints": "(batch, num_keypoints, 3): x, y in pixels of the input, and the score",
    "heatmaps": "(batch, num_keypoints, height, width): how likely each key point is there",
    "tags": "(batch, num_keypoints or 1, height, width): those of one person's key points are alike",
    "maps": "(batch, channels, height, width): the maps that the boundaries of text are read of",
    "char_scores": "(batch, steps, num_characters): scores of the characters",
    "char_maps": "(batch, num_characters, height, width): scores of the characters at each place",
    "nodes": "(texts, num_classes): probabilities of each text's classes",
    "edges": "(texts * texts, 2): how likely the second of two texts does not belong to the first one, and does",
    "image": "(batch, 3, height, width): the image that is made of the input",
    "alpha": "(batch, 1, height, width): the alpha matte, 0 and 1 where the trimap is 0 and 255",
    "alpha_raw": "(batch, 1, height, width): the same before it is clipped, and before the trimap counts",
    "probs": "(batch, num_classes): probabilities",
    "logits": "(batch, num_classes): scores before the softmax or sigmoid",
    "scores": "(batch, k): the best scores, the best one first",
    "features": "what the model makes of the image, for others to compare or to go on with",
}

_OF_PICTURES = 4
"""The axes of (N, C, H, W): films and skeletons have more."""
_ROTATED = (
    "(batch, num_dets, 6): x and y of the centre, width and height in pixels of the input, the angle in radians,"
    " clockwise, and the score; padded with zeros"
)


def properties(
    task: Task, config: str, checkpoint: Optional[str], options: LoadOptions, target: str, simplifier: Optional[str]
) -> Dict[str, str]:
    """Everything that is known before the verification.

    Args:
        task: what is exported.
        config: the config's name.
        checkpoint: the path of its weights, None where they are from elsewhere: the task says from where.
        options: how it was loaded.
        target: the runtime's name.
        simplifier: the tool that simplified the graph, None for none.
    """
    described = Description(
        task=_kind(task),
        classes=list(task.classes),
        palette=[list(color) for color in task.palette],
        skeleton=list(task.skeleton),
        grouping=task.grouping,
        texts=task.texts,
        annotations=task.annotations,
        prompt=task.prompt,
        pipeline=task.pipeline,
        companions=task.companions,
        image_values=task.image_values,
        score_thr=task.score_thr,
        max_per_img=task.max_per_img,
        mask_thr=task.mask_thr,
        mask_output=_mask_output(task, options),
        box_limits=task.box_limits,
        outputs={name: _meaning(task, name) for name in task.output_names},
    )
    versions = {name: compat.installed_version(name) for name in (*compat.SUPPORTED, *compat.MEMBERS)}
    versions.update(mmonnx=__version__, onnx=onnx.__version__, onnxruntime=onnxruntime.__version__)
    versions.update(python=platform.python_version())
    return {
        **described.to_properties(),
        PREFIX + "config": config,
        PREFIX + "config_text": task.config_text,
        PREFIX + "checkpoint": checkpoint or task.weights,
        PREFIX + "checkpoint_sha256": _sha256(checkpoint) if checkpoint else "",
        PREFIX + "checkpoint_key": options.checkpoint_key or "",
        PREFIX + "versions": json.dumps({name: version for name, version in versions.items() if version}),
        PREFIX + "target": target,
        PREFIX + "simplifier": simplifier or "none",
    }


def _meaning(task: Task, name: str) -> str:
    if name == "dets" and is_rotated(int(task.output_shapes.get(name, {}).get(2, 0)) - 1):
        return _ROTATED
    return _OUTPUTS.get(name, "a raw output of the network")


def verification(verified: Optional[Verification]) -> Dict[str, str]:
    """How the verification went, and what it exercised; without one, that there was none."""
    if verified is None:
        return {PREFIX + "verified": "null"}
    cases = [
        {
            "name": result.name,
            "verdict": result.verdict,
            "matched": result.matched,
            "total": result.total,
            "max_box": result.max_box,
            "max_score": result.max_score,
            "max_mask": result.max_mask,
            "psnr": result.psnr,
        }
        for result in verified.results
    ]
    return {PREFIX + "verified": json.dumps(cases), PREFIX + "exercised": json.dumps(as_data(verified.goals))}


def _kind(task: Task) -> str:
    names = set(task.output_names)
    if task.annotations is not None:
        return "key information extraction"
    if task.texts is not None:
        return "text recognition" if task.texts["how"] in READERS else "text detection"
    if {"dets", "labels"} <= names:
        return "segmentation" if "masks" in names else "detection"
    if "seg_map" in names:
        return "semantic segmentation"
    if {"keypoints", "scores"} <= names:
        return "bottom-up pose estimation"
    of_films = next(iter(task.inputs.values())).dim() > _OF_PICTURES
    if "keypoints" in names:
        return "film pose estimation" if of_films else "pose estimation"
    if task.grouping is not None and {"heatmaps", "tags"} <= names:
        return "bottom-up pose estimation"
    if "alpha" in names:
        return "matting"
    if task.image_values and "image" in names:
        if of_films:
            return "film restoration"
        return "inpainting" if "mask" in task.inputs else "image editing"
    if not names & {"probs", "logits", "scores"}:
        return "raw"
    return "action recognition" if of_films else "classification"


def _mask_output(task: Task, options: LoadOptions) -> str:
    """Where the masks lie: a model without RoIs has them in the image, whatever was asked for."""
    rois = hasattr(getattr(task.module, "model", None), "roi_head")
    return options.mask_output if rois else "image"


def _sha256(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()
