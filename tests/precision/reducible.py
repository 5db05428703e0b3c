"""Graphs to reduce, small enough to see through, and the digit models with small sets of images."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sample_sets import CLASSIFIER, DETECTOR, weights_of

from mmonnx import fallback
from mmonnx.datasets import digits
from mmonnx.loading import LoadOptions
from mmonnx.loading.config import find_config
from mmonnx.pipeline import ExportSettings, export


def digit_config(kind: str, folder: Path, train: int, test: int) -> str:
    """A digit model's config whose sets hold so many images; its path."""
    fallback.ensure()
    from mmcv import Config

    detector = kind == "detector"
    config = Config.fromfile(str(find_config(DETECTOR if detector else CLASSIFIER)))
    make = digits.make_detection_set if detector else digits.make_classification_set
    for split, count in (("train", train), ("test", test)):
        made = make(str(folder / kind), split, count)
        where = dict(ann_file=made, img_prefix=str(folder / kind / split)) if detector else dict(data_prefix=made)
        config.data[split].update(where)
    path = folder / f"{kind}.py"
    config.dump(str(path))
    return str(path)


def digit_file(kind: str, folder: Path, config: str, **settings) -> str:
    """An exported digit model; its path."""
    side = 320 if kind == "detector" else 64
    weights = weights_of(DETECTOR if kind == "detector" else CLASSIFIER)
    path = str(folder / f"{kind}.onnx")
    load = LoadOptions(shape=(side, side), dynamic=True)
    export(ExportSettings(config, weights, output_file=path, load=load, simplify=True, **settings))
    return path


def two_stages(width: int = 4) -> onnx.ModelProto:
    """Convolutions, boxes of the best places of a score map, RoIAlign, and a layer that sees the regions.

    Boxes are as large as the input ``size`` says, which is told and not computed of features.
    """
    rng = np.random.RandomState(0)
    weights = {
        "w1": rng.randn(width, 3, 3, 3) * 0.3,
        "w2": rng.randn(width, width, 3, 3) * 0.3,
        "ws": rng.randn(1, width, 1, 1),
        "wb": rng.randn(4, width, 1, 1),
        "wf": rng.randn(width * 4, 5),
    }
    constants = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()]
    whole = {"k": [3], "flat": [-1], "row": [-1, 4], "first": [0], "batch": [0, 0, 0]}
    constants += [numpy_helper.from_array(np.asarray(value, np.int64), name) for name, value in whole.items()]
    node = helper.make_node
    nodes = [
        node("Conv", ["x", "w1"], ["a"], "stem", pads=[1] * 4),
        node("Relu", ["a"], ["b"], "relu"),
        node("Conv", ["b", "w2"], ["c"], "body", pads=[1] * 4),
        node("Add", ["b", "c"], ["d"], "sum"),
        node("Conv", ["d", "ws"], ["s"], "score"),
        node("Conv", ["d", "wb"], ["t"], "places"),
        node("Reshape", ["s", "flat"], ["s1"], "scores"),
        node("TopK", ["s1", "k"], ["best", "at"], "best"),
        node("Transpose", ["t"], ["t1"], "channels", perm=[0, 2, 3, 1]),
        node("Reshape", ["t1", "row"], ["t2"], "rows"),
        node("Gather", ["t2", "at"], ["t3"], "chosen", axis=0),
        node("Sigmoid", ["t3"], ["t4"], "inside"),
        node("Mul", ["t4", "size"], ["boxes"], "scale"),
        node("RoiAlign", ["d", "boxes", "batch"], ["r"], "regions", output_height=2, output_width=2),
        node("Flatten", ["r"], ["f"], "flatten"),
        node("Gemm", ["f", "wf"], ["classes"], "classes"),
    ]
    value = helper.make_tensor_value_info
    inputs = [value("x", TensorProto.FLOAT, [1, 3, "h", "w"]), value("size", TensorProto.FLOAT, [1])]
    outputs = [value("classes", TensorProto.FLOAT, [3, 5]), value("boxes", TensorProto.FLOAT, [3, 4])]
    graph = helper.make_graph(nodes, "two_stages", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


def feeds(count: int = 6):
    """Images for ``two_stages``."""
    rng = np.random.RandomState(1)
    size = np.asarray([7.0], np.float32)
    return [{"x": rng.rand(1, 3, 8, 10).astype(np.float32), "size": size} for _ in range(count)]
