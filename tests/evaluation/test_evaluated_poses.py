"""A pose estimator's file on a set of boxes has PyTorch's own AP."""

import copy
import json

import cv2
import numpy as np
import pytest
import torch

pytest.importorskip("poses")

from poses import (
    BOTTOM_UP,
    CID,
    CID_OPTIONS,
    DEKR,
    DEKR_OPTIONS,
    FILMS,
    FILMS_OPTIONS,
    RESNET,
    SMALL,
    small_config,
    tell_all,
)
from reductions import reduced

from mmonnx import cli, loading
from mmonnx.environment import compat
from mmonnx.evaluation import EvaluationSettings, evaluate
from mmonnx.loading.images import photographs
from mmonnx.pipeline import ExportSettings, export
from mmonnx.support.errors import InputError

pytestmark = pytest.mark.once  # mmpose is on the default stack alone


def made(folder):
    """A config with a set of nine boxes, whose true key points are in part the model's own, a checkpoint and a file."""
    from mmpose.apis import inference_top_down_pose_model
    from mmpose.datasets import DatasetInfo

    data = {"ann_file": str(folder / "true.json"), "img_prefix": f"{folder}/"}
    options = {f"data.test.{name}": value for name, value in data.items()}
    options.update({"data.test.data_cfg.use_gt_bbox": True, "data.test.data_cfg.bbox_file": ""})
    config = small_config(RESNET, folder, {**copy.deepcopy(SMALL), **options})
    task = loading.load(config, None, loading.LoadOptions(shape=(256, 192)))
    model, checkpoint = task.module.model, str(folder / "weights.pth")
    torch.save({"state_dict": model.state_dict(), "meta": {}}, checkpoint)
    model.cfg = loading.read(config)[1]
    model.test_cfg["flip_test"] = False
    info = DatasetInfo(model.cfg.data.test.dataset_info)
    random, images, marks = np.random.RandomState(0), [], []
    for number, picture in enumerate(photographs()[:3]):
        cv2.imwrite(str(folder / f"{number}.png"), picture)
        height, width = picture.shape[:2]
        images.append({"id": number, "file_name": f"{number}.png", "height": height, "width": width})
        for _ in range(3):
            box = [*random.uniform(0, 100, 2), *random.uniform(60, 180, 2)]
            (found,), _ = inference_top_down_pose_model(model, picture, [{"bbox": np.array(box)}], dataset_info=info)
            points = found["keypoints"].copy()
            points[::4, :2] += random.uniform(0, 15, points[::4, :2].shape)
            points[:, 2] = 2
            mark = {"id": len(marks), "image_id": number, "category_id": 1, "iscrowd": 0, "bbox": box}
            mark.update(area=box[2] * box[3], num_keypoints=17, keypoints=points.reshape(-1).tolist())
            marks.append(mark)
    kinds = [{"id": 1, "name": "person"}]
    (folder / "true.json").write_text(json.dumps({"images": images, "annotations": marks, "categories": kinds}))
    return config, checkpoint


def test_it_has_the_scores_of_pytorch_side_by_side(tmp_path, capsys, monkeypatch):
    config, checkpoint = made(tmp_path)
    path = str(tmp_path / "x.onnx")
    export(ExportSettings(config, checkpoint, output_file=path, load=loading.LoadOptions(dynamic=True)))
    found = evaluate(EvaluationSettings(config, path, ["mAP"], compare_with=checkpoint, workers=0))
    assert 0.2 < found.reference["AP"] < 0.99 and found.scores == pytest.approx(found.reference, abs=2e-3)
    assert len(found.results) == 9 and found.results[0]["preds"].shape == (1, 17, 3)
    monkeypatch.chdir(tmp_path)
    assert cli.main(["test", config, path, "--eval", "mAP", "--show-dir", "shown", "--out", "x.pkl"]) == 0
    assert len(list((tmp_path / "shown").rglob("*.png"))) == 9
    capsys.readouterr()
    assert cli.main(["test", config, path, "--eval", "bbox"]) == 2
    assert "mAP, PCK, AUC, EPE, NME of a pose estimator's" in capsys.readouterr().err
    raw = str(tmp_path / "raw.onnx")
    load = loading.LoadOptions(dynamic=True, skip_postprocess=True)
    export(ExportSettings(config, checkpoint, output_file=raw, load=load))
    with pytest.raises(
        InputError,
        match="gives output_0; expected keypoints, or heatmaps and tags; export it without --skip-postprocess",
    ):
        evaluate(EvaluationSettings(config, raw, ["mAP"]))


