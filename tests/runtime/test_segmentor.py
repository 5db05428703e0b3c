"""``mmonnx predict`` and ``mmonnx.runtime`` on segmentors: the maps and drawings of mmseg's own functions."""

import json
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch

pytest.importorskip("segmentors")

from segmentors import BINARY, FCN, RESNET, SLIDING, small_config

from mmonnx import cli
from mmonnx.loading.images import photographs
from mmonnx.loading.load import load
from mmonnx.loading.options import LoadOptions
from mmonnx.runtime import Segmentor, drawing, from_config, open_model
from mmonnx.runtime.pipeline import apply
from mmonnx.runtime.rle import encode

pytestmark = pytest.mark.once  # mmsegmentation is on the default stack alone
NORM = {"type": "Normalize", "mean": [123.675, 116.28, 103.53], "std": [58.395, 57.12, 57.375], "to_rgb": True}
SIZES = [(131, 202), (90, 90), (300, 181)]


def pipeline(*steps, **scale):
    inner = [*steps, {"type": "RandomFlip"}, NORM, {"type": "ImageToTensor", "keys": ["img"]}]
    inner.append({"type": "Collect", "keys": ["img"]})
    scale = scale or {"img_scale": (180, 110)}
    test = {"type": "MultiScaleFlipAug", "flip": False, "transforms": inner, **scale}
    return [{"type": "LoadImageFromFile"}, test]


PLAIN = pipeline({"type": "Resize", "keep_ratio": True})


def make(folder, options, steps=PLAIN, *arguments):
    """A small segmentor as a config, a checkpoint with its weights, and a file."""
    folder.mkdir(exist_ok=True)
    config = small_config(FCN, folder, {**options, "data.test.pipeline": steps})
    checkpoint = str(folder / "weights.pth")
    task = load(config, None, LoadOptions(shape=(96, 128)))
    model = task.module.model
    meta = {"CLASSES": [f"thing {number}" for number in range(model.num_classes)]}
    meta["PALETTE"] = [[7 * number, 255 - 9 * number, 40] for number in range(model.num_classes)]
    torch.save({"state_dict": model.state_dict(), "meta": meta}, checkpoint)
    command = [
        "export",
        config,
        checkpoint,
        "--shape",
        "96",
        "128",
        "--output-file",
        str(folder / "x.onnx"),
        *arguments,
    ]
    assert cli.main(command) == 0
    return config, checkpoint, str(folder / "x.onnx")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder, paths = tmp_path_factory.mktemp("pictures"), []
    for number, size in enumerate(SIZES):
        paths.append(str(folder / f"{number}.png"))
        cv2.imwrite(paths[-1], cv2.resize(photographs()[number], size[::-1]))
    return paths


@pytest.fixture(scope="module", params=["whole", "slide", "binary"])
def made(request, tmp_path_factory):
    options = {"whole": RESNET, "slide": SLIDING, "binary": BINARY}[request.param]
    return make(tmp_path_factory.mktemp(request.param), options, PLAIN, "--dynamic-export", "--simplify", "--verify")


def upstream(config, checkpoint, pictures):
    """mmseg's own maps and drawings of pictures."""
    from mmseg.apis import inference_segmentor, init_segmentor

    model = init_segmentor(config, checkpoint, device="cpu")
    found = [inference_segmentor(model, picture) for picture in pictures]
    drawn = [model.show_result(picture, one, palette=model.PALETTE) for picture, one in zip(pictures, found)]
    return [one[0] for one in found], drawn


def test_maps_and_drawings_are_those_of_mmsegs_own_functions(made, pictures, tmp_path):
    config, checkpoint, file = made
    maps, drawn = upstream(config, checkpoint, pictures)
    model = open_model(file)
    assert isinstance(model, Segmentor) and model.classes[1] == "thing 1"
    for picture, size, expected, canvas in zip(pictures, SIZES, maps, drawn):
        found = model(picture)
        assert found.labels.shape == size and found.labels.dtype == np.int64
        assert len(np.unique(expected)) > 1
        same = found.labels == expected
        assert same.mean() > 0.9995
        np.testing.assert_array_equal(model.draw(picture, found)[same], canvas[same])
    assert cli.main(["predict", file, *pictures, "--out", str(tmp_path), "--json", str(tmp_path / "x.json")]) == 0
    written = cv2.imread(str(tmp_path / "0.png"))
    np.testing.assert_array_equal(written, model.draw(pictures[0], model(pictures[0])))
    (first, *_) = json.loads((tmp_path / "x.json").read_text())
    labels = model(pictures[0]).labels
    assert sum(segment["area"] for segment in first["segments"]) == labels.size
    last = first["segments"][-1]
    assert last["name"] == f"thing {last['label']}" and last["mask"] == encode(labels == last["label"])


