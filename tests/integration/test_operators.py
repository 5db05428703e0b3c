"""An mmcv without compiled operators that has mmonnx's: upstream's own training, inference and tools, without a config
that names mmonnx."""

import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from models import first_config, once_if, small_config
from trainings import load_weights, make_data, read_config
from upstream_tools import folder_of

from mmonnx import cli

ROOT = Path(__file__).resolve().parent.parent.parent
FILE = "mmcv/_ext.py"
DCN_V2 = "faster_rcnn_r50_fpn_mdconv_c3-c5_1x_coco.py"
SMALL_RPN = {
    "model.test_cfg.rcnn.score_thr": 0.0,
    "model.test_cfg.rpn.nms_pre": 100,
    "model.roi_head.bbox_head.fc_out_channels": 64,
}
MODELS = [
    ("retinanet/retinanet_r50_fpn_1x_coco.py", {"model.test_cfg.score_thr": 0.0}),
    ("faster_rcnn/faster_rcnn_r50_fpn_1x_coco.py", SMALL_RPN),
    ("faster_rcnn/faster_rcnn_r50_fpn_soft_nms_1x_coco.py", SMALL_RPN),
    ("dcn/faster_rcnn_r50_fpn_dconv_c3-c5_1x_coco.py", SMALL_RPN),
    (first_config("mmdet::dcnv2/" + DCN_V2, "mmdet::dcn/" + DCN_V2)[7:], SMALL_RPN),
]
TRAIN = """
import sys
import numpy as np
import torch
from mmcv import Config
from mmdet.apis import inference_detector, set_random_seed
from mmdet.models import build_detector
assert "mmonnx" not in sys.modules and "mmonnx.fallback" in sys.modules
assert torch.onnx.export.__module__.startswith("torch.onnx"), torch.onnx.export
set_random_seed(0)
config = Config.fromfile(sys.argv[1])
model = build_detector(config.model, config.get("train_cfg"), config.get("test_cfg"))
model.init_weights()
model.train()
# the loss of each iteration is of the same picture, so that it falls
meta = dict(img_shape=(128, 160, 3), pad_shape=(128, 160, 3), ori_shape=(128, 160, 3), scale_factor=1.0, flip=False)
data = dict(
    img=torch.randn(1, 3, 128, 160),
    img_metas=[meta],
    gt_bboxes=[torch.tensor([[10.0, 10, 70, 90], [60, 20, 150, 120]])],
    gt_labels=[torch.tensor([1, 5])],
)
parameters = [value for value in model.parameters() if value.requires_grad]
optimizer = torch.optim.SGD(parameters, lr=0.002)
losses = []
for _ in range(3):
    optimizer.zero_grad()
    step = model.train_step(data, optimizer)
    step["loss"].backward()
    optimizer.step()
    losses.append(float(step["loss"]))
    without = [n for n, v in model.named_parameters() if v.requires_grad and (v.grad is None or not v.grad.any())]
    assert all(torch.isfinite(value.grad).all() for value in parameters if value.grad is not None)
print("losses", *losses)
print("without", *without)
model.eval()
model.cfg = config
found = inference_detector(model, np.random.RandomState(0).randint(0, 255, (120, 150, 3), np.uint8))
print("found", sum(map(len, found)))
"""
TOOL = """
import runpy, sys
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
LATER = """
import mmcv.ops, sys, torch
export = torch.onnx.export
assert "mmonnx" not in sys.modules
import mmonnx
from mmonnx import fallback
assert torch.onnx.export is not export and mmonnx.fallback is fallback and fallback.active()
assert fallback.ensure() == "fallback" and mmonnx.support.errors.InputError is mmonnx.InputError
mmonnx.disable()
assert torch.onnx.export is export
"""


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """A copy of the installed mmcv without compiled operators."""
    folder = tmp_path_factory.mktemp("bare")
    ignored = shutil.ignore_patterns("__pycache__", "_ext.*", "mmonnx-patches.json")
    shutil.copytree(str(folder_of("mmcv")), str(folder / "mmcv"), ignore=ignored)
    return folder


@pytest.fixture(scope="module")
def site(bare, tmp_path_factory):
    """Such a copy, patched."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(str(bare / "mmcv"), str(folder / "mmcv"))
    assert patch("apply", folder) == 0
    return folder


def patch(action, root):
    return cli.main(["patch", f"--{action}", "--package", "mmcv", "--root", str(root)])


