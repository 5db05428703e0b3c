"""Upstream's own command, unchanged, with the plugin in the config: the guide's examples and others."""

import cv2
import numpy as np
import onnx
import pytest
import torch
from models import first_config, once_if, small_config
from upstream_tools import knows, run_tool

from mmonnx import loading
from mmonnx.loading.images import photographs
from mmonnx.runtime.session import Session
from mmonnx.verifying.verification import make_cases, verify

PLUGIN = {"custom_imports": dict(imports=["mmonnx"], allow_failed_imports=False)}
SHAPE = (96, 128)
FEW = {"model.test_cfg.rpn.nms_pre": 100, "model.test_cfg.rpn.max_per_img": 100}
OPTIONS = loading.LoadOptions(shape=SHAPE, dynamic=True)


class Example:
    """A small model with its config and checkpoint, and upstream's command for it."""

    def __init__(self, name, folder, options=None, adjust=None):
        self.package, self.folder = name.split("::")[0], folder
        self.config = small_config(name, folder, {**PLUGIN, **(options or {})})
        self.checkpoint, image = str(folder / "model.pth"), str(folder / "photograph.png")
        (model,) = loading.load(self.config, None, OPTIONS).module.children()
        if adjust is not None:
            adjust(model)
        torch.save({"state_dict": model.state_dict(), "meta": {"CLASSES": tuple(map(str, range(80)))}}, self.checkpoint)
        cv2.imwrite(image, photographs()[0])
        own = [self.checkpoint, "--input-img", image] if self.package == "mmdet" else ["--checkpoint", self.checkpoint]
        self._known = [*own, "--output-file", "theirs.onnx", "--shape", *SHAPE]

    @property
    def file(self):
        return self.folder / "theirs.onnx"

    def run(self, *flags):
        """What the tool printed; it has to succeed."""
        done = run_tool(self.package, self.folder, self.config, *self._known, *flags)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def check_answers(self):
        """The file's answers are PyTorch's, at other sizes, in other batches, and on a dark image."""
        task = loading.load(self.config, self.checkpoint, OPTIONS)
        results = verify(task, Session(str(self.file)).run, make_cases(task, None, SHAPE))
        assert all(result.ok for result in results), [result.problems for result in results]
        assert sum(result.total for result in results) >= (5 if self.package == "mmcls" else 20)
        # classifiers at a larger size, detectors on a padded picture
        assert [result.batch for result in results] == [1, 1, 2, 1, 1]


MOBILENETS = ["mmcls::mobilenet_v2/mobilenet-v2_8xb32_in1k.py", "mmcls::mobilenet_v2/mobilenet_v2_b32x8_imagenet.py"]
SIMPLIFIED = "Successfully simplified ONNX model: theirs.onnx"
FLAGS = [["--simplify"], ["--simplify", "--dynamic-export", "--verify"]]
TWO_STAGE = ["faster_rcnn/faster_rcnn_r50_fpn_1x_coco.py", "mask_rcnn/mask_rcnn_r50_fpn_1x_coco.py"]


@pytest.mark.parametrize("name", once_if(lambda name: "faster" in name, TWO_STAGE))
def test_two_stage_detectors(name, tmp_path):
    example = Example(f"mmdet::{name}", tmp_path, FEW)
    text = example.run("--simplify", "--dynamic-export", "--verify")
    assert SIMPLIFIED in text or not knows("mmdet", SIMPLIFIED.split(":")[0])
    assert "The numerical values are the same between Pytorch and ONNX" in text
    model = onnx.load(str(example.file))
    assert [value.name for value in model.graph.input] == ["input", "img_shape"]  # no weight is one
    assert "NonZero" in {node.op_type for node in model.graph.node}
    assert model.producer_name == "mmonnx" and model.opset_import[0].version == 11
    example.check_answers()


@pytest.mark.parametrize("flags", once_if(["--simplify"].__eq__, FLAGS))
def test_classifiers(flags, tmp_path):
    example = Example(first_config(*MOBILENETS), tmp_path)
    text = example.run(*flags)
    assert SIMPLIFIED in text or not knows("mmcls", SIMPLIFIED.split(":")[0])
    assert ("The outputs are same between Pytorch and ONNX" in text) == ("--verify" in flags)
    (entry,) = onnx.load(str(example.file)).graph.input
    axes = [dim.dim_param or dim.dim_value for dim in entry.type.tensor_type.shape.dim]
    assert axes == (["batch", 3, "height", "width"] if "--dynamic-export" in flags else [1, 3, *SHAPE])
    if "--dynamic-export" in flags:
        example.check_answers()


def test_one_stage_detectors(tmp_path):
    def spread(model):  # or all scores are 1, and which 100 are taken is an accident
        model.bbox_head.retina_cls.weight.data *= 0.2
        torch.nn.init.normal_(model.bbox_head.retina_cls.bias)  # of the coarsest levels hardly anything else is left

    name, few = "mmdet::retinanet/retinanet_r50_fpn_1x_coco.py", {"model.test_cfg.nms_pre": 50}
    example = Example(name, tmp_path, few, spread)
    text = example.run("--simplify", "--dynamic-export", "--verify")
    assert "The numerical values are the same between Pytorch and ONNX" in text
    example.check_answers()


@pytest.mark.skipif(not knows("mmdet", "--skip-postprocess"), reason="this release's tool has no --skip-postprocess")
def test_a_forward_without_post_processing_is_exported(tmp_path):
    example = Example("mmdet::retinanet/retinanet_r50_fpn_1x_coco.py", tmp_path)
    assert "without post process" in example.run("--skip-postprocess")
    task = loading.load(example.config, example.checkpoint, OPTIONS)
    outputs = Session(str(example.file)).run({"input": task.inputs["input"].numpy()})
    (model,) = task.module.children()
    with torch.no_grad():
        expected = [value for level in model.forward_dummy(task.inputs["input"]) for value in level]
    assert len(outputs) == len(expected)
    for value, actual in zip(expected, outputs.values()):
        np.testing.assert_allclose(value.numpy(), actual, rtol=1e-3, atol=1e-3)
