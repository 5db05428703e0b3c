"""Small models for the tests, made from upstream's own configs, and what they are tried on."""

import contextlib
import inspect
import io
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple

import cv2
import numpy as np
import onnx
import pytest
import torch

from mmonnx import fallback, loading
from mmonnx.environment import compat
from mmonnx.loading.config import find_config
from mmonnx.loading.images import photographs
from mmonnx.pipeline import ExportSettings, export
from mmonnx.rewriting.lowering import lower
from mmonnx.rewriting.rewrites import ExportContext, rewriting
from mmonnx.runtime.session import Session
from mmonnx.support.errors import InputError
from mmonnx.tracing.tracer import trace
from mmonnx.verifying.verification import Case, verify

SHAPE = (192, 256)
NARROW = {256: 64, 512: 128, 1024: 128}
"""Channels of necks and heads, and of how many a small version has."""
QUERIES = {"transformer", "proposal_feature_channel", "proposal_feature_channels"}
"""Keys of heads with queries, whose lengths go together: detectors with these keep their heads as they are."""
HOURGLASS = {
    "model.backbone.downsample_times": 2,
    "model.backbone.stage_channels": [32, 32, 32],
    "model.backbone.stage_blocks": [1, 1, 1],
    "model.backbone.feat_channel": 32,
    "model.bbox_head.in_channels": 32,
    "model.bbox_head.num_classes": 2,  # corners of one class make a box
    "model.test_cfg.corner_topk": 200,
    "model.test_cfg.distance_threshold": 2.0,
}
"""Options that make a small detector by corners of upstream's config."""
HEADS = ("neck", "rpn_head", "roi_head", "bbox_head", "mask_head", "segm_head", "semantic_head")


def shrink(config: Any) -> None:
    """Make a ResNet-FPN detector of a config small: a narrow ResNet below narrow heads of the same layers."""
    backbone = config.model.get("backbone")
    if backbone and backbone.type == "ResNet" and config.model.get("neck"):
        # deformable convolutions and their like are for bottlenecks alone
        wide = 4 if backbone.get("dcn") or backbone.get("plugins") else 1
        backbone.depth, backbone.base_channels, backbone.init_cfg = 50 if wide > 1 else 18, 16, None
        backbone.norm_cfg = dict(type="BN", requires_grad=True)
        neck = config.model.neck[0] if isinstance(config.model.neck, list) else config.model.neck
        name = "in_channel" if "in_channel" in neck else "in_channels"
        if name not in neck:  # one without layers
            return
        one_map = isinstance(neck[name], int)
        parts = [config.model.get(part) for part in HEADS]
        if not one_map and not any(QUERIES & {*part} for part in parts if isinstance(part, dict)):
            narrow(parts)
        neck[name] = 128 * wide if one_map else [16 * wide, 32 * wide, 64 * wide, 128 * wide]


def narrow(part: Any) -> None:
    """Give all layers of a part of a config fewer channels."""
    if isinstance(part, dict):
        for key, value in part.items():
            if key.endswith("channels") and isinstance(value, int):
                part[key] = NARROW.get(value, value)
            else:
                narrow(value)
    elif isinstance(part, list):
        for value in part:
            narrow(value)


def first_config(*names: str) -> str:
    """The first of these that the installed package has: it is called otherwise in old releases."""
    for name in names[:-1]:
        with contextlib.suppress(InputError):
            find_config(name)
            return name
    return names[-1]


def small_config(name: str, folder: Any, options: Optional[Dict[str, Any]] = None) -> str:
    """Write the small version of an installed config into a folder; its path."""
    fallback.ensure()
    config = compat.config_type().fromfile(str(find_config(name)))
    shrink(config)
    config.merge_from_dict(options or {})
    path = folder / (name.split("/")[-1])
    config.dump(str(path))
    return str(path)


def once_if(is_twin: Callable[[Any], bool], values: Iterable[Any]) -> List[Any]:
    """Parameters for pytest, tuples for several: the twins of others are for the default stack, and not for CI."""
    found = []
    for value in values:
        parts = value if isinstance(value, tuple) else (value,)
        found.append(pytest.param(*parts, marks=(pytest.mark.once, pytest.mark.long) if is_twin(value) else ()))
    return found


