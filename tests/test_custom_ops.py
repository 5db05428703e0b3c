"""Files with mmcv's operators as nodes: one file, with its bodies, that a stock ONNX Runtime runs as well."""

import re

import onnx
import pytest
from kernels import compiled
from models import load_small, small_config

from mmonnx import cli
from mmonnx.graph.check import check_target
from mmonnx.graph.functions import walk_nodes
from mmonnx.rewriting.lowering import custom_operators, lower
from mmonnx.rewriting.rewrites import ExportContext
from mmonnx.rewriting.symbolics.functions import FUNCTIONS, Function
from mmonnx.runtime.session import Session
from mmonnx.targets import find_target
from mmonnx.tracing.tracer import trace
from mmonnx.verifying.verification import make_cases, verify

FAST = {"model.test_cfg.rpn.nms_pre": 200, "model.test_cfg.rpn.max_per_img": 100}
CARAFE = "mmdet::carafe/faster_rcnn_r50_fpn_carafe_1x_coco.py"
FASTER = "mmdet::faster_rcnn/faster_rcnn_r50_fpn_1x_coco.py"
DCN = "mmdet::dcnv2/mask_rcnn_r50_fpn_mdconv_c3-c5_1x_coco.py"
BOXES_ALONE = "mmdet::dcnv2/faster_rcnn_r50_fpn_mdconv_c3-c5_1x_coco.py"
SMALL = ["--shape", "96", "128", "--dynamic-export", "--custom-ops", "mmcv"]


def nodes_of(model):
    return {node.op_type for node in walk_nodes(model.graph) if node.domain == "mmcv"}


@pytest.mark.parametrize(
    "name, opset, operators",
    [
        (FASTER, 11, {"MMCVRoiAlign"}),
        (CARAFE, 11, {"MMCVRoiAlign", "MMCVCARAFE"}),
        (DCN, 16, {"MMCVRoiAlign", "MMCVModulatedDeformConv2d"}),
    ],
)
def test_one_file_gives_the_answers_of_pytorch(tmp_path, name, opset, operators):
    if compiled() is not None and name == CARAFE:
        pytest.skip("PyTorch cannot run it on a CPU with mmcv's compiled operators")
    task = load_small(name, tmp_path, FAST, dynamic=True, shape=(96, 128))
    kept = custom_operators(find_target("onnxruntime"), "mmcv")
    model = lower(trace(task, opset, ExportContext(custom_ops=kept)), kept)
    assert nodes_of(model) == operators
    onnx.checker.check_model(model)
    assert check_target(model, find_target("onnxruntime")) == []
    assert check_target(model, find_target("onnxruntime-mmcv")) == []
    for result in verify(task, Session(model).run, make_cases(task, None, task.shape)[:-1]):
        assert result.ok and result.total >= 10, (result.name, result.problems)


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    return small_config(DCN, tmp_path_factory.mktemp("config"), FAST)


@pytest.mark.long
@pytest.mark.once
def test_the_command_line_simplifies_and_verifies_such_a_file(config, tmp_path, capfd):
    output = tmp_path / "x.onnx"
    arguments = ["export", config, "--output-file", str(output), *SMALL, "--simplify", "--verify"]
    assert cli.main(arguments) == 0, capfd.readouterr()
    out = " ".join(capfd.readouterr().out.split())
    assert "by functions" in out and "13 MMCVModulatedDeformConv2d, 8 MMCVRoiAlign: with bodies in the file" in out
    model = onnx.load(str(output))
    assert nodes_of(model) == {"MMCVRoiAlign", "MMCVModulatedDeformConv2d"} and model.functions
    assert {entry.domain for entry in model.opset_import} == {"", "mmcv"}
    Session(str(output))


def test_a_target_without_functions_gets_the_nodes_that_it_knows(tmp_path, capfd):
    output, config = tmp_path / "x.onnx", small_config(BOXES_ALONE, tmp_path, FAST)
    arguments = ["export", config, "--output-file", str(output), *SMALL, "--target", "pplnn", "--verify"]
    assert cli.main(arguments) == 0
    out = capfd.readouterr().out
    assert "verified with the bodies of mmcv's operators, which it does not hold itself" in out
    assert f"mmonnx check {output} --target pplnn" in out
    model = onnx.load(str(output))
    assert not model.functions
    assert nodes_of(model) == {"MMCVRoiAlign", "MMCVModulatedDeformConv2d"}
    assert cli.main(["check", str(output), "--target", "pplnn"]) == 0
    assert "MMCVDeformConv2d" not in custom_operators(find_target("pplnn"), "mmcv")


def test_a_body_that_does_not_run_is_never_passed(config, tmp_path, capfd, monkeypatch):
    def broken(opset, attributes):
        return f'<domain: "mmcv", opset_import: ["": {opset}]> MMCVRoiAlign (a, b) => (c) {{ c = NoSuch (a, b) }}'

    monkeypatch.setitem(FUNCTIONS, "MMCVRoiAlign", Function("MMCVRoiAlign", domain="mmcv", body=broken))
    assert cli.main(["export", config, "--output-file", str(tmp_path / "x.onnx"), *SMALL, "--verify"]) == 2
    assert "does not run in ONNX Runtime" in capfd.readouterr().err
    assert not (tmp_path / "x.onnx").exists()


@pytest.mark.long
@pytest.mark.once
def test_a_library_is_run_beside_the_functions(config, tmp_path, capfd, monkeypatch):
    """There is none to load here; who is asked to load it is seen."""
    asked = []

    def session(model, *args, custom_op_library=None, **kwargs):
        asked.append(custom_op_library)
        return Session(model, *args, **kwargs)

    monkeypatch.setattr("mmonnx.exporting.stages.Session", session)
    monkeypatch.setattr("mmonnx.exporting.settings.check_operator_library", asked.append)
    library = tmp_path / "_ext_ort.so"
    library.write_bytes(b"")
    arguments = ["export", config, "--output-file", str(tmp_path / "x.onnx"), *SMALL, "--verify"]
    assert cli.main([*arguments, "--ort-custom-op-library", str(library)]) == 0
    assert set(asked) == {None, str(library)} and asked.count(str(library)) == 2
    out = " ".join(capfd.readouterr().out.split())
    assert re.search(r"photograph 96x128, by functions \d+/\d+", out)
    assert re.search(r"photograph 96x128, by _ext_ort.so \d+/\d+", out)
    assert re.search(r"verify (\d+) of \1 cases agree with PyTorch", out)


@pytest.mark.parametrize("exists", [False, True])
def test_a_library_that_cannot_be_loaded_is_refused_before_anything_is_built(
    config, tmp_path, capfd, monkeypatch, exists
):
    monkeypatch.delattr("mmonnx.pipeline.load")
    library = tmp_path / "library.so"
    if exists:
        library.write_bytes(b"no library")
    arguments = ["export", config, "--output-file", str(tmp_path / "x.onnx"), *SMALL, "--verify"]
    assert cli.main([*arguments, "--ort-custom-op-library", str(library)]) == 2
    words = "cannot load the operator library" if exists else "is not a file"
    assert words in capfd.readouterr().err and not (tmp_path / "x.onnx").exists()


def test_what_a_target_has_when_nobody_asks():
    assert find_target("onnxruntime-mmcv").custom_ops == "mmcv"
    assert find_target("onnxruntime").custom_ops == find_target("pplnn").custom_ops == "none"
    assert custom_operators(find_target("onnxruntime-mmcv"), "none") == frozenset()
    assert {"MMCVRoiAlign", "MMCVCARAFE"} <= custom_operators(find_target("onnxruntime-mmcv"), "mmcv")
