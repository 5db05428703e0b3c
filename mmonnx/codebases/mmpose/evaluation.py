"""Pose estimators: the file's key points, and PyTorch's own inference, as mmpose's datasets evaluate them."""

import os
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

import numpy as np
import torch

from ...environment import compat
from ...evaluation import Batch, Evaluator, FirstSets, Group, OnnxFile
from ...loading import Task
from ...runtime import Crop, Grouping, Poses, are_there
from ...support import InputError
from .films import KIND, weights_in, weights_of_frames
from .module import one_pass

_UNIT = 200.0
_AUGMENTED = "aug_data"
"""Under what the meta data of a picture of several people have what the network is to see, in each of its scales."""


class PoseSets(FirstSets):
    """See ``TestSets``."""

    def batches(self, config: Any, dataset: Any, loader: Any) -> Iterator[Batch]:
        """See ``TestSets.batches``; pictures of several people are resized by names that numpy has lost.

        The frames of films, a tensor for each, are one (N, T, C, H, W).
        """
        if weights_in(config) and config.model.type == KIND:
            loader = ({**batch, "img": torch.stack(list(batch["img"]), 1)} for batch in loader)
        with compat.old_numpy_names():
            yield from super().batches(config, dataset, loader)


class PoseEvaluator(Evaluator):
    """Key points as mmpose's datasets evaluate them, in pixels of the pictures; what it counts are crops."""

    package = "mmpose"
    batch_of_training = True

    @property
    def sets(self) -> PoseSets:
        """See ``Evaluator.sets``."""
        return PoseSets(self)

    def pipeline(self, steps: Any, size: Optional[Tuple[int, int]]) -> Any:
        """See ``Evaluator.pipeline``; upstream's own for films forgets the boxes' numbers, which its scores need."""
        for step in steps:
            names = step.get("meta_keys", ())
            if "frame_weight" in names and "bbox_id" not in names:
                step["meta_keys"] = [*names, "bbox_id"]
        return steps

    def classes(self, dataset: Any) -> Tuple[Sequence[str], Sequence[Sequence[int]]]:
        """The numbers of the key points: a dataset does not keep their names."""
        return tuple(map(str, range(dataset.ann_info["num_joints"]))), ()

    def check(self, file: OnnxFile, metrics: Sequence[str], options: Mapping[str, Any], num_classes: int) -> None:
        """Refuse a file that does not give what the metrics need.

        Raises:
            InputError: it has no key points, or another number of them than the dataset.
        """
        if not ("keypoints" in file.outputs or {"heatmaps", "tags"} <= set(file.outputs)):
            raise InputError(
                f"'{file.path}' gives {', '.join(file.outputs)}",
                "keypoints, or heatmaps and tags",
                "export it without --skip-postprocess",
            )
        known = len(file.description.classes) or num_classes
        if known != num_classes:
            raise InputError(
                f"'{file.path}' has {known} key points, the test set {num_classes}",
                "a test set with the file's key points",
                "give the file's own config",
            )

    def run_file(self, file: OnnxFile, config: Any, num_classes: int) -> Callable[[Group], List[Any]]:
        """What gives the file's key points."""
        udp = bool((config.model.get("test_cfg") or {}).get("use_udp", False))
        if "tags" in file.outputs or "scores" in file.outputs:
            return lambda group: [_people(file, meta, udp) for meta in group.metas]

        def run(group: Group) -> List[Any]:
            size = (group.images.shape[-2], group.images.shape[-1])
            found = []
            for outputs, meta in zip(file(group.images.numpy(), size), group.metas):
                crop = Crop(meta["center"], meta["scale"], udp, np.zeros(4, np.float32))
                places = crop.in_picture(outputs["keypoints"][:, :2], file.size or size)
                found.append(_result(np.concatenate([places, outputs["keypoints"][:, 2:]], 1), meta))
            return found

        return run

    def run_pytorch(self, task: Task) -> Callable[[Group], List[Any]]:
        """What gives the pose estimator's own key points, as upstream's test tools get them, without flipped copies."""
        model = task.module.model
        device = task.inputs["input"].device

        def run(group: Group) -> List[Any]:
            if _AUGMENTED in group.metas[0]:  # pictures of several people, of which upstream takes one at a time
                pairs = zip(group.images.to(device), map(_of_one_scale, group.metas))
                with torch.no_grad(), one_pass(model):
                    return [model(return_loss=False, img=image[None], img_metas=[meta]) for image, meta in pairs]
            images = group.images.to(device)
            frames = list(images.unbind(1)) if weights_of_frames(model) else images
            with torch.no_grad(), one_pass(model):
                found = model(return_loss=False, img=frames, img_metas=group.metas)
            return [_result(pose, meta) for pose, meta in zip(found["preds"], group.metas)]

        return run

    def drawable(self, result: Any, meta: Dict[str, Any]) -> Poses:
        """One result for a picture."""
        if isinstance(meta["image_file"], list):  # of the frames of a film the first one counts
            meta["image_file"] = meta["image_file"][0]
        meta["filename"] = meta["image_file"]
        if _AUGMENTED in meta:
            poses = np.array([pose[:, :3] for pose in result["preds"]], np.float32)
            return Poses(poses, None, np.array(result["scores"], np.float32))
        centre, half = meta["center"], meta["scale"] * _UNIT / 2
        # of a picture with several crops each has a drawing of its own
        stem, suffix = os.path.splitext(os.path.basename(meta["image_file"]))
        meta.update(ori_filename=f"{stem}_{meta.get('bbox_id', 0)}{suffix}")
        return Poses(result["preds"], np.concatenate([centre - half, centre + half])[None].astype(np.float32))