def test_fewer_bits_are_judged_by_ap(tmp_path):
    config, checkpoint = made(tmp_path)
    path = str(tmp_path / "x.onnx")
    export(ExportSettings(config, checkpoint, path, loading.LoadOptions(shape=(256, 192))))
    half = reduced(config, path, tmp_path)
    assert half.loss.figure == "AP" and half.loss.before > 20 and abs(half.loss.points) < 10
    with pytest.raises(InputError, match="TopDownCocoDataset cannot be scored on a part of its images; .* --images"):
        reduced(config, path, tmp_path, "int8")
    eight = reduced(config, path, tmp_path, "int8", images=str(tmp_path))
    assert eight.loss.figure == "AP" and eight.loss.images == 9 and eight.calibrated.source == str(tmp_path)
    with pytest.raises(InputError, match="a loss of .* is not known how to be measured on pictures alone"):
        reduced(None, path, tmp_path, images=str(tmp_path))


def test_the_key_points_of_films_are_those_of_upstreams_own_inference(tmp_path, capsys):
    """Two people in two frames of a film, whose neighbours end with it; their AP takes a package that is not here."""
    from mmpose.apis import inference_top_down_pose_model
    from mmpose.datasets import DatasetInfo

    data = {"ann_file": str(tmp_path / "x_val.json"), "img_prefix": f"{tmp_path}/", "data_cfg.use_gt_bbox": True}
    data["data_cfg.image_size"] = [64, 96]
    options = {**copy.deepcopy(FILMS_OPTIONS), **{f"data.test.{name}": value for name, value in data.items()}}
    options["data_cfg.image_size"] = [64, 96]
    config = small_config(FILMS, tmp_path, options)
    model, checkpoint = loading.load(config, None, loading.LoadOptions(shape=(96, 64))).module.model, tmp_path / "x.pth"
    torch.save({"state_dict": model.state_dict(), "meta": {}}, checkpoint)
    for number in range(4):
        cv2.imwrite(str(tmp_path / f"{number:06}.jpg"), np.roll(photographs()[0], 9 * number, 1))
    about = {"width": photographs()[0].shape[1], "height": photographs()[0].shape[0], "nframes": 4}
    images = [{"id": frame, "frame_id": frame, "file_name": f"{frame:06}.jpg", **about} for frame in (0, 2)]
    mark = {"category_id": 1, "iscrowd": 0, "num_keypoints": 17, "keypoints": [50.0, 50.0, 2.0] * 17, "area": 9000.0}
    boxes = [[10, 20, 90, 120], [60, 5, 70, 100]]
    marks = [
        {**mark, "id": 2 * place + number, "image_id": image["id"], "bbox": box}
        for place, image in enumerate(images)
        for number, box in enumerate(boxes)
    ]
    truth = {"images": images, "annotations": marks, "categories": [{"id": 1, "name": "person"}]}
    (tmp_path / "x_val.json").write_text(json.dumps(truth))
    path = str(tmp_path / "x.onnx")
    load = loading.LoadOptions(shape=(96, 64), dynamic=True)
    export(ExportSettings(config, str(checkpoint), output_file=path, load=load))
    out, shown = str(tmp_path / "x.pkl"), str(tmp_path / "shown")
    settings = EvaluationSettings(config, path, compare_with=str(checkpoint), workers=0, out=out, show_dir=shown)
    found = evaluate(settings).results
    assert len(found) == 4 and [one["bbox_ids"] for one in found] == [[0], [1]] * 2
    assert found[0]["image_paths"][0][0].endswith("000000.jpg") and len(found[0]["image_paths"][0]) == 5
    assert len(list((tmp_path / "shown").rglob("*.jpg"))) == 4
    model.cfg = loading.read(config)[1]
    info = DatasetInfo(model.cfg.data.test.dataset_info)
    seen = {0: (0, 0, 0, 1, 2), 2: (2, 0, 1, 3, 3)}
    for one, (frame, box) in zip(found, [(frame, box) for frame in seen for box in boxes]):
        frames = [str(tmp_path / f"{number:06}.jpg") for number in seen[frame]]
        (answer,), _ = inference_top_down_pose_model(model, frames, [{"bbox": np.array(box)}], dataset_info=info)
        np.testing.assert_allclose(one["preds"][0], answer["keypoints"], rtol=0, atol=1e-3)
    (tmp_path / "val").mkdir()
    assert cli.main(["test", config, path, "--eval", "mAP"]) == 2
    assert "poseval" in capsys.readouterr().err


