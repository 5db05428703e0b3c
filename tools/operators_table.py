"""Write mmcv's operators and what becomes of each into docs/operators.md and docs/targets.md. No arguments."""

import sys
from pathlib import Path
from typing import Any, Dict, Iterator, List

import onnx

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "operators.md"
TARGETS_PAGE = ROOT / "docs" / "targets.md"
_BEGIN, _END = "<!-- made by tools/operators_table.py -->", "<!-- end -->"
sys.path.insert(0, str(ROOT))

from mmonnx.graph.functions import walk_nodes  # noqa: E402
from mmonnx.rewriting.symbolics.functions import MMCV, all_functions  # noqa: E402
from mmonnx.targets import TARGETS, full_name  # noqa: E402

OPSETS = (11, 16, 19)
"""Those at which ONNX got an operator that a body is made of."""

_POOL = dict(output_height=7, output_width=7, spatial_scale=0.25, sampling_ratio=2)
_CONV = dict(stride=[1, 1], padding=[1, 1], dilation=[1, 1], groups=1, deform_groups=1)
_CARAFE = dict(kernel_size=5, group_size=1, scale_factor=2.0)

# Attributes as a common model has them.
EXAMPLES: Dict[str, Dict[str, Any]] = {
    "MMCVBorderAlign": dict(pool_size=10),
    "MMCVCARAFE": _CARAFE,
    "MMCVCARAFENaive": _CARAFE,
    "MMCVCornerPool": dict(mode=0),
    "MMCVDeformConv2d": dict(_CONV, bias=0, im2col_step=32),
    "MMCVDeformRoIPool": dict(pooled_height=7, pooled_width=7, spatial_scale=0.25, sampling_ratio=2.0, gamma=0.1),
    "MMCVMaskedConv2d": dict(padding=[1, 1], stride=[1, 1]),
    "MMCVModulatedDeformConv2d": _CONV,
    "MMCVMultiScaleDeformableAttn": dict(im2col_step=64),
    "MMCVPSAMask": dict(psa_type=0, mask_size=[7, 7]),
    "MMCVRoIAlignRotated": dict(_POOL, aligned=1, clockwise=0),
    "MMCVRoiAlign": dict(_POOL, mode="avg", aligned=1),
    "MMCVRotatedFeatureAlign": dict(spatial_scale=0.125, points=5),
    "MaxRoiPool": dict(pooled_shape=[7, 7], spatial_scale=0.25),
    "NonMaxSuppression": dict(iou_threshold=0.5, offset=0),
    "SoftNonMaxSuppression": dict(iou_threshold=0.3, offset=0, sigma=0.5, min_score=0.001, method=1),
    "cummax": dict(dim=1),
    "cummin": dict(dim=1),
    "grid_sampler": dict(interpolation_mode=0, padding_mode=0, align_corners=0),
}

# What a reader looks for; all else that bodies are made of is arithmetic and moving of data.
_TOLD = ("DeformConv", "GridSample", "RoiAlign", "MaxRoiPool", "NonMaxSuppression", "Loop", "MatMul", "Conv")

_HEAD = """# mmcv's operators

Made by `python tools/operators_table.py`; do not edit.

By default a file has standard operators alone: each of mmcv's operators becomes its body. With `--custom-ops mmcv` it
stays a node of the domain `mmcv`, with mmcv 1.7.2's own type and attributes, and the file holds its body as a function:
a runtime that knows the operator uses its kernel, any other runs the body. `--target onnxruntime-mmcv` does so unless
`--custom-ops none` is given. PPLNN has no functions: its files have those operators that it knows as nodes, and the
bodies of all others.

mmdet's batched suppression (`batched_nms`, `multiclass_nms`, the heads) always is ONNX's `NonMaxSuppression`, since
mmcv's takes the boxes of one class of one image. As mmcv does, the file goes class by class for an image with
`split_thr` candidates or more (10,000 by default), even where the config is `class_agnostic`. mmcv's two operators
stand for direct calls of `mmcv.ops.nms` and `soft_nms`.

A file has one function a type. Where nodes of a type differ in attributes of which the body is made, the function reads
its own attributes and calls one of several bodies, named `TYPE_1`, `TYPE_2` and so on; a runtime folds the choice away.

At opset 19 and later deformable convolutions are ONNX's `DeformConv`, which ONNX Runtime 1.32 has on the CPU. 1.19 does
not have it, and does not load such a file.

The table says of which operators a body is made, besides arithmetic and moving of data, and of how many nodes (without
constants), for the attributes of a common model.
"""


def table() -> str:
    """The whole page."""
    columns = ["operator", "attributes", *(f"body at opset {opset}" for opset in OPSETS), "known to"]
    lines = [" | ".join(columns), " | ".join(["---"] * len(columns)), *map(" | ".join, _rows())]
    return _HEAD + "\n" + "\n".join(f"| {line} |" for line in lines) + "\n"


def with_table(page: str) -> str:
    """docs/targets.md with its short table as the code gives it.

    Args:
        page: its text, with the two marks that the table is between.
    """
    before, rest = page.split(_BEGIN)
    head = ["custom operator", "ONNX's own from opset", "body before that"]
    lines = [head, ["---"] * len(head), *_short_rows()]
    middle = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    return f"{before}{_BEGIN}\n{middle}{_END}{rest.split(_END)[1]}"


def _short_rows() -> Iterator[List[str]]:
    for name, function in sorted(all_functions().items(), key=lambda item: item[0].lower()):
        if function.domain == MMCV:
            texts = {opset: function.source(opset, EXAMPLES[name]) for opset in OPSETS}
            own = next((opset for opset, text in texts.items() if _is_one_operator(text)), None)
            body = "" if own == OPSETS[0] else _describe(texts[OPSETS[0]])
            yield [f"`{MMCV}::{name}`", str(own or ""), body]


def _is_one_operator(text: str) -> bool:
    """Whether a body is an operator of ONNX's that does the work, with a few nodes for its inputs."""
    kinds = _kinds(text)
    return len(kinds) <= 5 and any(kind in kinds for kind in _TOLD)


def _rows() -> Iterator[List[str]]:
    operators = {name: function for name, function in all_functions().items() if function.domain == MMCV}
    for name in sorted(operators, key=str.lower):
        texts = [operators[name].source(opset, EXAMPLES[name]) for opset in OPSETS]
        known = [target.name for target in TARGETS.values() if full_name(MMCV, name) in target.operators]
        attributes = ", ".join(f"`{key}`" for key in EXAMPLES[name])
        yield [f"`{MMCV}::{name}`", attributes or "none", *map(_describe, texts), ", ".join(known) or "none"]


def _kinds(text: str) -> List[str]:
    """The types of a body's nodes, without constants."""
    graph = onnx.GraphProto(node=onnx.parser.parse_function(text).node)
    return [node.op_type for node in walk_nodes(graph) if node.op_type != "Constant"]


def _describe(text: str) -> str:
    kinds = _kinds(text)
    told = [f"`{kind}`" for kind in _TOLD if kind in kinds]
    return ", ".join([*told, "1 node" if len(kinds) == 1 else f"{len(kinds)} nodes"])


if __name__ == "__main__":
    PAGE.write_text(table())
    TARGETS_PAGE.write_text(with_table(TARGETS_PAGE.read_text()))
