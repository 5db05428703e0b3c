"""Convolutions by Winograd's algorithm: what they give, which of them, and what the rest of the graph sees of it."""

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

import mmonnx
from mmonnx import cli
from mmonnx.graph import winograd
from mmonnx.graph.check import module_of
from mmonnx.graph.winograd import WINOGRAD, with_winograd
from mmonnx.runtime import Session
from mmonnx.support.errors import InputError, VerificationError

FILTERS, CHANNELS = 5, 7


@pytest.fixture
def always(monkeypatch):
    monkeypatch.setattr(winograd, "_pays", lambda kernels, image: True)


def conv(name="y", image="x", weight="weight", bias="bias", **changed):
    attributes = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], **changed}
    return helper.make_node("Conv", [image, weight] + [bias] * bool(bias), [name], f"/{name}/Conv", **attributes)


def model_of(nodes, outputs=("y",), opset=11, filters=FILTERS, channels=CHANNELS, kernel=3, **given):
    """Of convolutions with one kernel and one bias, for images of any size."""
    random_state = np.random.RandomState(0)
    values = {
        "weight": random_state.randn(filters, channels, kernel, kernel).astype(np.float32),
        "square": random_state.randn(filters, filters, 3, 3).astype(np.float32),
        "bias": random_state.randn(filters).astype(np.float32),
    }
    inputs = {"x": ["n", channels * given.pop("group", 1), "h", "w"], **given}
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * 4) for name in outputs],
        [numpy_helper.from_array(value, name) for name, value in values.items() if name not in inputs],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=7)


def image_of(number, height, width, channels=CHANNELS):
    return {"x": np.random.RandomState(1).randn(number, channels, height, width).astype(np.float32)}


def kinds(model):
    return [node.op_type for node in model.graph.node]


@pytest.mark.parametrize("opset", [11, 13, 18])
@pytest.mark.parametrize("bias", ["bias", ""])
def test_any_size_and_batch(always, opset, bias):
    """Made at one size; sides that are no multiples of a tile's, and less than a tile; images that differ."""
    model = model_of([conv(bias=bias)], opset=opset)
    found, count = with_winograd(model, image_of(1, 12, 16))
    assert count == 1 and "MatMul" in kinds(found) and "weight" not in {one.name for one in found.graph.initializer}
    onnx.checker.check_model(found)
    before, after = Session(model), Session(found)
    for number, height, width in [(1, 12, 16), (2, 12, 16), (3, 13, 18), (1, 5, 3), (2, 1, 1), (1, 40, 7), (0, 8, 9)]:
        feed = image_of(number, height, width)
        expected = before.run(feed)["y"]
        given = after.run(feed)["y"]
        assert given.shape == expected.shape == (number, FILTERS, height, width)
        np.testing.assert_allclose(given, expected, rtol=0, atol=1e-5 * np.abs(expected).max(initial=0))


def test_its_rounding_is_that_of_a_few_bits(always):
    """Of 256 channels, beside sums of 64 bits: up to ten times the rounding of the convolution itself."""
    model = model_of([conv()], filters=8, channels=256)
    feed = image_of(1, 24, 24, 256)
    weight, _, bias = (numpy_helper.to_array(one).astype(np.float64) for one in model.graph.initializer)
    exact = nn.functional.conv2d(
        torch.from_numpy(feed["x"].astype(np.float64)), torch.from_numpy(weight), torch.from_numpy(bias), padding=1
    ).numpy()
    (ours,) = Session(with_winograd(model, feed)[0]).run(feed).values()
    (plain,) = Session(model).run(feed).values()
    off, usual = (np.abs(value - exact).max() for value in (ours, plain))
    assert usual < off < 15 * usual and off < 4e-6 * np.abs(exact).max()


@pytest.mark.parametrize(
    "changed",
    [
        {"strides": [2, 2]},
        {"strides": [1, 2]},
        {"dilations": [2, 2], "pads": [2, 2, 2, 2]},
        {"pads": [0, 0, 0, 0]},
        {"pads": [1, 1, 1, 0]},
        {"auto_pad": "SAME_UPPER", "pads": None},
    ],
)
def test_other_convolutions_stay(always, changed):
    model = model_of([conv(**changed)])
    assert with_winograd(model, image_of(1, 12, 16)) == (model, 0)


def test_other_kernels_stay(always):
    for model, channels in (
        (model_of([conv(kernel_shape=[5, 5])], kernel=5), CHANNELS),
        (model_of([conv(group=5)], channels=1, group=5), 5),
        (model_of([conv(bias="")], weight=[FILTERS, CHANNELS, 3, 3]), CHANNELS),
    ):
        given = {"weight": np.zeros((FILTERS, CHANNELS, 3, 3), np.float32)}
        feed = image_of(1, 12, 16, channels)
        feed.update({name: given[name] for name in given if name in {value.name for value in model.graph.input}})
        assert with_winograd(model, feed) == (model, 0)