def content(root):
    files = [path for path in root.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def run(site, script, *arguments):
    """Run a script as Python does, with the copy of mmcv first."""
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join([str(site), str(ROOT)]), OMP_NUM_THREADS="1")
    command = [sys.executable, "-W", "ignore", "-c", script, *map(str, arguments)]
    streams = dict(stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    return subprocess.run(command, env=environment, **streams)


def test_the_file_comes_and_goes(bare, tmp_path, capsys):
    shutil.copytree(str(bare / "mmcv"), str(tmp_path / "mmcv"))
    before = content(tmp_path)
    assert patch("check", tmp_path) == 0 and content(tmp_path) == before
    assert patch("apply", tmp_path) == 0 and (tmp_path / FILE).is_file()
    applied = content(tmp_path)
    assert patch("apply", tmp_path) == 0 and content(tmp_path) == applied
    assert patch("check", tmp_path) == 0 and "applied already" in capsys.readouterr().out
    assert patch("revert", tmp_path) == 0 and content(tmp_path) == before


def test_compiled_operators_are_left_alone(bare, tmp_path, capsys):
    shutil.copytree(str(bare / "mmcv"), str(tmp_path / "mmcv"))
    assert patch("apply", tmp_path) == 0 and (tmp_path / FILE).is_file()
    (tmp_path / "mmcv" / "_ext.cpython-311-x86_64-linux-gnu.so").write_bytes(b"compiled later")
    assert patch("apply", tmp_path) == 0 and not (tmp_path / FILE).exists()
    capsys.readouterr()
    assert patch("list", tmp_path) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.strip().startswith("operators")]
    assert "for an installed one without compiled operators" in " ".join(line.split())
    assert patch("check", tmp_path) == 0
    assert "leaves out mmcv/operators.diff: it is for an installed one without compiled operators" in " ".join(
        capsys.readouterr().out.split()
    )


def test_a_file_of_somebody_else_is_left_alone(bare, tmp_path, capsys):
    shutil.copytree(str(bare / "mmcv"), str(tmp_path / "mmcv"))
    (tmp_path / FILE).write_text("mine = 1\n")
    before = content(tmp_path)
    assert patch("apply", tmp_path) == 2 and content(tmp_path) == before
    told = capsys.readouterr().err
    assert "mmcv/operators.diff does not apply: mmcv/_ext.py: it is there already, but not by mmonnx patch" in told


def test_an_edited_or_deleted_file(bare, tmp_path, capsys):
    shutil.copytree(str(bare / "mmcv"), str(tmp_path / "mmcv"))
    before = content(tmp_path)
    assert patch("apply", tmp_path) == 0
    (tmp_path / FILE).write_text("mine = 1\n")
    assert patch("revert", tmp_path) == 2
    assert "mmcv/_ext.py was changed since the patches were applied" in capsys.readouterr().err
    (tmp_path / FILE).unlink()
    assert patch("revert", tmp_path) == 0 and content(tmp_path) == before


def test_nothing_is_served_without_the_file(bare):
    done = run(bare, "import mmonnx, mmcv\ntry:\n    import mmcv.ops\nexcept ModuleNotFoundError as e: print(e.name)")
    assert done.stdout.splitlines()[-1] == "mmcv._ext"


def test_the_plugin_is_enabled_by_its_own_import_alone(site):
    done = run(site, LATER)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "name,options",
    once_if((MODELS[1], MODELS[2], MODELS[4]).__contains__, MODELS),
    ids=[name.split("/")[1] for name, _ in MODELS],
)
def test_upstreams_training_and_inference(site, tmp_path, name, options):
    config = small_config("mmdet::" + name, tmp_path, options)
    done = run(site, TRAIN, config)
    assert done.returncode == 0, done.stdout
    told = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines()[-3:]}
    losses = [float(loss) for loss in told["losses"]]
    assert losses[2] < losses[0] < 100, losses
    assert told["without"] == [], told["without"]
    assert int(told["found"][0]) > 0


@pytest.mark.once
def test_upstreams_train_and_test_tools(site, tmp_path):
    cfg = read_config("detector", make_data(tmp_path / "data"), {"runner.max_epochs": 1, "data.workers_per_gpu": 0})
    cfg.load_from = cfg.resume_from = None
    cfg.data.test = cfg.data.val
    cfg.dump(str(tmp_path / "digits.py"))
    tools, work = folder_of("mmdet") / ".mim" / "tools", tmp_path / "work"
    given = [tmp_path / "digits.py", "--work-dir", work]
    done = run(site, TOOL, tools / "train.py", *given, "--no-validate", "--seed", 0)
    assert done.returncode == 0, done.stdout
    assert "loss_bbox" in done.stdout
    assert all(value.isfinite().all() for value in load_weights(work / "latest.pth").values())
    found = tmp_path / "found.pkl"
    done = run(site, TOOL, tools / "test.py", given[0], work / "latest.pth", "--out", found)
    assert done.returncode == 0, done.stdout
    assert len(pickle.loads(found.read_bytes())) == 4
