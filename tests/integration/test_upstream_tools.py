"""Both examples of the guide, by upstream's own tools in patched copies of the installed packages."""

import ast
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import torch
from models import once_if, small_config

from mmonnx import cli, loading
from mmonnx.loading.images import photographs
from mmonnx.pipeline import ExportSettings, export
from mmonnx.runtime.results import Detections
from mmonnx.runtime.session import Session
from mmonnx.verifying.matching import match

ROOT = Path(__file__).resolve().parent.parent.parent
TOOL = ".mim/tools/deployment/pytorch2onnx.py"
RUN = """
import runpy, sys
import {package}  # the patches have to do it alone
assert {package}.__file__.startswith({site!r}), {package}.__file__
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""

# What upstream's export does unlike its own inference is out of the way here, see patches/README.md: RoIs thinner than
# a cell, the RPN's NMS across levels (here it suppresses nothing), and its proposals without width or height.
FASTER_RCNN = {
    "model.roi_head.bbox_roi_extractor.roi_layer.aligned": False,
    "model.test_cfg.rpn.nms.iou_threshold": 1.0,
    "model.test_cfg.rpn.min_bbox_size": -1,
    "model.test_cfg.rpn.nms_pre": 100,
    "model.test_cfg.rpn.max_per_img": 600,
    "model.roi_head.bbox_head.fc_out_channels": 128,
}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Patched copies of mmdet, mmcls and mmcv."""
    folder = tmp_path_factory.mktemp("site")
    for package in ("mmdet", "mmcls", "mmcv"):
        source = Path(importlib.util.find_spec(package).origin).parent
        shutil.copytree(str(source), str(folder / package), ignore=shutil.ignore_patterns("__pycache__"))
    assert cli.main(["patch", "--apply", "--root", str(folder)]) == 0
    return folder