def test_levels_share_their_kernels_and_names_stay(always):
    """Two maps by one head, then a layer of another kernel: what is inside has its name, so that it can be compared."""
    nodes = [
        conv("a"),
        helper.make_node("MaxPool", ["x"], ["small"], kernel_shape=[2, 2], strides=[2, 2]),
        conv("b", "small"),
        helper.make_node("Relu", ["a"], ["positive"]),
        conv("y", "positive", "square"),
    ]
    model = model_of(nodes, ("y", "b"))
    found, count = with_winograd(model, image_of(1, 12, 16))
    assert count == 3 and [node.op_type for node in model.graph.node] == kinds(model)
    large = [one.name for one in found.graph.initializer if len(one.dims) == 3 and one.dims[0] == 36]
    assert len(large) == 2 and not {"weight", "square"} & {one.name for one in found.graph.initializer}
    assert {"a", "b", "y"} <= {name for node in found.graph.node for name in node.output}
    assert any(node.name.startswith(f"/a/Conv{WINOGRAD}") for node in found.graph.node)
    feed = image_of(2, 13, 18)
    expected, given = Session(model).run(feed), Session(found).run(feed)
    for name, value in expected.items():
        np.testing.assert_allclose(given[name], value, rtol=0, atol=1e-5 * np.abs(value).max())


@pytest.mark.parametrize(
    "kernels, image, pays",
    [
        ((256, 256, 3, 3), (1, 256, 60, 80), True),
        ((512, 512, 3, 3), (1, 512, 25, 38), True),
        ((16, 16, 3, 3), (1, 16, 320, 320), False),  # moved for longer than it is multiplied
        ((256, 36, 3, 3), (1, 36, 60, 80), False),
        ((256, 256, 3, 3), (1, 256, 2, 2), False),  # its maps are read for a tile
        ((256, 256, 3, 3), (0, 256, 14, 14), False),  # there is nothing to gain
        ((256, 256, 3, 3), (100, 256, 14, 14), False),  # moved in pieces of 16 tiles
    ],
)
def test_it_is_for_large_products(kernels, image, pays):
    assert winograd._pays(kernels, image) == pays


class Layers(nn.Module):
    def __init__(self, channels=192):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, channels, 1), nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU())

    def forward(self, x):
        return self.layers(x)


AXES = {"x": {0: "n", 2: "h", 3: "w"}}


def test_a_whole_export(tmp_path, capsys):
    path, image = str(tmp_path / "model.onnx"), torch.randn(1, 3, 48, 64)
    options = {"input_names": ["x"], "dynamic_axes": AXES, "verify": True, "simplify": True}
    module = Layers().eval()
    assert mmonnx.export(module, image, path, winograd=True, **options).ok
    assert "winograd   1 of 2 convolutions" in capsys.readouterr().out
    assert {module_of(node) for node in onnx.load(path).graph.node if WINOGRAD in node.name} == {"layers.1"}
    other = torch.randn(2, 3, 50, 33)
    (given,) = Session(path).run({"x": other.numpy()}).values()
    np.testing.assert_allclose(given, module(other).detach().numpy(), rtol=0, atol=1e-4)


def test_a_wrong_map_does_not_pass_the_verification(tmp_path, monkeypatch):
    image, kernel, result = winograd._cook_toom()
    result[3][5] = 1.001  # the last row of every tile by the last of its points
    monkeypatch.setattr(winograd, "_cook_toom", lambda: (image, kernel, result))
    with pytest.raises(VerificationError):
        mmonnx.export(Layers(), torch.randn(1, 3, 48, 64), str(tmp_path / "model.onnx"), winograd=True, verify=True)
    assert not (tmp_path / "model.onnx").exists()


def test_a_model_without_such_convolutions_is_told(tmp_path, capsys):
    path = str(tmp_path / "model.onnx")
    mmonnx.export(Layers(8), torch.randn(1, 3, 48, 64), path, winograd=True)
    assert "no convolution would be faster" in capsys.readouterr().out and "MatMul" not in kinds(onnx.load(path))


@pytest.mark.parametrize(
    "words, message",
    [
        (["--target", "pplnn"], "--winograd is of no use to pplnn; expected a target that gains by it: onnxruntime"),
        (["--precision", "int8"], "--winograd needs 32 bits, and --precision is int8"),
    ],
)
def test_where_it_does_not_fit(tmp_path, capsys, words, message):
    config = "mmonnx::digits/mobilenet_v2_digits.py"
    path = tmp_path / "model.onnx"
    assert cli.main(["export", config, "--winograd", "--output-file", str(path), *words]) == 2
    assert message in capsys.readouterr().err and not path.exists()


def test_such_a_file_is_not_quantized(tmp_path, always):
    found, _ = with_winograd(model_of([conv()]), image_of(1, 12, 16))
    from mmonnx.precision.quantizing import check_whole

    with pytest.raises(InputError, match="without --winograd"):
        check_whole(found, "model.onnx")
