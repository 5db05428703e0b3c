"""Modules that a config brings along, and source trees in the place of the installed packages."""

import importlib
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from models import load_small, once_if

from mmonnx import fallback, loading
from mmonnx.loading.config import package_configs
from mmonnx.pipeline import ExportSettings, export, export_task
from mmonnx.runtime.session import Session
from mmonnx.support.errors import InputError

pytestmark = pytest.mark.once

OWN = """
import torch
from torch import nn
from mmcls.models.builder import BACKBONES, HEADS
from mmcls.models.heads import LinearClsHead

@BACKBONES.register_module()
class OwnBackbone(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3, stride=4)

    def forward(self, x):
        return (self.conv(x).abs().mean((2, 3)),)

@HEADS.register_module()
class OwnHead(LinearClsHead):
    def simple_test(self, x, softmax=True, post_process=True):
        return super().simple_test(tuple(one * 2 for one in x), softmax, post_process)
"""
CONFIG = """
custom_imports = dict(imports=["own_modules_of_a_test"], allow_failed_imports=False)
model = dict(
    type="ImageClassifier",
    backbone=dict(type="OwnBackbone", width=6),
    head=dict(type="OwnHead", num_classes=5, in_channels=6, loss=dict(type="CrossEntropyLoss")),
)
test_pipeline = [dict(type="Resize", size=64), dict(type="Normalize", mean=[127.0] * 3, std=[64.0] * 3)]
"""


def test_a_backbone_and_a_head_beside_the_config(tmp_path):
    (tmp_path / "own_modules_of_a_test.py").write_text(OWN)
    (tmp_path / "own.py").write_text(CONFIG)
    fallback.ensure()
    importlib.import_module("mmcls.models")  # setuptools, which it imports, adds a folder of its own
    path = list(sys.path)
    options = loading.LoadOptions(dynamic=True)
    done = export(ExportSettings(str(tmp_path / "own.py"), None, str(tmp_path / "x.onnx"), options, verify=True))
    assert done.ok and type(done.task.module.model.head).__name__ == "OwnHead"
    assert sys.path == path


PLUGIN = """
from torch import nn
from mmcv.cnn import PLUGIN_LAYERS
from mmdet.models.builder import HEADS
from mmdet.models.dense_heads import RetinaHead

@PLUGIN_LAYERS.register_module()
class OwnPlugin(nn.Module):
    _abbr_ = "own_plugin"

    def __init__(self, in_channels):
        super().__init__()
        self.scale = nn.Conv2d(in_channels, in_channels, 1)

    def forward(self, x):
        return x + self.scale(x.mean((2, 3), keepdim=True))

@HEADS.register_module()
class OwnRetinaHead(RetinaHead):
    def forward_single(self, x):
        scores, boxes = super().forward_single(x)
        return scores - 0.5, boxes
"""


def test_a_plugin_and_a_head_of_a_detector(tmp_path):
    (tmp_path / "own_plugin_of_a_test.py").write_text(PLUGIN)
    plugin = dict(cfg=dict(type="OwnPlugin"), stages=(False, True, False, False), position="after_conv3")
    changes = {
        "custom_imports": dict(imports=["own_plugin_of_a_test"], allow_failed_imports=False),
        "model.backbone.depth": 50,  # plugins are for bottlenecks alone
        "model.backbone.plugins": [plugin],
        "model.neck.in_channels": [64, 128, 256, 512],
        "model.bbox_head.type": "OwnRetinaHead",
    }
    task = load_small("mmdet::retinanet/retinanet_r50_fpn_1x_coco.py", tmp_path, changes, shape=(96, 128))
    backbone = task.module.model.backbone
    assert hasattr(backbone.layer2[0], "own_plugin") and type(task.module.model.bbox_head).__name__ == "OwnRetinaHead"
    done = export_task(task, ExportSettings("", output_file=str(tmp_path / "x.onnx"), verify=True))
    assert done.ok and done.results[0].matched >= 10


PLANTED = {
    "mmcls": (
        "models/backbones/lenet.py",
        "\n\n@BACKBONES.register_module()\nclass Planted(LeNet5):\n    pass\n",
        'model = dict(type="ImageClassifier", backbone=dict(type="Planted"), head=dict(type="ClsHead"))\n'
        "model['backbone']['num_classes'] = 10\n"
        'test_pipeline = [dict(type="Resize", size=32), dict(type="Normalize", mean=[33.0], std=[78.0])]\n',
        ["--shape", "32"],
    ),
    "mmdet": (
        "models/detectors/retinanet.py",
        "\n\n@DETECTORS.register_module()\nclass Planted(RetinaNet):\n    pass\n",
        '_base_ = "../retinanet/retinanet_r18_fpn_1x_coco.py"\n'
        'model = dict(type="Planted", backbone=dict(base_channels=16), neck=dict(in_channels=[16, 32, 64, 128]))\n',
        ["--shape", "64", "96"],
    ),
}


@pytest.mark.parametrize("package", once_if("mmdet".__eq__, sorted(PLANTED)))
def test_a_source_tree_in_the_place_of_the_installed_package(tmp_path, package):
    """Its code and its configs: both have what the installed package has not."""
    file, code, config, shape = PLANTED[package]
    home = Path(importlib.util.find_spec(package).origin).parent
    tree = tmp_path / "tree"
    shutil.copytree(str(home), str(tree / package), ignore=shutil.ignore_patterns(".mim", "__pycache__"))
    shutil.copytree(str(package_configs(package)), str(tree / "configs"))
    with (tree / package / file).open("a") as source:
        source.write(code)
    (tree / "configs" / "planted").mkdir()
    (tree / "configs" / "planted" / "planted.py").write_text(config)
    command = [sys.executable, "-m", "mmonnx", "export", f"{package}::planted/planted.py", *shape]
    command += ["--output-file", str(tmp_path / "x.onnx")]
    done = subprocess.run(command, capture_output=True)
    assert done.returncode == 2 and b"is not in the installed" in done.stderr
    done = subprocess.run([*command, "--codebase-root", str(tree)], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    Session(str(tmp_path / "x.onnx"))


def test_a_wrong_source_tree(tmp_path):
    options = loading.LoadOptions(codebase_root=str(tmp_path))
    with pytest.raises(InputError, match="has no mmdet/__init__.py or mmcls/__init__.py"):
        loading.load("mmcls::lenet/lenet5_mnist.py", None, options)
    importlib.import_module("mmcls")
    (tmp_path / "mmcls").mkdir()
    (tmp_path / "mmcls" / "__init__.py").write_text("")
    with pytest.raises(InputError, match="mmcls is imported already"):
        loading.load("mmcls::lenet/lenet5_mnist.py", None, options)
