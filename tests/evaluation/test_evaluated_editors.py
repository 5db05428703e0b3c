"""An image editor's file on a set of pictures has PyTorch's own PSNR and SSIM, l1, SAD and MSE."""

import json

import cv2
import numpy as np
import pytest

pytest.importorskip("editors")

from editors import EDSR, EDSR_OPTIONS, FILMS, GL, INDEXNET, made, picture
from models import photographs
from reductions import reduced

from mmonnx import cli
from mmonnx.codebases.mmedit import samples
from mmonnx.evaluation import EvaluationSettings, evaluate
from mmonnx.support import InputError

pytestmark = pytest.mark.once  # mmedit is on the default stack alone
SIZES = [(24, 36), (30, 20)]


@pytest.fixture(scope="module")
def edsr(tmp_path_factory):
    """A config with a set of two pictures of two sizes, its checkpoint and its file."""
    folder = tmp_path_factory.mktemp("edsr")
    for name in ("lq", "gt"):
        (folder / name).mkdir()
    for number, (height, width) in enumerate(SIZES):
        whole = cv2.resize(photographs()[number], (4 * width, 4 * height))
        cv2.imwrite(str(folder / "gt" / f"{number}.png"), whole)
        cv2.imwrite(str(folder / "lq" / f"{number}.png"), cv2.resize(whole, (width, height)))
    options = {"data.test.lq_folder": str(folder / "lq"), "data.test.gt_folder": str(folder / "gt")}
    options["data.test.filename_tmpl"] = "{}"
    return (*made(EDSR, folder, {**EDSR_OPTIONS, **options}, "--dynamic-export"), folder)


def test_the_metrics_are_pytorchs(edsr, tmp_path):
    config, checkpoint, path, folder = edsr
    found = evaluate(EvaluationSettings(config, path, ["PSNR", "SSIM"], compare_with=checkpoint, workers=0))
    assert set(found.scores) == {"PSNR", "SSIM"} and 1 < found.scores["PSNR"] < 60
    for name, value in found.scores.items():
        assert value == pytest.approx(found.reference[name], abs=1e-3)
    drawn = tmp_path / "drawn"
    command = ["test", config, path, "--show-dir", str(drawn), "--out", str(tmp_path / "x.pkl"), "--workers", "0"]
    assert cli.main(command) == 0
    assert len(list(drawn.rglob("*.png"))) == 2


def test_a_file_that_gives_something_else_shows(edsr, tmp_path):
    """Without the residual body the images are others, and so are the scores."""
    import onnx

    config, checkpoint, path, _ = edsr
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if values.ndim == 4:
            tensor.CopyFrom(onnx.numpy_helper.from_array((values * 1.05).astype(np.float32), tensor.name))
    other = str(tmp_path / "other.onnx")
    onnx.save(model, other)
    found = evaluate(EvaluationSettings(config, other, ["PSNR"], compare_with=checkpoint, workers=0))
    assert abs(found.scores["PSNR"] - found.reference["PSNR"]) > 0.01


def test_an_unknown_metric_is_one_line(edsr, capsys):
    config, _, path, _ = edsr
    assert cli.main(["test", config, path, "--eval", "mIoU"]) == 2
    error = capsys.readouterr().err.strip()
    assert "metric 'mIoU' is unknown to BasicRestorer; expected PSNR, SSIM" in error and "\n" not in error


@pytest.mark.long
def test_the_metrics_of_films_are_pytorchs(tmp_path):
    """The frames around the one of which there is a ground truth."""
    name, (height, width) = "restorers/edvr/edvrm_x4_g8_600k_reds.py", (32, 48)
    for part in ("lq", "gt"):
        (tmp_path / part / "000").mkdir(parents=True)
    whole = cv2.resize(photographs()[0], (4 * width, 4 * height))
    for number in range(48, 53):
        frame = np.roll(whole, 4 * number, 1)
        cv2.imwrite(str(tmp_path / "gt" / "000" / f"{number:08d}.png"), frame)
        cv2.imwrite(str(tmp_path / "lq" / "000" / f"{number:08d}.png"), cv2.resize(frame, (width, height)))
    (tmp_path / "list.txt").write_text("000/00000050.png (128,192,3)\n")
    options = {f"data.test.{key}_folder": str(tmp_path / key) for key in ("lq", "gt")}
    options["data.test.ann_file"] = str(tmp_path / "list.txt")
    config, checkpoint, path = made(f"mmedit::{name}", tmp_path, {**FILMS[name][0], **options}, shape=(height, width))
    found = evaluate(EvaluationSettings(config, path, ["PSNR"], compare_with=checkpoint, workers=0))
    assert 1 < found.scores["PSNR"] < 60
    assert found.scores["PSNR"] == pytest.approx(found.reference["PSNR"], abs=1e-3)


