"""Files that take pictures: what the graph prepares is what the pipeline makes outside, to the last bit of bytes."""

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from mmonnx.graph import check_runs, with_picture_input
from mmonnx.runtime import Session, split_pipeline
from mmonnx.runtime.pipeline import apply
from mmonnx.support import InputError

NORM = dict(type="normalize", mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)
BILINEAR = dict(interpolation="bilinear", backend="cv2")
SIZES = [(40, 60), (61, 43), (33, 33), (128, 130), (17, 97)]


def through(opset):
    """A model that gives its input back, and where it is told the picture lies."""
    value = helper.make_tensor_value_info
    inputs = [
        value("input", TensorProto.FLOAT, ["batch", 3, "height", "width"]),
        value("img_shape", TensorProto.FLOAT, [2]),
    ]
    outputs = [value("same", TensorProto.FLOAT, ["n", 3, "rows", "columns"]), value("told", TensorProto.FLOAT, [2])]
    nodes = [helper.make_node("Identity", ["input"], ["same"]), helper.make_node("Identity", ["img_shape"], ["told"])]
    default = [helper.make_tensor("img_shape", TensorProto.FLOAT, [2], [2.0**24] * 2)]
    graph = helper.make_graph(nodes, "through", inputs, outputs, default)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def pictures():
    rng = np.random.RandomState(0)
    return [rng.randint(0, 256, (*size, 3)).astype(np.uint8) for size in SIZES]


@pytest.mark.parametrize("opset", [11, 13, 17])
@pytest.mark.parametrize(
    "steps",
    [
        [dict(type="resize", rule="within", size=[64, 96], **BILINEAR), NORM, dict(type="pad", value=0.0, divisor=32)],
        [dict(type="resize", rule="exact", size=[64, 48], **BILINEAR), dict(NORM, to_rgb=False, divided=True)],
        [dict(type="resize", rule="short", size=[48], **BILINEAR), dict(type="crop", size=[32, 40]), NORM],
        [
            dict(type="resize", rule="long", size=[50], **BILINEAR),
            dict(NORM, unit=True),
            dict(type="pad", value=7.0, square=True),
        ],
        [
            dict(type="resize", rule="within", size=[80, 80], rounding="down", **BILINEAR),
            dict(type="pad", value=114.0, size=[80, 80]),
            NORM,
        ],
        [dict(type="crop", size=[32, 32]), NORM],
        [NORM, dict(type="pad", value=[1.0, 2.0, 3.0], divisor=16, counts=True)],
    ],
)
def test_the_graph_prepares_as_the_pipeline_does(steps, opset):
    model, outside = with_picture_input(through(opset), steps, "detection", True, "image")
    assert outside == []
    onnx.checker.check_model(model, full_check=True)
    session = Session(model)
    assert session.input_names == ["input"] and session.input_type("input") == "tensor(uint8)"
    for picture in pictures():
        expected = apply(steps, picture)
        given = session.run({"input": picture[None]})
        assert given["same"].shape == expected.feed.shape
        np.testing.assert_allclose(given["same"], expected.feed, atol=2e-6, rtol=0)
        np.testing.assert_array_equal(given["told"], np.asarray(expected.shape, np.float32))


def test_pictures_of_a_batch_are_prepared_each_for_itself():
    steps = [dict(type="resize", rule="within", size=[64, 96], **BILINEAR), NORM]
    session = Session(with_picture_input(through(13), steps, "detection", True, "image")[0])
    first, second = (np.random.RandomState(seed).randint(0, 256, (31, 47, 3)).astype(np.uint8) for seed in (1, 2))
    both = session.run({"input": np.stack([first, second])})["same"]
    for picture, row in zip((first, second), both):
        np.testing.assert_allclose(row[None], apply(steps, picture).feed, atol=2e-6, rtol=0)


@pytest.mark.parametrize("factor", [0.13, 0.5, 0.77, 1.0, 1.9, 2.0, 3.3])
def test_bytes_are_resized_to_the_last_bit(factor):
    """Noise, whose neighbours are as far apart as can be."""
    picture = np.random.RandomState(3).choice([0, 255, 254, 1], (90, 70, 3)).astype(np.uint8)
    size = int(90 * factor), int(70 * factor)
    plain = dict(NORM, mean=[0.0] * 3, std=[1.0] * 3, to_rgb=False)
    steps = [dict(type="resize", rule="exact", size=list(size), **BILINEAR), plain]
    given = Session(with_picture_input(through(13), steps, "detection", True, "image")[0]).run({"input": picture[None]})
    expected = cv2.resize(picture, size[::-1], interpolation=cv2.INTER_LINEAR)
    np.testing.assert_array_equal(given["same"][0].transpose(1, 2, 0), expected)


