"""A file of a model that has not three channels answers on picture files as mmdet's own inference on the same ones."""

import json
import sys

import cv2
import numpy as np
import pytest
from models import picture_file, small_file

from mmonnx import cli
from mmonnx.codebases import to_detections
from mmonnx.runtime import Detector
from mmonnx.runtime.images import check_picture, read_picture
from mmonnx.support.errors import InputError
from mmonnx.verifying.matching import match

pytestmark = pytest.mark.once

SIZE = (192, 256)
MEANS = {1: [100.0], 3: [110.0], 4: [100.0, 90.0, 110.0, 50.0], 5: [100.0, 90.0, 110.0, 50.0, 80.0]}
CASES = [("grayscale", 1, "png"), ("color", 3, "png"), ("unchanged", 4, "png"), ("unchanged", 5, "npy")]
CASES += [("unchanged", 5, "tif"), ("unchanged", 1, "png")]


@pytest.mark.parametrize("color, channels, kind", CASES)
def test_a_detector_answers_as_inference_detector(tmp_path, color, channels, kind):
    norm = dict(type="Normalize", mean=MEANS[channels], std=[50.0] * len(MEANS[channels]), to_rgb=False)
    inner = [dict(type="Resize", keep_ratio=True), norm, dict(type="Pad", size_divisor=32)]
    inner += [dict(type="ImageToTensor", keys=["img"]), dict(type="Collect", keys=["img"])]
    steps = [dict(type="LoadImageFromFile", color_type=color)]
    steps += [dict(type="MultiScaleFlipAug", img_scale=SIZE[::-1], flip=False, transforms=inner)]
    options = {"model.backbone.in_channels": channels, "data.test.pipeline": steps, "model.test_cfg.max_per_img": 50}
    file, model = small_file("mmdet::retinanet/retinanet_r50_fpn_1x_coco.py", tmp_path, options)
    from mmdet.apis import inference_detector

    path, image = picture_file(tmp_path, kind, channels, SIZE, 2)
    # upstream decodes neither of these kinds of files, and takes arrays
    expected = to_detections(inference_detector(model, path if kind == "png" else image), SIZE)
    detector = Detector(file)
    found = detector(path)
    result = match(expected, found, score_thr=0.05, limit=50)
    assert result.ok and result.matched > 10, result
    assert detector.draw(path, found).shape == (*SIZE, 3)
    answers, drawn = str(tmp_path / "found.json"), str(tmp_path / "drawn")
    assert cli.main(["predict", file, path, "--json", answers, "--out", drawn]) == 0
    with open(answers) as text:
        (entry,) = json.load(text)
    assert [one["label"] for one in entry["detections"]] == found.labels.tolist()
    wrong, _ = picture_file(tmp_path, "npy", 2, SIZE, 2)
    with pytest.raises(InputError, match=f"picture.npy' has 2 channels; expected {channels} for"):
        detector(wrong)


FORMS = {
    "samples": (5, dict(planarconfig="contig")),
    "samples of colours": (5, dict(photometric="rgb", planarconfig="contig")),
    "compressed samples": (5, dict(planarconfig="contig", compression="zlib")),
    "two samples": (2, dict(planarconfig="contig")),
    "four samples": (4, dict(planarconfig="contig")),
    "planes": (5, dict(planarconfig="separate")),
    "two planes": (2, dict(planarconfig="separate")),
    "four planes": (4, dict(planarconfig="separate")),
    "pages": (5, {}),
    "three pages": (3, {}),
}


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("form", sorted(FORMS))
def test_a_tiff_has_its_channels_in_any_form(tmp_path, form, dtype):
    tifffile = pytest.importorskip("tifffile")
    channels, options = FORMS[form]
    image = np.random.RandomState(0).randint(0, 250, (6, 8, channels)).astype(dtype)
    stored = image if options.get("planarconfig") == "contig" else np.moveaxis(image, 2, 0)
    path = str(tmp_path / "picture.tif")
    tifffile.imwrite(path, stored, **{"photometric": "minisblack", **options})
    check_picture(path)
    found = read_picture(path, channels, "unchanged")
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, image)


def test_a_tiff_in_colour_with_a_preview_is_a_picture(tmp_path):
    path, image = str(tmp_path / "picture.tif"), np.random.RandomState(0).randint(0, 250, (6, 8, 3)).astype(np.uint8)
    assert cv2.imwritemulti(path, [image, image[::2, ::2].copy()])
    check_picture(path)
    np.testing.assert_array_equal(read_picture(path, 3), image)


def test_a_broken_tiff_is_refused_in_one_line(tmp_path, caplog):
    tifffile = pytest.importorskip("tifffile")
    path = tmp_path / "picture.tif"
    tifffile.imwrite(str(path), np.zeros((16, 20, 5), np.uint8), photometric="minisblack", planarconfig="contig")
    for content in (path.read_bytes()[:300], b"II*\0garbage", b""):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"picture.tif' cannot be read \(.+\); expected one of 1, 3 or 4 samples"):
            read_picture(str(path), 5)
    assert not caplog.records


def test_a_tiff_of_many_samples_without_tifffile_is_told_what_it_lacks(tmp_path, monkeypatch):
    tifffile = pytest.importorskip("tifffile")
    path = str(tmp_path / "picture.tif")
    tifffile.imwrite(path, np.zeros((16, 20, 5), np.uint8), photometric="minisblack", planarconfig="contig")
    monkeypatch.setitem(sys.modules, "tifffile", None)
    with pytest.raises(InputError, match="tifffile"):
        read_picture(path, 5)