def run_tool(site, package, work, *arguments):
    """Run a tool as a machine without a display does; what it printed."""
    environment = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "MPLBACKEND")}
    environment.update(PYTHONPATH=os.pathsep.join([str(site), str(ROOT)]), OMP_NUM_THREADS="1", CUDA_VISIBLE_DEVICES="")
    code = RUN.format(package=package, site=str(site))
    command = [sys.executable, "-W", "ignore", "-c", code, str(site / package / TOOL), *map(str, arguments)]
    done = subprocess.run(command, cwd=str(work), env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    text = done.stdout.decode()
    assert done.returncode == 0, text
    return text


@pytest.fixture
def all_match(site):
    """The function that the patch gives mmdet's tool to compare detections with."""
    tree = ast.parse((site / "mmdet" / TOOL).read_text())
    tree.body = [node for node in tree.body if getattr(node, "name", "") == "all_match"]
    names = {"np": np}
    exec(compile(tree, "all_match", "exec"), names)
    return names["all_match"]


def test_detections_match_in_any_order(all_match):
    rows = np.array([[0, 0, 10, 10, 0.9], [5, 5, 20, 20, 0.9], [1, 1, 3, 3, 0.5]], np.float32)
    padding = np.zeros((2, 5), np.float32)
    expected = [rows, rows[:1], rows[:0]]
    assert all_match([np.concatenate([rows[[1, 2, 0]], padding]), rows[:1], padding], expected, False)
    for wrong in (
        [rows[:2], rows[:1], padding],  # one is missing
        [rows, rows, padding],  # two are too many
        [rows[[0, 0, 2]], rows[:1], padding],  # one twice
        [rows + np.float32([0, 0, 0, 0.2, 0]), rows[:1], padding],
        [rows + np.float32([0, 0, 0, 0, 0.002]), rows[:1], padding],
        [rows[:1], rows, padding],  # other labels
    ):
        assert not all_match(wrong, expected, False)


def test_masks_go_with_their_detections(all_match):
    rows = np.array([[0, 0, 10, 10, 0.9], [5, 5, 20, 20, 0.9]], np.float32)
    masks = np.zeros((2, 20, 20), bool)
    masks[0, :10, :10] = masks[1, 5:, 5:] = True
    expected = ([rows], [list(masks)])
    assert all_match(([rows[::-1]], [list(masks[::-1])]), expected, True)
    near, other = masks.copy(), masks.copy()
    near[0, 0, 0], other[0, :4] = False, True
    assert all_match(([rows], [list(near)]), expected, True)
    assert not all_match(([rows], [list(other)]), expected, True)
    assert not all_match(([rows], [list(masks[::-1])]), expected, True)


def inputs_of(path):
    """The names of the axes of each input."""
    model = onnx.load(str(path))
    return {
        value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in model.graph.input
    }


def save_checkpoint(task, path):
    """The weights of a task's model, as upstream's tools read them."""
    (model,) = task.module.children()
    torch.save({"state_dict": model.state_dict(), "meta": {"CLASSES": tuple(map(str, range(80)))}}, str(path))


def test_faster_rcnn(site, tmp_path):
    config = small_config("mmdet::faster_rcnn/faster_rcnn_r50_fpn_1x_coco.py", tmp_path, FASTER_RCNN)
    options = loading.LoadOptions(shape=(192, 256), dynamic=True)
    checkpoint, image = tmp_path / "faster_rcnn.pth", tmp_path / "photograph.png"
    save_checkpoint(loading.load(config, None, options), checkpoint)
    cv2.imwrite(str(image), photographs()[0])

    flags = ["--simplify", "--dynamic-export", "--verify", "--shape", 192, 256, "--input-img", image]
    text = run_tool(site, "mmdet", tmp_path, config, checkpoint, "--output-file", "theirs.onnx", *flags)
    assert "Successfully simplified ONNX model: theirs.onnx" in text
    assert "The numerical values are the same between Pytorch and ONNX" in text
    assert (tmp_path / "show-ort.png").is_file()
    assert inputs_of(tmp_path / "theirs.onnx") == {"input": ["batch", 3, "height", "width"]}
    operators = {node.op_type for node in onnx.load(str(tmp_path / "theirs.onnx")).graph.node}
    assert "NonZero" in operators

    ours = str(tmp_path / "ours.onnx")
    assert export(ExportSettings(config, str(checkpoint), ours, load=options, simplify=True)).ok
    task = loading.load(config, str(checkpoint), options)
    sessions = Session(ours), Session(str(tmp_path / "theirs.onnx"))
    for photograph in photographs()[:3]:
        for shape in ((192, 256), (256, 320)):
            feeds = {name: value.numpy() for name, value in task.preprocess([photograph], shape).items()}
            (expected,), actual = task.read(sessions[0].run(feeds)), sessions[1].run({"input": feeds["input"]})
            real = actual["dets"][0, :, 4] > 0  # the rest is padding
            found = match(expected, Detections(actual["dets"][0][real], actual["labels"][0][real]), score_thr=0.05)
            assert found.ok and found.matched == found.total == 100, found
            assert found.max_box < 0.01 and found.max_score < 1e-4


@pytest.mark.parametrize("flags", once_if([].__eq__, [[], ["--dynamic-export"]]))
def test_mobilenet_v2(site, tmp_path, flags):
    name = "mobilenet_v2/mobilenet-v2_8xb32_in1k.py"
    options = loading.LoadOptions(shape=(64, 64), dynamic=bool(flags))
    checkpoint, config = tmp_path / "mobilenet_v2.pth", site / "mmcls" / ".mim" / "configs" / name
    save_checkpoint(loading.load(f"mmcls::{name}", None, options), checkpoint)

    known = ["--checkpoint", checkpoint, "--output-file", "theirs.onnx", "--shape", 64, "--simplify", "--verify"]
    text = run_tool(site, "mmcls", tmp_path, config, *known, *flags)
    assert "Successfully simplified ONNX model: theirs.onnx" in text
    assert "The outputs are same between Pytorch and ONNX" in text
    axes = ["batch", 3, "height", "width"] if flags else [1, 3, 64, 64]
    assert inputs_of(tmp_path / "theirs.onnx") == {"input": axes}

    ours = str(tmp_path / "ours.onnx")
    settings = ExportSettings(f"mmcls::{name}", str(checkpoint), ours, load=options, simplify=True)
    assert export(settings).ok
    task = loading.load(settings.config, settings.checkpoint, options)
    feeds = {name: value.numpy() for name, value in task.preprocess(photographs()[:1], (64, 64)).items()}
    results = [task.read(Session(str(path)).run(feeds)) for path in (ours, tmp_path / "theirs.onnx")]
    found = match(results[0][0], results[1][0])
    assert found.ok and found.max_score < 1e-4, found