def _people(file: OnnxFile, meta: Mapping[str, Any], udp: bool) -> Dict[str, Any]:
    """What upstream's own inference gives of one picture of several people, by a file's maps or key points."""
    picture = np.asarray(_of_one_scale(meta)[_AUGMENTED][0], np.float32)
    size = (picture.shape[2], picture.shape[3])
    (outputs,) = file(picture, size)
    if "keypoints" in outputs:
        there, places = are_there(outputs["scores"]), file.size or size
        poses, scores = outputs["keypoints"][there], outputs["scores"][there]
    else:
        heats = outputs["heatmaps"].astype(np.float32)
        poses, scores = Grouping(**(file.description.grouping or {})).people(heats, outputs["tags"].astype(np.float32))
        places = (heats.shape[1], heats.shape[2])
    crop = Crop(meta["center"], meta["scale"], udp, np.zeros(4, np.float32))
    rows = np.concatenate([poses, np.zeros_like(poses[..., :1])], 2)  # upstream has the tags beside the scores
    rows[..., :2] = crop.in_picture(rows[..., :2], places)
    return {"preds": list(rows), "scores": scores.tolist(), "image_paths": [meta["image_file"]], "output_heatmap": None}


def _of_one_scale(meta: Mapping[str, Any]) -> Dict[str, Any]:
    """The meta data of a picture that is run in its own scale alone, or in its greatest where that is none of them."""
    scales = sorted(meta["test_scale_factor"], reverse=True)
    scale = 1 if 1 in scales else scales[0]
    return {**meta, "test_scale_factor": [scale], _AUGMENTED: [meta[_AUGMENTED][scales.index(scale)]]}


def _result(pose: np.ndarray, meta: Dict[str, Any]) -> Dict[str, Any]:
    """What upstream's own inference gives of one crop.

    Args:
        pose: (K, 3) in pixels of the picture.
        meta: the crop's.
    """
    scale = meta["scale"]
    score = float(np.array(meta.get("bbox_score", 1.0)).reshape(-1)[0])
    box = [*meta["center"], *scale, np.prod(scale * _UNIT), score]
    return {
        "preds": pose[None].astype(np.float32),
        "boxes": np.array([box], np.float32),
        "image_paths": [meta["image_file"]],
        "bbox_ids": [meta.get("bbox_id", 0)],
        "output_heatmap": None,
    }