def load_small(name: str, folder: Any, options: Optional[Dict[str, Any]] = None, **load: Any) -> loading.Task:
    """The task of a small version of an installed config, with seeded random weights."""
    path = small_config(name, folder, options)
    return loading.load(path, None, loading.LoadOptions(shape=load.pop("shape", SHAPE), **load))


def small_file(name: str, folder: Any, options: Optional[Dict[str, Any]] = None, **load: Any) -> Tuple[str, Any]:
    """Export a small version of an installed config for any size: the file, and the model with its config."""
    from mmcv import Config

    config = small_config(name, folder, options)
    path = str(folder / (Path(config).stem + "".join(load.values()) + ".onnx"))
    settings = loading.LoadOptions(shape=SHAPE, dynamic=True, **load)
    model = export(ExportSettings(config, output_file=path, load=settings)).task.module.model
    model.cfg = Config.fromfile(config)
    return path, model


def line_marked_here(model: Any) -> int:
    """The number of the line of a class's source that ends with ``# here``."""
    lines, first = inspect.getsourcelines(model)
    return next(number for number, line in enumerate(lines, first) if line.rstrip().endswith("# here"))


def exported(module, inputs, context=None, opset=11, **options):
    """The model of a module that is exported by torch itself with the stand-ins in place."""
    context, buffer = context or ExportContext(), io.BytesIO()
    context.opset = opset
    with rewriting(context):
        torch.onnx.export(module, inputs, buffer, opset_version=opset, **options, **compat.export_kwargs())
    return onnx.load_model_from_string(buffer.getvalue())


def case(task, shape, pictures):
    """Pictures as one batch of a size, to be verified."""
    images = [np.zeros((*shape, 3), np.uint8)] * len(pictures)
    return Case(f"{shape} {len(pictures)}", task.preprocess(pictures, shape), images)


def padded(task, shape, part, pictures):
    """Pictures of a size as one batch of a larger one, to be verified."""
    images = [np.zeros((*shape, 3), np.uint8)] * len(pictures)
    return Case(f"{part} in {shape}", task.preprocess_padded(pictures, shape, part), images)


def run_known(session):
    """What runs a session on feeds of which the tracer may have left out what has no effect."""
    return lambda feeds: session.run({name: value for name, value in feeds.items() if name in session.input_names})


def with_all_values(model):
    """A session whose outputs are all values of the main graph."""
    model = onnx.shape_inference.infer_shapes(model)
    graph = model.graph
    known = {value.name for value in graph.output}
    for node in graph.node:
        for name in node.output:
            if name and name not in known:
                graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
    return Session(model)


def matches(task, sizes):
    """Export a task, and verify it: at the first size on one photograph, at the second on two, then on one each.

    And on two photographs that do not reach the right and the lower edge of the first size.
    """
    session = Session(lower(trace(task, 11, ExportContext())))
    one, two, three = photographs()[:3]
    pictures = [[one], [two, three]] + [[three]] * len(sizes[2:])
    cases = [case(task, size, batch) for size, batch in zip(sizes, pictures)]
    height, width = sizes[0]
    return verify(task, run_known(session), [*cases, padded(task, sizes[0], (height - 21, width - 37), [one, three])])


def picture_file(folder: Any, kind: str, channels: int, size: Tuple[int, int], seed: int) -> Tuple[str, np.ndarray]:
    """A random smooth picture of (height, width) and so many channels as a file of a kind, and its values."""
    image = np.random.RandomState(seed).randint(0, 256, (12, 16, channels)).astype(np.uint8)
    image, path = cv2.resize(image, size[::-1], interpolation=cv2.INTER_CUBIC), str(folder / f"picture.{kind}")
    if kind == "npy":
        np.save(path, image)
    elif kind == "tif":
        assert cv2.imwritemulti(path, [np.ascontiguousarray(image[..., page]) for page in range(channels)])
    else:
        assert cv2.imwrite(path, image)
    return path, image
