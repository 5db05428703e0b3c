"""``mmonnx predict`` and ``mmonnx.runtime`` on pose estimators: key points and drawings of mmpose's own functions."""

import copy
import json
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch

pytest.importorskip("poses")

import mmcv
from mmpose.apis import inference_bottom_up_pose_model, inference_top_down_pose_model, vis_pose_result
from mmpose.core.post_processing import group, oks_nms
from mmpose.datasets import DatasetInfo
from munkres import Munkres
from poses import BOTTOM_UP, CID, CID_OPTIONS, DEKR, DEKR_OPTIONS, KINDS, RESNET, SMALL, small_config, tell_all

from mmonnx import cli
from mmonnx.loading import LoadOptions
from mmonnx.loading.images import photographs
from mmonnx.pipeline import ExportSettings, export
from mmonnx.runtime import BottomUpPoseEstimator, PoseEstimator, open_model
from mmonnx.runtime.grouping import Grouping, without_doubles
from mmonnx.runtime.munkres import assigned
from mmonnx.support.errors import InputError

pytestmark = pytest.mark.once  # mmpose is on the default stack alone
BOXES = np.array([[10, 20, 200, 150, 0.9], [-30, 5, 80, 300, 0.8], [50.5, 60.25, 55.5, 190, 0.5]], np.float32)


def make(folder, name, options, shape, **load):
    """A file of a small pose estimator, upstream's model with its config and without flipped copies, its key points."""
    config = small_config(name, folder, copy.deepcopy(options))
    path = str(folder / "x.onnx")
    model = export(ExportSettings(config, output_file=path, load=LoadOptions(shape=shape, **load))).task.module.model
    model.cfg = mmcv.Config.fromfile(config)
    model.test_cfg["flip_test"] = False
    return path, model, DatasetInfo(model.cfg.data.test.dataset_info)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return make(tmp_path_factory.mktemp("pose"), RESNET, SMALL, (96, 64), dynamic=True)


def compare(path, model, info, picture, boxes, near=0.02):
    people = None if boxes is None else [{"bbox": box} for box in boxes]
    expected, _ = inference_top_down_pose_model(model, picture, people, format="xyxy", dataset_info=info)
    estimator = open_model(path, "cpu")
    found = estimator(picture, boxes)
    assert isinstance(estimator, PoseEstimator) and found.keypoints.shape == (len(expected), 17, 3)
    theirs = np.array([one["keypoints"] for one in expected])
    np.testing.assert_allclose(found.keypoints, theirs, atol=near)
    drawn = vis_pose_result(model, picture, expected, dataset_info=info, kpt_score_thr=0.3)
    different = (estimator.draw(picture, found) != drawn).any(-1).mean()
    assert different == 0 if near < 0.01 else different < 1e-3


@pytest.mark.parametrize("boxes", [None, BOXES], ids=["whole", "boxes"])
@pytest.mark.parametrize("turned", [False, True])
def test_it_gives_the_key_points_of_mmpose_itself(small, boxes, turned):
    picture = photographs()[1]
    compare(*small, np.ascontiguousarray(picture.transpose(1, 0, 2)) if turned else picture, boxes, near=0.005)


@pytest.mark.long
@pytest.mark.parametrize("kind", ["udp", "rle", "megvii"])
def test_the_same_of_other_kinds(tmp_path, kind):
    path, model, info = make(tmp_path, *KINDS[kind], (256, 192))  # of a fixed size, a crop at a time
    compare(path, model, info, photographs()[0], BOXES)


def test_boxes_of_nothing(small):
    estimator = open_model(small[0], "cpu")
    assert estimator(photographs()[0], np.empty((0, 5))).keypoints.shape == (0, 17, 3)
    for boxes in (np.zeros((2, 3)), np.array([[5, 5, 5, 9]]), np.full((1, 4), np.nan)):
        with pytest.raises(InputError, match="box"):
            estimator(photographs()[0], boxes)