def test_the_metrics_of_what_is_between_two_frames_are_pytorchs(tmp_path):
    """Two films of two sizes; the frame in the middle is the truth."""
    name = "video_interpolators/cain/cain_b5_g1b32_vimeo90k_triplet.py"
    for number, (height, width) in enumerate([(29, 72), (48, 40)]):
        (tmp_path / f"{number}").mkdir()
        whole = cv2.resize(photographs()[number], (width, height))
        for frame in range(3):
            cv2.imwrite(str(tmp_path / f"{number}" / f"im{frame + 1}.png"), np.roll(whole, 3 * frame, 1))
    (tmp_path / "list.txt").write_text("0\n1\n")
    options = {"data.test.folder": str(tmp_path), "data.test.ann_file": str(tmp_path / "list.txt")}
    options.update(FILMS[name][0])
    config, checkpoint, path = made(f"mmedit::{name}", tmp_path, options, "--dynamic-export", shape=(29, 72))
    found = evaluate(EvaluationSettings(config, path, ["PSNR", "SSIM"], compare_with=checkpoint, workers=0))
    assert set(found.scores) == {"PSNR", "SSIM"} and 1 < found.scores["PSNR"] < 60
    for metric, value in found.scores.items():
        assert value == pytest.approx(found.reference[metric], abs=1e-3)


@pytest.mark.long
def test_an_inpaintors_metrics_are_pytorchs(tmp_path):
    size = (64, 96)
    (tmp_path / "list.txt").write_text("0.png\n1.png\n")
    for number in range(2):
        picture(tmp_path, number, size, f"{number}.png")
    box = {"max_bbox_shape": (32, 40), "max_bbox_delta": 8, "min_margin": 4, "img_shape": size}
    steps = [
        {"type": "LoadImageFromFile", "key": "gt_img"},
        {"type": "LoadMask", "mask_mode": "bbox", "mask_config": box},
        {"type": "Normalize", "keys": ["gt_img"], "mean": [127.5] * 3, "std": [127.5] * 3, "to_rgb": False},
        {"type": "GetMaskedImage"},
        {"type": "Collect", "keys": ["gt_img", "masked_img", "mask"], "meta_keys": ["gt_img_path"]},
        {"type": "ImageToTensor", "keys": ["gt_img", "masked_img", "mask"]},
    ]
    test = {"type": "ImgInpaintingDataset", "ann_file": str(tmp_path / "list.txt"), "data_prefix": str(tmp_path)}
    options = {"data.test": {**test, "pipeline": steps}, "test_cfg": {"metrics": ["l1", "psnr", "ssim"]}}
    config, checkpoint, path = made(GL, tmp_path, options, "--dynamic-export", shape=size)
    found = evaluate(EvaluationSettings(config, path, ["l1", "psnr", "ssim"], compare_with=checkpoint, workers=0))
    assert set(found.scores) == {"l1", "psnr", "ssim"} and found.scores["psnr"] > 3
    for name, value in found.scores.items():
        assert value == pytest.approx(found.reference[name], abs=1e-2)


@pytest.mark.long
def test_a_mattors_metrics_are_pytorchs(tmp_path):
    size = (70, 83)
    rows = []
    for number in range(2):
        rows.append({f"{key}_path": f"{key}_{number}.png" for key in ("alpha", "trimap", "merged")})
        picture(tmp_path, number, size, f"merged_{number}.png")
        trimap = samples.trimap(number, size)
        cv2.imwrite(str(tmp_path / f"trimap_{number}.png"), trimap)
        cv2.imwrite(str(tmp_path / f"alpha_{number}.png"), cv2.GaussianBlur(trimap, (5, 5), 0))
    (tmp_path / "list.json").write_text(json.dumps(rows))
    options = {"data.test.ann_file": str(tmp_path / "list.json"), "data.test.data_prefix": str(tmp_path)}
    config, checkpoint, path = made(INDEXNET, tmp_path, options, "--dynamic-export", shape=(64, 64))
    found = evaluate(EvaluationSettings(config, path, ["SAD", "MSE"], compare_with=checkpoint, workers=0))
    assert set(found.scores) == {"SAD", "MSE"} and found.scores["SAD"] > 0
    for name, value in found.scores.items():
        assert value == pytest.approx(found.reference[name], rel=1e-2)


def test_fewer_bits_are_judged_by_ssim_and_by_nothing_that_has_no_points(edsr, tmp_path):
    config, _, path, folder = edsr
    half = reduced(config, path, tmp_path, metrics=("PSNR", "SSIM"))
    assert half.loss.figure == "SSIM" and half.loss.before > 1 and abs(half.loss.points) < 1
    with pytest.raises(InputError, match="none of the figures PSNR says what a file is worth"):
        reduced(config, path, tmp_path, metrics=("PSNR",))
    with pytest.raises(InputError, match="a loss of .* is not known how to be measured on pictures alone"):
        reduced(None, path, tmp_path, images=str(folder / "lq"))
