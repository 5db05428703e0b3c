"""mmseg's own command, unchanged, with the plugin in the config."""

import copy

import cv2
import onnx
import pytest
import torch
from segmentors import BINARY, FCN, OTHERS, SHAPE, SLIDING, small_config
from upstream_tools import run_tool

from mmonnx import loading
from mmonnx.loading.images import photographs
from mmonnx.runtime.session import Session
from mmonnx.verifying.verification import make_cases, verify

SEGFORMER = next(name for name in OTHERS if "segformer" in name)
PLUGIN = {"custom_imports": dict(imports=["mmonnx"], allow_failed_imports=False)}
DYNAMIC = loading.LoadOptions(shape=SHAPE, dynamic=True)


@pytest.mark.parametrize(
    "name, options",
    [(f"mmseg::{SEGFORMER}", OTHERS[SEGFORMER]), (FCN, SLIDING), (FCN, BINARY)],
    ids=["segformer", "sliding", "binary"],
)
def test_its_file_gives_its_answers_at_other_sizes(name, options, tmp_path):
    config = small_config(name, tmp_path, copy.deepcopy({**options, **PLUGIN}))
    model = loading.load(config, None, DYNAMIC).module.model
    meta = {"CLASSES": tuple(map(str, range(19))), "PALETTE": [[0, 0, 0]] * 19}
    torch.save({"state_dict": model.state_dict(), "meta": meta}, str(tmp_path / "model.pth"))
    cv2.imwrite(str(tmp_path / "photograph.png"), photographs()[0])
    sliding = options is SLIDING
    flags = ["--dynamic-export", *([] if sliding else ["--verify"])]  # which it does at one size where it slides
    done = run_tool(
        "mmseg",
        tmp_path,
        config,
        *("--checkpoint", "model.pth", "--input-img", "photograph.png", "--output-file", "theirs.onnx"),
        *("--shape", *SHAPE, *flags),
        tool=".mim/tools/pytorch2onnx.py",
    )
    assert done.returncode == 0, done.stdout
    assert ("The outputs are same" in done.stdout) != sliding
    written = onnx.load(str(tmp_path / "theirs.onnx"))
    assert written.producer_name == "mmonnx" and [value.name for value in written.graph.output] == ["output"]
    session, task = Session(str(tmp_path / "theirs.onnx")), loading.load(config, str(tmp_path / "model.pth"), DYNAMIC)

    def run(feeds):
        (found,) = session.run(feeds).values()
        assert found.shape[:2] == (1, len(feeds["input"]))
        return {"seg_map": found[0]}

    results = verify(task, run, make_cases(task, None, SHAPE))
    assert all(result.ok for result in results), [result.problems for result in results]
    assert {result.batch for result in results} == {1, 2} and len(results) >= 5