def test_predict_takes_the_boxes_of_a_detector(small, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = ["a.png", "b.png"]
    for name, picture in zip(names, photographs()):
        cv2.imwrite(name, picture)
    person, cup = ({"label": 0, "name": "person", "score": 0.9}, {"label": 1, "name": "cup", "score": 0.9})
    weak = {**person, "score": 0.1, "box": [3, 3, 90, 90]}
    lines = [
        {"file": "a.png", "detections": [{**person, "box": [10, 20, 200, 220]}, {**cup, "box": [1, 1, 50, 50]}, weak]},
        {"file": "b.png", "detections": []},
    ]
    (tmp_path / "boxes.json").write_text(json.dumps(lines))
    command = ["predict", small[0], *names, "--boxes", "boxes.json", "--json", "found.json", "--out", "drawn"]
    assert cli.main([*command, "--box-class", "person"]) == 0
    first, second = json.loads((tmp_path / "found.json").read_text())
    (pose,) = first["poses"]
    assert pose["box"] == [10, 20, 200, 220] and second["poses"] == []
    assert [point["name"] for point in pose["keypoints"]][:2] == ["nose", "left_eye"] and len(pose["keypoints"]) == 17
    found = open_model(small[0], "cpu")("a.png", np.array([[10, 20, 200, 220]], np.float32))
    assert pose["keypoints"][3]["x"] == found.keypoints[0, 3, 0]
    assert sorted(path.name for path in (tmp_path / "drawn").iterdir()) == names
    capsys.readouterr()
    for more, said in (
        (["--box-class", "dog"], "--box-class 'dog' is in no line of 'boxes.json'"),
        (["--boxes", "none.json"], "--boxes 'none.json' cannot be read"),
        (["--boxes", "a.png"], "--boxes 'a.png' has no detections"),
    ):
        assert cli.main([*command, *more]) == 2
        assert said in capsys.readouterr().err


def test_a_file_is_run_without_openmmlab(small, tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), photographs()[0])
    code = (
        "import sys\nfor name in ('torch', 'mmcv', 'mmpose', 'munkres', 'scipy', 'onnx'): sys.modules[name] = None\n"
        "from mmonnx.cli import main\nsys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", code, "predict", small[0], "a.png", "--out", "drawn"]
    assert subprocess.run(command, cwd=tmp_path).returncode == 0
    assert (tmp_path / "drawn" / "a.png").exists()


def people(seed, tags=17, points=17):
    """Maps of some people, of whom not all key points are seen."""
    random = np.random.RandomState(seed)
    heats = (random.rand(points, 96, 128) * 0.05).astype(np.float32)
    marks = (random.randn(tags, 96, 128) * 0.05).astype(np.float32)
    rows, columns = np.mgrid[:96, :128]
    for person in range(random.randint(0, 6)):
        middle = random.uniform((10, 10), (118, 86))
        for point in np.flatnonzero(random.rand(points) > 0.25):
            x, y = middle + random.uniform((-15, -25), (15, 25))
            heat = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 8) * random.uniform(0.3, 1)
            heats[point] = np.maximum(heats[point], heat)
            marks[point % tags][heat > 0.1] = 2.5 * person + random.randn() * 0.3
    return heats, marks


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"use_udp": True},
        {"adjust": False, "refine": False},
        {"refine": False, "ignore_too_much": True, "max_num_people": 3},
        {"use_detection_val": False},
    ],
    ids=str,
)
def test_key_points_are_grouped_as_mmpose_groups_them(settings, monkeypatch):
    own = group.post_dark_udp
    # on a CPU upstream's own changes the maps that it goes on with, on a GPU it does not
    monkeypatch.setattr(group, "post_dark_udp", lambda places, heats, **more: own(places, np.array(heats), **more))
    for seed in range(8):
        points = 17 if seed % 3 else 14
        heats, tags = people(seed, points if seed % 2 else 1, points)
        config = {"num_joints": points, "max_num_people": 30, "detection_threshold": 0.1, "tag_threshold": 1}
        config.update(use_detection_val=True, ignore_too_much=False, tag_per_joint=seed % 2 == 1)
        config.update(nms_kernel=5, nms_padding=2, **settings)
        asked = settings.get("adjust", True), settings.get("refine", True)
        maps = torch.from_numpy(heats[None].copy()), torch.from_numpy(tags[None, ..., None].copy())
        (expected,), judged = group.HeatmapParser(config).parse(*maps, *asked)
        poses, scores = Grouping(**settings).people(heats, tags)
        np.testing.assert_allclose(poses, np.array(expected).reshape(-1, points, 4)[..., :3], atol=1e-3)
        np.testing.assert_allclose(scores, judged, atol=1e-5)
        records = [
            {"keypoints": pose, "score": score, "area": np.ptp(pose[:, 0]) * np.ptp(pose[:, 1])}
            for pose, score in zip(poses, scores)
        ]
        kept = oks_nms(records, 0.5, np.full(points, 0.05))
        assert without_doubles(poses, scores, [0.05] * points, 0.5).tolist() == list(kept)