@pytest.mark.long
@pytest.mark.parametrize(
    "name,options",
    [
        (BOTTOM_UP, SMALL),
        (CID, CID_OPTIONS),
        (DEKR, DEKR_OPTIONS),
        (DEKR.replace("512x512", "512x512_multiscale"), DEKR_OPTIONS),
    ],
    ids=["associative", "cid", "dekr", "dekr of several scales"],
)
def test_people_who_are_found_in_whole_pictures(tmp_path, name, options):
    """Pictures of three sizes, whose true people are in part those that the model itself finds."""
    from mmpose.apis import inference_bottom_up_pose_model
    from mmpose.datasets import DatasetInfo

    sizes = {"image_size": 64, "base_size": 32, "heatmap_size": [16, 32]}
    size = {f"{part}data_cfg.{key}": sizes[key] for part in ("", "data.test.") for key in sizes}
    data = {"data.test.ann_file": str(tmp_path / "true.json"), "data.test.img_prefix": f"{tmp_path}/"}
    config = small_config(name, tmp_path, {**copy.deepcopy(options), **data, **size})
    task = loading.load(config, None, loading.LoadOptions(shape=(64, 64)))
    model, checkpoint = task.module.model, str(tmp_path / "weights.pth")
    torch.save({"state_dict": model.state_dict(), "meta": {}}, checkpoint)
    model.cfg = loading.read(config)[1]
    model.test_cfg["flip_test"] = False
    for step in model.cfg.test_pipeline:  # of several scales its own is run
        if "test_scale_factor" in step:
            step.update(test_scale_factor=[1], base_length=64)
    tell_all(model, DatasetInfo(model.cfg.data.test.dataset_info))
    random, images, marks = np.random.RandomState(0), [], []
    for number, picture in enumerate(photographs()[:3]):
        picture = cv2.resize(picture, (96 + 16 * number, 80))
        cv2.imwrite(str(tmp_path / f"{number}.png"), picture)
        images.append({"id": number, "file_name": f"{number}.png", "height": 80, "width": picture.shape[1]})
        with compat.old_numpy_names():
            people, _ = inference_bottom_up_pose_model(model, str(tmp_path / f"{number}.png"), pose_nms_thr=1.0)
        assert people
        for person in people[:4]:
            points = person["keypoints"][:, :3].copy()
            points[::4, :2] += random.uniform(0, 9, points[::4, :2].shape)
            points[:, 2] = 2
            (left, top), (right, bottom) = points[:, :2].min(0), points[:, :2].max(0)
            mark = {"id": len(marks), "image_id": number, "category_id": 1, "iscrowd": 0, "num_keypoints": 17}
            box = [float(value) for value in (left, top, right - left, bottom - top)]
            marks.append({**mark, "bbox": box, "area": box[2] * box[3], "keypoints": points.reshape(-1).tolist()})
    kinds = [{"id": 1, "name": "person"}]
    (tmp_path / "true.json").write_text(json.dumps({"images": images, "annotations": marks, "categories": kinds}))
    path = str(tmp_path / "x.onnx")
    export(ExportSettings(config, checkpoint, output_file=path, load=loading.LoadOptions(shape=(64, 64), dynamic=True)))
    found = evaluate(EvaluationSettings(config, path, ["mAP"], compare_with=checkpoint, workers=0))
    assert found.reference["AP"] > 0.2 and found.scores == pytest.approx(found.reference, abs=2e-2)
    assert len(found.results) == 3