def boxed(told=True):
    """A model that gives the picture's part of the input as a box, and one that is padding."""
    value, node = helper.make_tensor_value_info, helper.make_node
    inputs = [value("input", TensorProto.FLOAT, ["batch", 3, "height", "width"])]
    inputs += [value("img_shape", TensorProto.FLOAT, [2])] if told else []
    constants = [
        helper.make_tensor("sides", TensorProto.INT64, [2], [3, 2]),
        helper.make_tensor("zeros", TensorProto.FLOAT, [2], [0.0, 0.0]),
        helper.make_tensor("score", TensorProto.FLOAT, [1], [0.5]),
        helper.make_tensor("form", TensorProto.INT64, [3], [1, 1, 5]),
    ]
    nodes = [
        node("Shape", ["input"], ["shape"]),
        node("Gather", ["shape", "sides"], ["far"]),
        node("Cast", ["far"], ["corner"], to=TensorProto.FLOAT),
        node("Concat", ["zeros", "corner", "score"], ["row"], axis=0),
        node("Reshape", ["row", "form"], ["dets"]),
        node("Identity", ["dets"], ["again"]),
    ]
    outputs = [value("dets", TensorProto.FLOAT, [1, 1, 5]), value("again", TensorProto.FLOAT, [1, 1, 5])]
    graph = helper.make_graph(nodes, "boxed", inputs, outputs, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def test_boxes_come_back_in_pixels_of_the_picture():
    steps = [
        dict(type="resize", rule="within", size=[64, 96], **BILINEAR),
        NORM,
        dict(type="pad", value=0.0, divisor=32),
    ]
    picture = np.zeros((50, 100, 3), np.uint8)
    told, _ = with_picture_input(boxed(), steps, "detection", True, "image")
    far = Session(told).run({"input": picture[None]})["dets"][0, 0]
    np.testing.assert_allclose(
        far, [0, 0, 100, 64 / 48 * 50, 0.5], rtol=1e-6
    )  # the padding counts, as the file was told
    unaware, _ = with_picture_input(boxed(False), steps, "detection", True, "image")
    np.testing.assert_allclose(
        Session(unaware).run({"input": picture[None]})["dets"][0, 0], [0, 0, 100, 50, 0.5], rtol=1e-6
    )
    check_runs(told, [{"input": picture[None]}])


def test_what_makes_bytes_of_bytes_may_stay_outside():
    steps = [
        dict(type="resize", rule="within", size=[64, 96], **BILINEAR),
        NORM,
        dict(type="pad", value=0.0, divisor=32),
    ]
    model, outside = with_picture_input(through(13), steps, "segmentation", False, "image")
    assert outside == steps[:1]
    picture = pictures()[0]
    resized = apply(outside, picture).image
    given = Session(model).run({"input": resized[None]})
    np.testing.assert_allclose(given["same"], apply(steps, picture).feed, atol=2e-6, rtol=0)


@pytest.mark.parametrize(
    "steps, words",
    [
        ([dict(type="resize", rule="exact", size=[8, 8], interpolation="bicubic", backend="cv2"), NORM], "bicubic"),
        ([dict(type="resize", rule="exact", size=[8, 8], interpolation="bilinear", backend="pillow"), NORM], "pillow"),
        ([dict(type="unknown", what="Rotate"), NORM], "Rotate"),
        ([NORM, dict(type="pad", value=0.0, centred=True, divisor=8)], "pads in a way"),
        ([dict(type="crop", size=[8, 8], padding=32), NORM], "crop"),
    ],
)
def test_a_step_that_is_not_written_is_refused_by_name(steps, words):
    with pytest.raises(InputError, match=words):
        with_picture_input(through(13), steps, "detection", True, "image")


def test_answers_that_would_have_to_be_resized_back_are_refused():
    with pytest.raises(InputError, match="segmentation does not resize pictures itself"):
        with_picture_input(through(13), [NORM], "segmentation", True, "image")
    with pytest.raises(InputError, match="does not normalize bytes"):
        split_pipeline([dict(type="float"), dict(type="resize"), NORM])