def test_costs_are_assigned_as_munkres_does_it():
    random = np.random.RandomState(0)
    for _ in range(300):
        points, there = random.randint(1, 9, 2)
        cost = np.round(np.abs(random.randn(points, there)) * random.choice([0.5, 2, 5])) * 100 - random.rand(points, 1)
        cost = np.concatenate([cost, np.full((points, max(points - there, 0)), 1e10)], 1)
        assert assigned(cost) == [column for _, column in Munkres().compute(cost.copy())]


@pytest.mark.parametrize("fixed", [False, pytest.param(True, marks=pytest.mark.long)])
def test_all_people_of_a_picture(tmp_path, monkeypatch, fixed):
    monkeypatch.setattr(np, "int", int, raising=False)  # which numpy had until 1.24
    options = {**SMALL, "data_cfg.image_size": 128, "data.test.data_cfg.image_size": 128}
    path, model, info = make(tmp_path, BOTTOM_UP, options, (128, 192), dynamic=not fixed)
    estimator, picture = open_model(path, "cpu"), cv2.resize(photographs()[1], (192, 128))
    assert isinstance(estimator, BottomUpPoseEstimator)
    expected, _ = inference_bottom_up_pose_model(model, picture, dataset_info=info)
    found = estimator(picture)
    assert len(expected) > 5 and abs(len(found.keypoints) - len(expected)) <= 1
    theirs = np.array([one["keypoints"] for one in expected])
    apart = np.abs(theirs[:, None] - found.keypoints[None]).max((2, 3)).min(1)
    assert (apart < 0.02).mean() > 0.8  # of random maps some are ties
    assert estimator.draw(picture, found).shape == picture.shape


@pytest.mark.parametrize(
    "name,options",
    [(DEKR, DEKR_OPTIONS), pytest.param(CID, CID_OPTIONS, marks=pytest.mark.long)],
    ids=["dekr", "cid"],
)
@pytest.mark.parametrize("size", [(192, 128), (150, 230)], ids=str)
def test_people_whom_the_network_finds(tmp_path, monkeypatch, name, options, size):
    """Those who were found twice are told as upstream's own function tells them, and the best one is first."""
    monkeypatch.setattr(np, "int", int, raising=False)  # which numpy had until 1.24
    sizes = {"image_size": 128, "heatmap_size": [32, 64]}
    more = {f"{part}data_cfg.{key}": sizes[key] for part in ("", "data.test.") for key in sizes}
    path, model, info = make(tmp_path, name, {**options, **more}, (128, 192), dynamic=True)
    tell_all(model, info)
    estimator, picture = open_model(path, "cpu"), cv2.resize(photographs()[1], size)
    assert isinstance(estimator, BottomUpPoseEstimator)
    expected, _ = inference_bottom_up_pose_model(model, picture, dataset_info=info)
    found = estimator(picture)
    assert len(found.keypoints) == len(expected) > 2
    apart = np.abs(found.keypoints - np.array([one["keypoints"] for one in expected]))
    assert (apart > 0.02).mean() <= (0.01 if name == CID else 0.0)  # of random maps some are ties
    np.testing.assert_allclose(found.scores, [one["score"] for one in expected], atol=1e-4)
    drawn = vis_pose_result(model, picture, expected, dataset_info=info, kpt_score_thr=0.05)
    different = (estimator.draw(picture, found, 0.05) != drawn).any(-1).mean()
    assert different <= (0.01 if name == CID else 0.0) and (drawn != picture).mean() > 0.001
