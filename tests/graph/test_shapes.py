"""What is declared of outputs: every axis that is known, and no axis that is not."""

import io

import numpy as np
import onnx
import pytest
import torch
from models import HOURGLASS, load_small, once_if
from torch import nn

import mmonnx
from mmonnx.graph.shapes import declared
from mmonnx.loading import LoadOptions
from mmonnx.loading.task import to_numpy
from mmonnx.pipeline import ExportSettings, export_task
from mmonnx.runtime.session import Session
from mmonnx.terminal.report import Report

SHAPE = (128, 160)
DEFORMABLE = {
    "model.neck.in_channels": [32, 64, 128],
    "model.bbox_head.num_query": 30,
    "model.test_cfg.max_per_img": 20,
}
MASKS = "mmdet::mask_rcnn/mask_rcnn_r50_fpn_1x_coco.py"
CORNERS = "mmdet::cornernet/cornernet_hourglass104_mstest_8x6_210e_coco.py"
QUERIES = "mmdet::deformable_detr/deformable_detr_r50_16x2_50e_coco.py"
DETECTORS = {
    "corners": (CORNERS, HOURGLASS, {}, "num_dets"),
    "queries": (QUERIES, DEFORMABLE, {}, 20),
    "masks": (MASKS, None, {}, "num_dets"),
    "small masks": (MASKS, None, {"mask_output": "roi"}, "num_dets"),
}


def dims(model):
    """What each output declares: sizes, names, and None for what is not known."""
    return {value.name: [size(dim) for dim in value.type.tensor_type.shape.dim] for value in model.graph.output}


def size(dim):
    return dim.dim_param or (dim.dim_value if dim.HasField("dim_value") else None)


TWINS = ("queries", "small masks")
"""Of these nothing depends on the stack that does not of the others."""


def is_as_declared(model, *feeds):
    """The file is valid, and each run gives outputs of the declared sizes, in which a name is one size."""
    onnx.checker.check_model(model, full_check=True)
    onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    session = Session(model)
    for one in feeds:
        named = {}
        inputs = {value.name: value for value in model.graph.input}
        for name, array in one.items():
            for dim, size in zip(inputs[name].type.tensor_type.shape.dim, array.shape):
                if dim.dim_param:
                    named[dim.dim_param] = size
        for name, array in session.run(one).items():
            assert len(array.shape) == len(dims(model)[name])
            for known, size in zip(dims(model)[name], array.shape):
                if isinstance(known, str):
                    known = named.setdefault(known, size)
                assert known in (None, size), (name, array.shape)


@pytest.mark.parametrize(("dynamic", "simplify"), [(False, False), (True, True)])
@pytest.mark.parametrize("name", once_if(TWINS.__contains__, DETECTORS))
def test_a_detector_declares_all_axes(tmp_path, name, dynamic, simplify):
    config, changes, options, most = DETECTORS[name]
    load = dict(shape=SHAPE, dynamic=dynamic, batch=1 if dynamic else 2, **options)
    task = load_small(config, tmp_path, changes, **load)
    settings = ExportSettings("", output_file=str(tmp_path / "x.onnx"), load=LoadOptions(**load), simplify=simplify)
    model = export_task(task, settings, Report(io.StringIO())).model
    most = "num_dets" if dynamic else most
    batch, height, width = ("batch", "height", "width") if dynamic else (2, *SHAPE)
    expected = {"dets": [batch, most, 5], "labels": [batch, most]}
    if "masks" in task.output_names:
        expected["masks"] = [batch, most, *((28, 28) if options else (height, width))]
    assert dims(model) == expected
    onnx.checker.check_model(model, full_check=True)
    onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    images = [np.random.RandomState(seed).randint(0, 255, (*SHAPE, 3), np.uint8) for seed in range(3)]
    feeds = [task.preprocess(images[:2], SHAPE)]
    if dynamic:
        feeds += [task.preprocess(images[:1], (96, 224)), task.preprocess(images, (160, 128))]
    taken = {value.name for value in model.graph.input}
    is_as_declared(model, *({key: value for key, value in to_numpy(one).items() if key in taken} for one in feeds))


class Sums(nn.Module):
    """Of several ranks."""

    def forward(self, x):
        return x.sum(), x.mean((1, 2, 3)), x.reshape(x.shape[0], -1, 2).sum(1), x.mean(1), x.flatten(1)


class Layers(nn.Module):
    def __init__(self):
        super().__init__()
        self.recurrent = nn.LSTM(4, 6, batch_first=True)

    def forward(self, x):
        rows = x.flatten(2).transpose(1, 2)
        return self.recurrent(rows)[0], nn.functional.interpolate(x, (7, 9)), x.expand(x.shape[0], *x.shape[1:]) * 2


