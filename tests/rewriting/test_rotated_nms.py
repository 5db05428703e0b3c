"""Suppression of rotated boxes in standard operators, against greedy suppression by clipped polygons."""

import json
from pathlib import Path

import bodies
import numpy as np
import onnxruntime
import pytest
import torch
from bodies import every_opset, run_body
from rectangles import adversarial, crowd, greedy

from mmonnx.rewriting.symbolics import rotated_nms


def body(opset, boxes, group, **attributes):
    attributes = dict(limit=0, **attributes) if "limit" not in attributes else attributes
    return run_body("RotatedNms", opset, [boxes, group], domain="mmonnx", **attributes)[0].tolist()


def expected(boxes, group, threshold):
    found = []
    for number in group.unique().tolist():
        rows = (group == number).nonzero()[:, 0]
        order = np.arange(len(rows), 0, -1)
        found += rows[greedy(boxes[rows].numpy(), order, threshold)].tolist()
    return sorted(found)


@every_opset
@pytest.mark.parametrize("threshold", [0.1, 0.45, 0.8])
@pytest.mark.parametrize("make", [adversarial, lambda: crowd(150, 1)], ids=["adversarial", "crowd"])
def test_it_is_greedy_in_each_group(opset, make, threshold):
    boxes = make()
    for groups in (1, 3):
        group = torch.randint(0, groups, (len(boxes),), generator=torch.Generator().manual_seed(2))
        right = expected(boxes, group, threshold)
        assert body(opset, boxes, group, threshold=threshold) == right
        assert rotated_nms(boxes, group, threshold).tolist() == right and 1 < len(right) < len(boxes)


@pytest.mark.parametrize("seed", range(4))
def test_any_order_of_boxes_that_touch_and_contain_each_other(seed):
    boxes = adversarial()
    boxes = boxes[torch.randperm(len(boxes), generator=torch.Generator().manual_seed(seed))]
    group = torch.zeros(len(boxes), dtype=torch.long)
    for threshold in (0.02, 0.3, 0.6, 0.95):
        assert body(11, boxes, group, threshold=threshold) == expected(boxes, group, threshold), threshold


def test_many_chunks_and_a_limit():
    boxes = crowd(1100, 3, extent=900.0)
    group = torch.randint(0, 2, (1100,), generator=torch.Generator().manual_seed(4))
    whole = rotated_nms(boxes, group, 0.1)
    assert body(11, boxes, group, threshold=0.1) == whole.tolist() and len(whole) > 256
    bounded = torch.tensor(body(11, boxes, group, threshold=0.1, limit=60))
    for number in (0, 1):
        mine = whole[group[whole] == number]
        assert bounded[group[bounded] == number][:60].tolist() == mine[:60].tolist()
    assert len(bounded) < len(whole)


@pytest.mark.parametrize("limit, late", [(0, 256), (60, 256), (60, 1500), (500, 256), (5000, 256)])
def test_it_ends_where_every_group_has_enough(limit, late, monkeypatch, tmp_path):
    """Of two groups, one of which has few boxes, the last of them early or late; a turn is of 256."""
    boxes = crowd(2048, 3, extent=2500.0)
    group = torch.zeros(len(boxes), dtype=torch.long)
    group[:late:100] = 1
    options, given = onnxruntime.SessionOptions(), {}
    options.enable_profiling, options.profile_file_prefix = True, str(tmp_path / "profile")

    def profiled(model, inputs):
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        feeds = {one.name: value.numpy() for one, value in zip(session.get_inputs(), inputs)}
        found = session.run(None, feeds)
        events = json.loads(Path(session.end_profiling()).read_text())
        kernels = [one for one in events if one["name"].endswith("_kernel_time")]
        given["turns"] = sum(one["args"]["op_name"] == "ScatterND" for one in kernels)
        return found

    monkeypatch.setattr(bodies, "run", profiled)
    found = torch.tensor(body(11, boxes, group, threshold=0.1, limit=limit))
    whole, turns = rotated_nms(boxes, group, 0.1), 0
    for number in (0, 1):
        ours, all_of_them = (rows[group[rows] == number] for rows in (found, whole))
        assert ours[: limit or None].tolist() == all_of_them[: limit or None].tolist()
        enough = all_of_them[limit - 1] if 0 < limit <= len(all_of_them) else (group == number).nonzero()[-1]
        turns = max(turns, int(enough) // 256 + 1)
    assert given["turns"] == (turns if limit else 8)


def test_none_one_and_no_threshold():
    boxes, group = adversarial(), torch.zeros(24, dtype=torch.long)
    assert body(11, boxes[:0], group[:0], threshold=0.1) == []
    assert body(11, boxes[:1], group[:1], threshold=0.1) == [0]
    assert body(11, boxes, group, threshold=0.0) == [0] == rotated_nms(boxes, group, 0.0).tolist()
    ends = boxes[[0, 17]]  # far apart
    assert body(11, ends, group[:2], threshold=0.1) == [0, 1]