def test_a_resized_map_would_not_be_mmsegs(made, pictures):
    """What the input ori_shape is for: without it, the map has the input's size."""
    config, checkpoint, file = made
    maps, _ = upstream(config, checkpoint, pictures[:1])
    model = open_model(file)
    prepared = apply(model._steps, model.read(pictures[0]))
    (small,) = (value for name, value in model._session.run({"input": prepared.feed}).items() if name == "seg_map")
    resized = cv2.resize(small[0].astype(np.uint8), SIZES[0][::-1], interpolation=cv2.INTER_NEAREST)
    assert (resized != maps[0]).mean() > 0.001


def test_a_file_of_one_size_gets_pictures_stretched_and_gives_maps_of_theirs(tmp_path, pictures):
    stretched = pipeline({"type": "Resize", "keep_ratio": False}, img_scale=(128, 96))
    config, checkpoint, file = make(tmp_path, RESNET, PLAIN)
    model = open_model(file)
    own = small_config(FCN, tmp_path, {**RESNET, "data.test.pipeline": stretched})
    for picture, expected in zip(pictures, upstream(own, checkpoint, pictures)[0]):
        assert (model(picture).labels == expected).mean() > 0.9995


def test_rescale_shape_is_the_maps_size_where_nothing_else_is_asked_for(tmp_path):
    config, checkpoint, file = make(tmp_path, RESNET, PLAIN, "--rescale_shape", "50", "70", "--verify")
    model = open_model(file)
    assert model._session.run({"input": np.zeros((1, 3, 96, 128), np.float32)})["seg_map"].shape == (1, 50, 70)
    assert model(photographs()[0]).labels.shape == photographs()[0].shape[:2]


def test_predict_runs_without_openmmlab_and_pytorch(made, pictures, tmp_path):
    code = (
        "import sys\nfor name in ('torch', 'mmcv', 'mmseg', 'mmdet', 'onnx'): sys.modules[name] = None\n"
        "from mmonnx import cli\n"
        f"sys.exit(cli.main(['predict', {made[2]!r}, {pictures[0]!r}, '--out', {str(tmp_path)!r}]))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert (tmp_path / "0.png").is_file()


STEPS = {
    "least": pipeline({"type": "Resize", "keep_ratio": True, "min_size": 150}),
    "larger": pipeline({"type": "Resize", "keep_ratio": True, "min_size": 60}),
    "multiple": pipeline({"type": "Resize", "keep_ratio": True}, {"type": "ResizeToMultiple", "size_divisor": 32}),
    "ratio": pipeline({"type": "Resize", "keep_ratio": True}, img_scale=(180, 110), img_ratios=[0.75]),
    "of the picture": pipeline({"type": "Resize", "keep_ratio": True}, img_scale=None, img_ratios=[0.7]),
    "exact": pipeline({"type": "Resize", "keep_ratio": False}),
}


@pytest.mark.parametrize("name", list(STEPS))
def test_pictures_are_prepared_as_mmseg_does(name, pictures):
    from mmseg.apis.inference import LoadImage
    from mmseg.datasets.pipelines import Compose

    upstreams = Compose([LoadImage(), *STEPS[name][1:]])
    for path in pictures:
        expected = upstreams({"img": path})["img"][0].numpy()
        found = apply(from_config(STEPS[name]), cv2.imread(path)).feed[0]
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_what_is_left_out_is_told():
    steps = from_config(pipeline({"type": "Resize"}, img_scale=(180, 110), img_ratios=[0.5, 1.0, 1.5], flip=True))
    assert [step["what"] for step in steps if step["type"] == "left out"] == ["2 more scales", "flipped images"]
    assert next(step["size"] for step in steps if step["type"] == "resize") == [110, 180]


def test_a_map_is_drawn_in_the_palettes_colours():
    canvas = np.full((2, 3, 3), 100, np.uint8)
    drawn = drawing.draw_label_map(canvas, np.array([[0, 1, 1], [1, 0, 255]]), [(255, 0, 0), (0, 0, 51)])
    assert drawn[0, 0].tolist() == [50, 50, 177] and drawn[0, 1].tolist() == [75, 50, 50]
    other = drawing.draw_label_map(canvas, np.array([[2, -1, 2], [0, 0, 0]]), [(255, 0, 0), (0, 0, 51)])
    assert other[0, 0].tolist() == [int(50 + value / 2) for value in drawing.color_of(2)]
    assert other[0, 1].tolist() == [50, 50, 50]
