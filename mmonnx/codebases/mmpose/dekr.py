"""What DEKR has of its own, which finds people by their middles and where their key points lie from there.

Its second network, where it has one, judges people by the links between their key points. Upstream tells it these with
each picture.
"""

import importlib
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence

import numpy as np
import torch
from torch import nn

from ...environment import StandIn, inference, standing_in
from ...loading import Feeds
from ...runtime import Poses
from ...support import InputError
from .keypoints import dataset_info, names_of, set_of
from .module import one_pass

KIND = "DisentangledKeypointRegressor"
_META = "picture_meta"
"""Under what a model's ``test_cfg`` has what upstream tells it with each picture."""
_SPREAD, _VARIES = 16.0, 0.1
"""Standard deviation of where key points lie from the middle, in places of a map, and of the weights that move them."""
_LINKS, _SCORES = 0.1, 30.0
"""What links and what scores are taken times, of which one are about 1, and the other products of two low heats."""
_SECOND = "rescore_net"


def is_one(model: Any) -> bool:
    """Whether a model, or one of those that it inherits from, is a DEKR."""
    return any(base.__name__ == KIND for base in type(model).__mro__)


def is_known_in(config: Any) -> bool:
    """Whether a config says all that a DEKR needs to know of pictures."""
    asked = (config.model.get("test_cfg") or {}).get("rescore_cfg") is not None
    return not asked or bool(_meta_in(config)["skeleton"])


def is_known(model: Any) -> bool:
    """Whether a DEKR, or its config, says all that it needs to know of pictures."""
    return not hasattr(model, _SECOND) or bool(meta_of(model)["skeleton"])


def give_meta(model: Any, config: Any) -> None:
    """Let a DEKR know what its config says of pictures."""
    own = model.test_cfg
    model.test_cfg = type(own)({**own, _META: _meta_in(config)})


def meta_of(model: Any) -> Mapping[str, Any]:
    """What upstream tells a DEKR of any picture, by upstream's names."""
    found = model.test_cfg.get(_META)
    if found is None:
        found = _meta_in(model.cfg) if "cfg" in vars(model) else _meta_in(None)  # as upstream's own inference has it
    return found


def predict(model: Any, batch: Feeds) -> List[Poses]:
    """The pose estimator's own inference, picture by picture as upstream has it."""
    found: List[Poses] = []
    height, width = (int(side) for side in batch["input"].shape[2:])
    size = np.array([width, height], np.float32)
    count = int(model.test_cfg["num_joints"])
    meta: Dict[str, Any] = {"image_file": "", "flip_index": [], "num_joints": count, **meta_of(model)}
    scale = size - 1 if model.use_udp else size / 200.0  # without aligned corners upstream counts in units of 200
    meta.update(test_scale_factor=[1], base_size=(width, height), center=size / 2, scale=scale)
    upstream = importlib.import_module("mmpose.models.detectors.one_stage")
    by_index = StandIn([upstream], "nearby_joints_nms", _ranked)
    with inference(model), one_pass(model), standing_in([by_index]):
        for image in batch["input"]:
            one = model(img=image[None], img_metas=[{**meta, "aug_data": [image[None]]}], return_loss=False)
            rows = [np.asarray(pose, np.float32)[:, :3] for pose in one["preds"]]
            poses = np.stack(rows) if rows else np.empty((0, count, 3), np.float32)
            found.append(Poses(poses, scores=np.asarray(one["scores"], np.float32)))
    return found


def _ranked(original: Callable[..., Any], people: Sequence[Mapping[str, Any]], *given: Any, **more: Any) -> Any:
    """Upstream's suppression with ranks for scores: numpy leaves it open who of two equal ones is first.

    Who is out of the picture has the scores of its border, as others beside it have.
    """
    order = np.argsort([-one["score"].mean() for one in people], kind="stable")
    ranks = np.empty(len(people))
    ranks[order] = np.arange(len(people))[::-1]
    ranked = [{**one, "score": rank} for one, rank in zip(people, ranks)]
    return original(ranked, *given, **{**more, "score_per_joint": False})


def stir(model: Any) -> None:
    """Have a DEKR of random weights find people near each other, and judge them unlike each other.

    Key points hardly differ in where they lie from the middle: of people whose links are as good as the same it is
    their scores that count.

    Args:
        model: is changed.
    """
    layer = model.keypoint_head.offset_conv_layers[-1]
    nn.init.normal_(layer.weight, std=_VARIES)
    nn.init.normal_(layer.bias, std=_SPREAD)
    if hasattr(model, _SECOND):
        links = 3 * len(meta_of(model)["skeleton"])
        with torch.no_grad():
            model.rescore_net.l1.weight[:, :links].mul_(_LINKS)
            model.rescore_net.l1.weight[:, links:].mul_(_SCORES)
            model.rescore_net.l3.weight.sub_(model.rescore_net.l3.weight.mean())


def forget_second(model: Any) -> None:
    """Take the weights from a DEKR's second network, to tell whether a checkpoint has any."""
    if hasattr(model, _SECOND):
        with torch.no_grad():
            model.rescore_net.l1.weight.fill_(float("nan"))


def check_second(model: Any, checkpoint: str) -> None:
    """Refuse a checkpoint without the second network, which upstream would download.

    Raises:
        InputError: it has none.
    """
    if hasattr(model, _SECOND) and bool(model.rescore_net.l1.weight.isnan().any()):
        raise InputError(
            f"checkpoint {checkpoint!r} lacks the network that judges people, {_SECOND}",
            "its weights with the others: nothing is downloaded",
            f"save a model with those of test_cfg.rescore_cfg.pretrained in it as {_SECOND}.l1.weight and so on, "
            "or leave it out: --cfg-options model.test_cfg.rescore_cfg=None",
        )


def _meta_in(config: Optional[Any]) -> Dict[str, Any]:
    if config is None:  # a place of a map is four pixels wide, as of all configs of upstream's
        return {"skeleton": [], "image_size": 4, "heatmap_size": [1]}
    size = set_of(config)
    links = [tuple(line["link"]) for line in names_of(dataset_info(config))[2]]
    return {
        "skeleton": links,
        "image_size": int(size.get("image_size", 4)),
        "heatmap_size": [int(side) for side in size.get("heatmap_size", (1,))],
    }
