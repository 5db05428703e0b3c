"""The best of very many scores: which they are, where they stand, and that a file has the same detections with them."""

import numpy as np
import onnx
import pytest
import torch
from models import exported, load_small

from mmonnx.pipeline import ExportSettings, export_task
from mmonnx.rewriting import ABSENT
from mmonnx.rewriting.rewrites.batched import best_in_place
from mmonnx.runtime import Session

LIMIT = 50


class Best(torch.nn.Module):
    def forward(self, values):
        return best_in_place(values, LIMIT, 0.25)


def expected(values):
    """Of equal values the first."""
    order = np.argsort(-values, axis=1, kind="stable")[:, :LIMIT]
    chosen = np.zeros_like(values, dtype=bool)
    np.put_along_axis(chosen, order, True, 1)
    return np.where(chosen & (values > 0.25), values, np.float32(ABSENT))


@pytest.mark.parametrize("size", [0, 1, LIMIT - 1, LIMIT, LIMIT + 1, 4 * LIMIT])
@pytest.mark.parametrize("levels", [1, 4, 7, 10**6])
def test_the_best_stand_where_they_were(size, levels):
    """With nothing but ties, many, few and none; some on the bound; at sizes that the trace has not seen."""
    axes = {"values": {0: "n", 1: "k"}}
    model = exported(Best(), (torch.rand(1, 3 * LIMIT),), input_names=["values"], dynamic_axes=axes)
    (node,) = (node for node in model.graph.node if node.op_type == "TopK")
    assert {item.name: item.i for item in node.attribute}["sorted"] == 0
    values = ((torch.rand(2, size) * levels).floor() / levels).numpy()
    (found,) = Session(model).run({"values": values}).values()
    np.testing.assert_array_equal(found, expected(values))


def test_a_file_with_them_gives_the_same_detections(tmp_path):
    """OpenVINO's has the best in order. Two different pictures, at a unseen size; ties among them."""
    options = {"model.test_cfg.nms_pre": 4096, "model.test_cfg.score_thr": 0.05, "model.test_cfg.max_per_img": 50}
    files = {}
    for target in ("onnxruntime", "openvino"):
        task = load_small("mmdet::fcos/fcos_r50_caffe_fpn_gn-head_1x_coco.py", tmp_path, options, dynamic=True)
        path = str(tmp_path / f"{target}.onnx")
        files[target] = export_task(task, ExportSettings("", output_file=path, target=target)).path
    orders = [
        [
            item.i
            for node in onnx.load(path).graph.node
            if node.op_type == "TopK"
            for item in node.attribute
            if item.name == "sorted"
        ]
        for path in files.values()
    ]
    assert 0 in orders[0] and 0 not in orders[1]
    images = np.random.RandomState(0).randn(2, 3, 160, 224).astype(np.float32)
    images[1, :, 64:] = 0  # where scores are equal
    ours, theirs = (Session(path).run({"input": images}) for path in files.values())
    assert ours["dets"].shape[1] == 50 and (ours["labels"] >= 0).all()
    for name in ours:
        np.testing.assert_array_equal(ours[name], theirs[name])
