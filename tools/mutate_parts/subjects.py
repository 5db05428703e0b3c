"""The models into which faults are planted: data, and how one is made."""

import importlib
import io
from dataclasses import dataclass, field, replace
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

import numpy as np
import onnx
import torch
from torch import nn

from mmonnx import loading
from mmonnx.codebases.plain.modules import module_task
from mmonnx.loading.config import find_config
from mmonnx.loading.task import Task
from mmonnx.pipeline import ExportSettings, final_model
from mmonnx.terminal.report import Report
from mmonnx.verifying.verification import Case

_RESNET = {
    "backbone.depth": 18,
    "backbone.base_channels": 16,
    "neck.in_channels": [16, 32, 64, 128],
    "neck.out_channels": 64,
}
"""A ResNet of a config with an FPN as a narrow ResNet-18."""
_ONE_STAGE = {**_RESNET, "bbox_head.in_channels": 64, "bbox_head.feat_channels": 64, "bbox_head.num_classes": 8}
_PROPOSALS = {**_RESNET, "rpn_head.in_channels": 64, "rpn_head.feat_channels": 64, "test_cfg.rpn.max_per_img": 300}
_HEAD = {"in_channels": 64, "fc_out_channels": 128, "num_classes": 12}
_MASKS = {"in_channels": 64, "conv_out_channels": 32, "num_classes": 12}


def _below(path: str, options: Dict[str, Any]) -> Dict[str, Any]:
    """Options of a part of a config."""
    return {f"{path}.{key}": value for key, value in options.items()}


_TWO_STAGE = {
    **_PROPOSALS,
    **_below("roi_head.bbox_head", _HEAD),
    "roi_head.bbox_roi_extractor.out_channels": 64,
}
_CASCADE = {
    **_PROPOSALS,
    **{key: value for stage in range(3) for key, value in _below(f"roi_head.bbox_head.{stage}", _HEAD).items()},
    "roi_head.bbox_roi_extractor.out_channels": 64,
}
_WITH_MASKS = {
    **_TWO_STAGE,
    **_below("roi_head.mask_head", _MASKS),
    "roi_head.mask_roi_extractor.out_channels": 64,
}


class Spread(NamedTuple):
    """What is done to a layer that predicts, so that there are scores on both sides of the threshold and several boxes.

    Of weights that are drawn for training all scores are about 0.5, or 1 for one class: then it matters little what
    else is in a file.

    Attributes:
        factor: of its weights.
        bias: what is added to all biases.
        background: what is added to the last one.
    """

    factor: float = 1.0
    bias: float = 0.0
    background: float = 0.0

    def apply(self, layer: nn.Module) -> None:
        """Change a layer, in place."""
        with torch.no_grad():
            layer.weight.mul_(self.factor)
            layer.bias.add_(self.bias)
            layer.bias[-1] += self.background


@dataclass(frozen=True)
class Subject:
    """A model.

    Attributes:
        name: by which it can be asked for.
        config: as for ``mmonnx.export``; ``module:NAME`` for one of ``own_models``.
        shape: (height, width) of the export; None for an own model.
        options: what makes it small, as ``cfg_options`` of the config's model.
        trained: whether the weights are those beside the config.
        pictures: what it is made for: ``photographs``, ``digits`` (composites), ``digit`` (crops).
        dynamic_size: whether the model takes other sizes.
        spread: what is done to layers of it, by their paths.
    """

    name: str
    config: str
    shape: Optional[Tuple[int, int]] = None
    options: Dict[str, Any] = field(default_factory=dict)
    trained: bool = False
    pictures: str = "photographs"
    dynamic_size: bool = True
    spread: Dict[str, Spread] = field(default_factory=dict)

    @property
    def is_config(self) -> bool:
        """Whether the model has a config, which can be changed."""
        return self.config.split("::")[0] in ("mmonnx", "mmdet", "mmcls")


