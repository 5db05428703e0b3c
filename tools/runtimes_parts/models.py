"""The models that are run in each runtime: one of each kind of head that people export."""

from dataclasses import dataclass
from typing import Any, Callable, Dict, Optional, Tuple

from mmonnx.datasets import digits
from mmonnx.loading.options import LoadOptions
from mmonnx.support.resources import config_root

_SHAPE = (256, 320)


@dataclass(frozen=True)
class Model:
    """One model.

    Attributes:
        name: what the command line takes.
        title: how pages call it.
        config: as ``mmonnx export`` takes it.
        shape: (height, width) of the export in pixels, None for the config's own.
        picture: makes the picture, BGR uint8, that it is run on first; None for photographs.
        trained: its weights lie beside its config; else they are seeded random ones.
    """

    name: str
    title: str
    config: str
    shape: Optional[Tuple[int, int]] = _SHAPE
    picture: Optional[Callable[[], Any]] = None
    trained: bool = False

    @property
    def weights(self) -> str:
        """``trained`` or ``random``."""
        return "trained" if self.trained else "random"

    @property
    def checkpoint(self) -> Optional[str]:
        """The path of its weights, None for random ones."""
        if not self.trained:
            return None
        return str((config_root() / self.config.partition("::")[2]).with_suffix(".pth"))

    def options(self) -> LoadOptions:
        """How it is loaded: with every axis dynamic."""
        return LoadOptions(shape=self.shape, dynamic=True)


def _composite() -> Any:
    """The first held-out picture with several digits on it."""
    return next(one.image for one in digits.detection_samples("test", 50) if len(one.labels) > 3)


def _crop() -> Any:
    return next(digits.classification_samples("test", 1)).image


_ALL = (
    Model("digits-detector", "digit Faster R-CNN", "mmonnx::digits/faster_rcnn_digits.py", _SHAPE, _composite, True),
    Model("digits-classifier", "digit MobileNetV2", "mmonnx::digits/mobilenet_v2_digits.py", (64, 64), _crop, True),
    Model("faster-rcnn", "Faster R-CNN", "mmdet::faster_rcnn/faster_rcnn_r50_fpn_1x_coco.py"),
    Model("mask-rcnn", "Mask R-CNN", "mmdet::mask_rcnn/mask_rcnn_r50_fpn_1x_coco.py"),
    Model("cascade-rcnn", "Cascade R-CNN", "mmdet::cascade_rcnn/cascade_rcnn_r50_fpn_1x_coco.py"),
    Model("retinanet", "RetinaNet", "mmdet::retinanet/retinanet_r18_fpn_1x_coco.py"),
    Model("fcos", "FCOS", "mmdet::fcos/fcos_r50_caffe_fpn_gn-head_1x_coco.py"),
    Model("yolox", "YOLOX-tiny", "mmdet::yolox/yolox_tiny_8x8_300e_coco.py"),
    Model("yolov3", "YOLOv3", "mmdet::yolo/yolov3_d53_320_273e_coco.py"),
    Model("deformable-detr", "Deformable DETR", "mmdet::deformable_detr/deformable_detr_r50_16x2_50e_coco.py"),
    Model("solov2", "SOLOv2 (light)", "mmdet::solov2/solov2_light_r18_fpn_3x_coco.py"),
    Model("resnet", "ResNet-50", "mmcls::resnet/resnet50_8xb32_in1k.py", None),
)
MODELS: Dict[str, Model] = {model.name: model for model in _ALL}
