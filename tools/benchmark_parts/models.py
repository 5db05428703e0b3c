"""Ten models in one run: how mmonnx's file does beside the best of the others, at two sizes each."""

import itertools
from pathlib import Path
from statistics import geometric_mean
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from mmonnx.environment import compat

from .measuring import Row, Shape, ratio_of
from .report import figure, layout, machine
from .variants import OPENVINO, OURS, WINOGRAD

_BESIDE = (("mask", "upstream"), ("upstream", "upstream"), ("mmdeploy", "mmdeploy"), (OPENVINO, "OpenVINO"))
"""The variants that ours is compared with, and what they are called; a model has one of the first two."""
_TITLES = tuple(dict.fromkeys(title for _, title in _BESIDE))
_FORMS = {OURS: "", WINOGRAD: "--winograd"}
"""Our files, and what is asked for to get them."""
_CLASSIFIED = ((224, 224), (448, 448))


class Entry(NamedTuple):
    """A model: its title, its config in OpenMMLab 1.x and in 2.x, and its sizes, None for those that are asked for."""

    title: str
    first: str
    second: str
    shapes: Optional[Sequence[Shape]] = None

    @property
    def config(self) -> str:
        """The config in what is installed."""
        return self.second if compat.is_second_generation() else self.first


ENTRIES = (
    Entry(
        "Faster R-CNN R50",
        "mmdet::faster_rcnn/faster_rcnn_r50_fpn_1x_coco.py",
        "mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py",
    ),
    Entry(
        "Mask R-CNN R50",
        "mmdet::mask_rcnn/mask_rcnn_r50_fpn_1x_coco.py",
        "mmdet::mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py",
    ),
    Entry(
        "Cascade R-CNN R50",
        "mmdet::cascade_rcnn/cascade_rcnn_r50_fpn_1x_coco.py",
        "mmdet::cascade_rcnn/cascade-rcnn_r50_fpn_1x_coco.py",
    ),
    Entry(
        "RetinaNet R50",
        "mmdet::retinanet/retinanet_r50_fpn_1x_coco.py",
        "mmdet::retinanet/retinanet_r50_fpn_1x_coco.py",
    ),
    Entry(
        "FCOS R50",
        "mmdet::fcos/fcos_r50_caffe_fpn_gn-head_1x_coco.py",
        "mmdet::fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py",
    ),
    Entry("YOLOX-s", "mmdet::yolox/yolox_s_8x8_300e_coco.py", "mmdet::yolox/yolox_s_8xb8-300e_coco.py"),
    Entry(
        "YOLOv3 D53",
        "mmdet::yolo/yolov3_d53_mstrain-608_273e_coco.py",
        "mmdet::yolo/yolov3_d53_8xb8-ms-608-273e_coco.py",
        ((416, 416), (320, 480)),
    ),
    Entry("SOLOv2 R50", "mmdet::solov2/solov2_r50_fpn_1x_coco.py", "mmdet::solov2/solov2_r50_fpn_1x_coco.py"),
    Entry(
        "Deformable DETR R50",
        "mmdet::deformable_detr/deformable_detr_r50_16x2_50e_coco.py",
        "mmdet::deformable_detr/deformable-detr_r50_16xb2-50e_coco.py",
    ),
    Entry(
        "ResNet-50",
        "mmcls::resnet/resnet50_8xb32_in1k.py",
        "mmpretrain::resnet/resnet50_8xb32_in1k.py",
        _CLASSIFIED,
    ),
)
"""Those of which docs tell how they compare. PyTorch's own suppression takes minutes of what YOLOv3 without training
finds in larger pictures."""


def entry_of(config: str) -> Entry:
    """The entry of a config: the known one, or one of its own, named by its file."""
    known = (entry for entry in ENTRIES if entry.config == config)
    return next(known, Entry(Path(config).stem, config, config))


