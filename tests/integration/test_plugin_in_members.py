"""mmedit's and mmaction2's own commands, unchanged, with the plugin in the config."""

import copy

import cv2
import numpy as np
import onnx
import pytest
import torch
from upstream_tools import run_tool

from mmonnx import loading
from mmonnx.loading.images import photographs
from mmonnx.runtime.session import Session

pytestmark = pytest.mark.once  # mmedit and mmaction2 are on the default stack alone
PLUGIN = {"custom_imports": dict(imports=["mmonnx"], allow_failed_imports=False)}
OLDER = "import mmcv; mmcv.__version__ = '1.7.0'\n"
"""mmaction2 refuses the installed one for its number alone."""


def example(module, name, options, folder, **load):
    """A small model's config with the plugin, and a checkpoint of it; the task that has the same weights."""
    config = module.small_config(name, folder, copy.deepcopy({**options, **PLUGIN}))
    task = loading.load(config, None, loading.LoadOptions(**load))
    torch.save({"state_dict": task.module.model.state_dict(), "meta": {}}, str(folder / "model.pth"))
    return config, task.module.model.eval()


def check_file(path, forward, *inputs):
    """The file is mmonnx's, and gives what the forward does at each size and batch."""
    written = onnx.load(str(path))
    assert written.producer_name == "mmonnx" and {node.domain for node in written.graph.node} <= {"", "ai.onnx"}
    session, name = Session(str(path)), written.graph.input[0].name
    for value in inputs:
        with torch.no_grad():
            expected = forward(value)
        expected = expected if isinstance(expected, (tuple, list)) else [expected]
        found = list(session.run({name: value.numpy()}).values())
        assert len(found) == len(expected)
        for one, other in zip(expected, found):
            assert other.std() > 0
            np.testing.assert_allclose(other, one.numpy(), rtol=1e-3, atol=1e-4)


def test_a_restorers_file_takes_any_size_and_batch(tmp_path):
    editors = pytest.importorskip("editors")
    config, model = example(editors, editors.EDSR, editors.EDSR_OPTIONS, tmp_path, shape=(48, 64))
    cv2.imwrite(str(tmp_path / "low.png"), cv2.resize(photographs()[0], (64, 48)))
    arguments = [config, "model.pth", "restorer", "low.png", "--output-file", "theirs.onnx"]
    done = run_tool("mmedit", tmp_path, *arguments, "--dynamic-export", "--verify", tool=".mim/tools/pytorch2onnx.py")
    assert done.returncode == 0 and "The numerical values are same" in done.stdout, done.stdout
    torch.manual_seed(0)
    sizes = [(1, 3, 48, 64), (2, 3, 31, 50)]
    check_file(tmp_path / "theirs.onnx", model.forward_dummy, *(torch.rand(size) for size in sizes))


def test_a_mattors_file_takes_picture_and_trimap_in_one(tmp_path):
    editors = pytest.importorskip("editors")
    config, model = example(editors, editors.INDEXNET, {}, tmp_path, shape=(64, 64))
    picture = cv2.resize(photographs()[0], (64, 64))
    cv2.imwrite(str(tmp_path / "picture.png"), picture)
    cv2.imwrite(str(tmp_path / "trimap.png"), (np.indices((64, 64)).sum(0) // 43 * 127).astype(np.uint8))
    arguments = [config, "model.pth", "mattor", "picture.png", "--trimap-path", "trimap.png"]
    done = run_tool("mmedit", tmp_path, *arguments, "--output-file", "theirs.onnx", tool=".mim/tools/pytorch2onnx.py")
    assert done.returncode == 0, done.stdout
    torch.manual_seed(0)
    check_file(tmp_path / "theirs.onnx", model.forward_dummy, torch.rand(1, 4, 64, 64))


@pytest.mark.parametrize(
    "name, narrow, shape, flags",
    [("TSN", "R18", (1, 3, 3, 64, 64), ["--softmax"]), ("SLOWONLY", "SLIM", (1, 1, 3, 4, 64, 64), [])],
)
def test_a_recognizers_file_gives_its_forward(tmp_path, name, narrow, shape, flags):
    recognizers = pytest.importorskip("recognizers")
    options = {**getattr(recognizers, narrow), **recognizers.FEW}
    config, model = example(recognizers, getattr(recognizers, name), options, tmp_path, shape=(64, 64))
    arguments = [config, "model.pth", "--output-file", "theirs.onnx", "--shape", *shape, "--verify", *flags]
    done = run_tool("mmaction", tmp_path, *arguments, first=OLDER)
    assert done.returncode == 0 and "The numerical values are same" in done.stdout, done.stdout
    torch.manual_seed(0)
    check_file(tmp_path / "theirs.onnx", lambda clip: model.forward_dummy(clip, softmax=bool(flags)), torch.rand(shape))
