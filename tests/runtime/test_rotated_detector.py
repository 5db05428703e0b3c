"""``mmonnx predict`` and ``mmonnx.runtime`` on detectors of rotated boxes: the boxes of mmrotate's own functions."""

import json
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch

pytest.importorskip("rotated_detectors")

from rotated_detectors import ONE_STAGE, RETINANET, small_config

from mmonnx import cli
from mmonnx.loading.images import photographs
from mmonnx.loading.load import load
from mmonnx.loading.options import LoadOptions
from mmonnx.runtime import Detector, corners, open_model
from mmonnx.verifying.matching import Tolerances, match

pytestmark = pytest.mark.once  # mmrotate is on the default stack alone
NAMES = [f"thing {number}" for number in range(4)]
SIZES = [(131, 202), (90, 90), (220, 131)]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder, paths = tmp_path_factory.mktemp("pictures"), []
    for number, size in enumerate(SIZES):
        paths.append(str(folder / f"{number}.png"))
        cv2.imwrite(paths[-1], cv2.resize(photographs()[number], size[::-1]))
    return paths


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A small detector as a config, a checkpoint with its weights, and a file that takes any size."""
    folder = tmp_path_factory.mktemp("made")
    config = small_config(RETINANET, folder, {**ONE_STAGE, "data.test.pipeline.1.img_scale": (180, 110)})
    checkpoint, file = str(folder / "weights.pth"), str(folder / "x.onnx")
    model = load(config, None, LoadOptions(shape=(96, 128))).module.model
    meta = {"CLASSES": NAMES, "PALETTE": [[9 * number, 200, 40] for number in range(4)]}
    torch.save({"state_dict": model.state_dict(), "meta": meta}, checkpoint)
    command = ["export", config, checkpoint, "--shape", "96", "128", "--output-file", file, "--dynamic-export"]
    assert cli.main(command) == 0
    return config, checkpoint, file


def upstream(config, checkpoint, pictures):
    """mmrotate's own detections of pictures, sorted by score."""
    from mmdet.apis import inference_detector, init_detector

    from mmonnx.codebases.mmrotate.rotated import by_score

    model = init_detector(config, checkpoint, device="cpu")
    return [by_score(inference_detector(model, picture)) for picture in pictures]


def test_boxes_are_those_of_mmrotates_own_function(made, pictures, tmp_path):
    model = open_model(made[2])
    assert isinstance(model, Detector) and model.classes == tuple(NAMES)
    for picture, expected in zip(pictures, upstream(*made[:2], pictures)):
        found = model(picture)
        assert found.rotated and len(found.dets) == len(expected.dets) > 5
        outcome = match(expected, found, tolerances=Tolerances(box=0.05), score_thr=0.05, limit=40)
        assert outcome.ok and outcome.matched > 5, outcome.unmatched
    written = ["--out", str(tmp_path), "--json", str(tmp_path / "x.json"), "--coco", str(tmp_path / "coco.json")]
    assert cli.main(["predict", made[2], *pictures, *written]) == 0
    (first, *_) = json.loads((tmp_path / "x.json").read_text())
    found = model(pictures[0])
    np.testing.assert_allclose(first["detections"][0]["box"], found.boxes[0], rtol=1e-6)
    assert len(first["detections"][0]["box"]) == 5 and first["detections"][0]["score"] == pytest.approx(found.scores[0])
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "0.png")), model.draw(pictures[0], found))
    annotation = json.loads((tmp_path / "coco.json").read_text())["annotations"][0]
    np.testing.assert_allclose(annotation["segmentation"][0], corners(found.boxes[:1])[0].reshape(-1), atol=1e-3)
    assert annotation["area"] == pytest.approx(found.boxes[0, 2] * found.boxes[0, 3], rel=1e-5)


def test_outlines_are_drawn_where_the_boxes_are(made, pictures):
    """The corners are where mmrotate's own drawing has them, and the lines between them are in the picture."""
    model = open_model(made[2])
    found = model(pictures[0])
    drawn = model.draw(pictures[0], found, score_thr=float(found.scores[0]))
    plain = model.read(pictures[0])
    x, y, width, height, angle = found.boxes[0].astype(np.float64)
    along, across = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    expected = [
        np.array([x, y]) + i * width / 2 * along + j * height / 2 * across
        for i, j in ((-1, -1), (1, -1), (1, 1), (-1, 1))
    ]
    np.testing.assert_allclose(corners(found.boxes[:1])[0], expected, atol=1e-3)
    changed = (drawn != plain).any(2)
    assert changed.any()
    middles = [(one + two) / 2 for one, two in zip(expected, expected[1:] + expected[:1])]
    inside = [point for point in middles if 1 <= point[0] < plain.shape[1] - 1 and 1 <= point[1] < plain.shape[0] - 1]
    for column, row in np.round(inside).astype(int):
        assert changed[row - 1 : row + 2, column - 1 : column + 2].any()


def test_predict_runs_without_openmmlab_and_pytorch(made, pictures, tmp_path):
    code = (
        "import sys\n"
        "for name in ('torch', 'mmcv', 'mmdet', 'mmrotate', 'torchvision'): sys.modules[name] = None\n"
        "from mmonnx import cli\n"
        f"sys.exit(cli.main(['predict', {made[2]!r}, {pictures[0]!r}, '--out', {str(tmp_path)!r}]))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert (tmp_path / "0.png").exists()