class Line(NamedTuple):
    """One model at one size, in one of our files.

    Attributes:
        title: the model.
        shape: (height, width).
        form: what is asked for, empty for nothing.
        ms: of our file.
        ratios: our time by that of each peer that was measured, by its title: the median of the rounds' ratios.
        right: the peers whose answers are all PyTorch's.
        matched: ours, ``400/400``, and ``ok`` whether they all are.
        error: why there is no more, empty for none.
    """

    title: str
    shape: Shape
    form: str = ""
    ms: Optional[float] = None
    ratios: Dict[str, float] = {}
    right: Sequence[str] = ()
    matched: str = ""
    ok: bool = False
    error: str = ""

    def best(self, right: bool = False) -> Optional[float]:
        """Our time by that of the fastest peer, or the fastest one whose answers are PyTorch's; None without any."""
        return max((ratio for name, ratio in self.ratios.items() if not right or name in self.right), default=None)


def lines_of(title: str, shape: Shape, rows: Sequence[Row]) -> List[Line]:
    """What the rows of a model at a size say of each of our files."""
    found = {row.variant: row for row in rows}
    return [_line(title, shape, form, found[name], found) for name, form in _FORMS.items() if name in found]


def _line(title: str, shape: Shape, form: str, ours: Row, found: Mapping[str, Row]) -> Line:
    if ours.error or not ours.times_ms:
        return Line(title, shape, form, error=ours.error or "not measured")
    peers = {name: found[variant] for variant, name in _BESIDE if variant in found and found[variant].times_ms}
    ratios = {name: ratio_of(ours.times_ms, row.times_ms) for name, row in peers.items()}
    right = [name for name, row in peers.items() if row.ok and not row.error]
    return Line(title, shape, form, ours.ms, ratios, right, f"{ours.matched}/{ours.total}", ours.ok)


def models_table(lines: Sequence[Line]) -> str:
    """A line for each model and size, and what they come to."""
    beside = [f"/ {title}" for title in _TITLES]
    table: List[Tuple[str, ...]] = [("model", "size", "form", "ms", *beside, "best", "matched")]
    for one in lines:
        size = f"{one.shape[0]}x{one.shape[1]}"
        if one.error:
            table.append((one.title, size, one.form))
            continue
        ratios = [figure(one.ratios.get(title), 2) + _mark(one, title) for title in _TITLES]
        table.append((one.title, size, one.form, f"{one.ms:.0f}", *ratios, figure(one.best(), 2), one.matched))
    remarks = ["", *(one.error for one in lines)]
    return f"{layout(table, remarks)}\n\n{_sums(lines)}"


def models_dict(lines: Sequence[Line], rounds: int, threads: Optional[int]) -> Dict[str, Any]:
    """All of it, for ``models.json``."""
    models = [{**one._asdict(), "best": one.best(), "best_right": one.best(right=True)} for one in lines]
    return {"settings": {"rounds": rounds, "threads": threads}, "machine": machine(), "models": models}


def _sums(lines: Sequence[Line]) -> str:
    texts = []
    beside = ((False, "the fastest peer"), (True, "the fastest whose answers are PyTorch's"))
    for form, (right, peers) in itertools.product(_FORMS.values(), beside):
        known = [(one.best(right), one) for one in lines if one.form == form]
        ratios = [ratio for ratio, _ in known if ratio is not None]
        if ratios:
            worst = max(ratios)
            title = next(one.title for ratio, one in known if ratio == worst)
            mean = geometric_mean(ratios)
            found = f"geometric mean {mean:.2f} of {len(ratios)}, worst {worst:.2f} ({title})"
            texts.append(f"{form or 'mmonnx'} beside {peers}: {found}")
    return "\n".join([*texts, "* not all of its answers are PyTorch's; ms: of mmonnx's file in ONNX Runtime"])


def _mark(one: Line, title: str) -> str:
    return "*" if title in one.ratios and title not in one.right else " "