class Values(nn.Module):
    """How much there is of it depends on the values."""

    def forward(self, x):
        return x[x > 0], torch.nonzero(x > 0), x.chunk(2, 1)[0]


class CutShort(nn.Module):
    """A constant of large inputs that is none of small ones, and one of small ones that is none of large ones."""

    def forward(self, x):
        rows = x.flatten(1)
        zeros = rows.new_zeros(64).expand(rows.shape[0], 64)
        return rows[:, :50], rows[:, -70:, None], torch.cat([rows, zeros], 1)[:, :64]


SIZES = {0: "b", 2: "h", 3: "w"}
PLAIN = [
    (Sums(), SIZES, [[], ["b"], ["b", 2], ["b", "h", "w"], ["b", "output_4_dim_1"]]),
    (Sums(), {0: "b"}, [[], ["b"], ["b", 2], ["b", 8, 6], ["b", 192]]),
    (Sums(), {}, [[], [2], [2, 2], [2, 8, 6], [2, 192]]),
    (Layers(), SIZES, [["b", "output_0_dim_1", 6], ["b", 4, 7, 9], ["b", 4, "h", "w"]]),
    (Layers(), {0: "b"}, [["b", 48, 6], ["b", 4, 7, 9], ["b", 4, 8, 6]]),
    (Layers(), {}, [[2, 48, 6], [2, 4, 7, 9], [2, 4, 8, 6]]),
    (Values(), {0: "b"}, [["output_0_dim_0"], ["output_1_dim_0", 4], ["b", 2, 8, 6]]),
    (Values(), {}, [[None], [None, 4], [2, 2, 8, 6]]),
    (CutShort(), SIZES, [["b", None], ["b", None, 1], ["b", 64]]),
    (CutShort(), {0: "b"}, [["b", 50], ["b", 70, 1], ["b", 64]]),
]


@pytest.mark.parametrize("simplify", [False, True])
@pytest.mark.parametrize(("module", "axes", "expected"), PLAIN)
def test_a_plain_model_declares_what_does_not_change(tmp_path, module, axes, expected, simplify):
    torch.manual_seed(0)
    asked = {"input": axes} if axes else None
    image, file = torch.randn(2, 4, 8, 6), str(tmp_path / "x.onnx")
    found = mmonnx.export(module, image, file, dynamic_axes=asked, simplify=simplify, report=Report(io.StringIO()))
    assert list(dims(found.model).values()) == expected
    others = [torch.randn(5 if 0 in axes else 2, 4, *((3, 4) if 2 in axes else (8, 6))), image, -image.abs()]
    is_as_declared(found.model, *({"input": other.numpy()} for other in others))


def model_of(nodes, shape, outputs, weights=()):
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        nodes,
        "g",
        [value("x", onnx.TensorProto.FLOAT, shape)],
        [value(name, onnx.TensorProto.FLOAT, axes) for name, axes in outputs.items()],
        [onnx.numpy_helper.from_array(np.asarray(array, np.int64), name) for name, array in weights],
    )
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8)


def test_what_is_known_stays_as_it_is_and_what_is_said_fills_the_rest():
    node = onnx.helper.make_node
    model = model_of(
        [node("Relu", ["x"], ["y"]), node("Abs", ["x"], ["z"])], ["n", 3], {"y": ["rows", 3], "z": [None, None]}
    )
    before = model.SerializeToString()
    known = {"y": {0: 7, 1: "w"}, "z": {0: "n", 1: 3}}
    assert dims(declared(model, known, [{"x": (2, 3)}])) == {"y": ["rows", 3], "z": ["n", 3]}
    assert model.SerializeToString() == before


@pytest.mark.parametrize(("size", "end", "expected"), [(200, 50, None), (200, 1, 1), (2, 2, None), (40, 5000, None)])
def test_a_slice_is_constant_only_where_no_input_is_shorter(size, end, expected):
    weights = [("start", [0]), ("end", [end]), ("axes", [1])]
    node = onnx.helper.make_node("Slice", ["x", "start", "end", "axes"], ["y"])
    model = model_of([node], ["b", "n"], {"y": [None, None]}, weights)
    assert dims(declared(model, {}, [{"x": (2, size)}]))["y"][1] == expected


def test_sizes_that_the_model_does_not_take_say_nothing():
    node = onnx.helper.make_node
    weights = [("shape", [-1, 30])]  # in rows of 30 alone
    model = model_of([node("Reshape", ["x", "shape"], ["y"])], ["b"], {"y": [None, None]}, weights)
    assert dims(declared(model, {}, [{"x": (60,)}]))["y"] == [None, 30]