_SHAPE = (160, 192)
SUBJECTS = {
    one.name: one
    for one in (
        Subject("digits-detector", "mmonnx::digits/faster_rcnn_digits.py", (320, 320), {}, True, "digits"),
        Subject("digits-classifier", "mmonnx::digits/mobilenet_v2_digits.py", (64, 64), {}, True, "digit"),
        Subject(
            "retinanet",
            "mmdet::retinanet/retinanet_r50_fpn_1x_coco.py",
            _SHAPE,
            _ONE_STAGE,
            spread={"bbox_head.retina_cls": Spread(bias=-10.0)},
        ),
        Subject(
            "fcos",
            "mmdet::fcos/fcos_r50_caffe_fpn_gn-head_1x_coco.py",
            _SHAPE,
            _ONE_STAGE,
            spread={"bbox_head.conv_cls": Spread(bias=-6.0), "bbox_head.conv_reg": Spread(5.0, 1.0)},
        ),
        Subject(
            "yolox",
            "mmdet::yolox/yolox_tiny_8x8_300e_coco.py",
            _SHAPE,
            spread={
                f"bbox_head.multi_level_conv_{kind}.{level}": Spread(bias=2.0)
                for kind in ("cls", "obj")
                for level in range(3)
            },
        ),
        Subject("yolov3", "mmdet::yolo/yolov3_mobilenetv2_320_300e_coco.py", _SHAPE),
        Subject(
            "faster-rcnn",
            "mmdet::faster_rcnn/faster_rcnn_r50_fpn_1x_coco.py",
            _SHAPE,
            _TWO_STAGE,
            spread={"roi_head.bbox_head.fc_cls": Spread(background=9.0)},
        ),
        Subject(
            "cascade-rcnn",
            "mmdet::cascade_rcnn/cascade_rcnn_r50_fpn_1x_coco.py",
            _SHAPE,
            _CASCADE,
            spread={f"roi_head.bbox_head.{stage}.fc_cls": Spread(background=6.5) for stage in range(3)},
        ),
        Subject(
            "mask-rcnn",
            "mmdet::mask_rcnn/mask_rcnn_r50_fpn_1x_coco.py",
            _SHAPE,
            _WITH_MASKS,
            spread={"roi_head.bbox_head.fc_cls": Spread(background=12.0)},
        ),
        Subject("detr", "mmdet::detr/detr_r50_8x2_150e_coco.py", _SHAPE),
        Subject(
            "centernet",
            "mmdet::centernet/centernet_resnet18_140e_coco.py",
            _SHAPE,
            spread={"bbox_head.wh_head.2": Spread(20000.0, 6.0)},
        ),
        Subject("swin", "mmcls::swin_transformer/swin-tiny_16xb64_in1k.py", (224, 224)),
        Subject("vit", "mmcls::deit/deit-tiny_pt-4xb256_in1k.py", (224, 224), dynamic_size=False),
        Subject("segmentation", "torchvision.models.segmentation:lraspp_mobilenet_v3_large", (128, 160)),
        Subject("resnet", "torchvision.models:resnet18", (128, 160)),
        Subject("sequences", "module:sequences"),
        Subject("tables", "module:tables"),
    )
}
SHORT = ("digits-detector", "digits-classifier", "retinanet", "mask-rcnn", "sequences")


@dataclass(frozen=True)
class Prepared:
    """A model ready for faults.

    Attributes:
        subject: what it is.
        task: the true one.
        model: its file before the verification.
        cases: the inputs of the verification.
    """

    subject: Subject
    task: Task
    model: onnx.ModelProto
    cases: List[Case]

    @property
    def feeds(self) -> Dict[str, np.ndarray]:
        """The inputs of the export."""
        return loading.to_numpy(self.task.inputs)


def prepare(subject: Subject) -> Prepared:
    """Load a model and make its file, once."""
    return prepared_of(subject, load(subject))


def prepared_of(subject: Subject, task: Task) -> Prepared:
    """Make the file of a task."""
    found = final_model(task, settings(subject), _silent())
    return Prepared(subject, found.task, found.model, found.cases)


def load(subject: Subject, options: Optional[Dict[str, Any]] = None) -> Task:
    """The task of a model, with other options of its config if some are given."""
    if subject.config.startswith("module:"):
        make = getattr(importlib.import_module(f"{__package__}.own_models"), subject.config.split(":")[1])
        return module_task(*make())
    asked = settings(subject, options)
    task = loading.load(asked.config, asked.checkpoint, asked.load)
    for path, spread in subject.spread.items():
        spread.apply(task.module.model.get_submodule(path))
    return task


def settings(subject: Subject, options: Optional[Dict[str, Any]] = None) -> ExportSettings:
    """How a model is exported."""
    checkpoint = str(find_config(subject.config).with_suffix(".pth")) if subject.trained else None
    how = loading.LoadOptions(
        shape=subject.shape,
        dynamic=subject.shape is not None and subject.dynamic_size,
        dynamic_batch=subject.shape is not None,
        cfg_options={**_below("model", subject.options), **(options or {})},
        trust_checkpoint=subject.trained,
    )
    return ExportSettings(subject.config, checkpoint, load=how, simplify=True)


def traced(prepared: Prepared, options: Dict[str, Any]) -> onnx.ModelProto:
    """The unsimplified file of the same model with some options of its config changed, and with the same weights.

    Raises:
        Exception: the model cannot be built or traced so, or has other weights then.
    """
    task = load(prepared.subject, options) if options else prepared.task
    task.module.load_state_dict(prepared.task.module.state_dict())
    return final_model(task, replace(settings(prepared.subject), simplify=False), _silent()).model


def _silent() -> Report:
    """A report that nobody reads."""
    return Report(io.StringIO())
