"""No file bounds scores from below 0, which not every runtime takes, and a score of 0 is kept all the same."""

import numpy as np
import pytest
import torch
import torchvision
from models import exported
from onnx import numpy_helper

from mmonnx.rewriting.rewrites import Capabilities, ExportContext
from mmonnx.rewriting.rewrites.batched import suppress
from mmonnx.rewriting.rewrites.batched.suppression import _positive, _with_area
from mmonnx.rewriting.symbolics.soft_nms import ABSENT
from mmonnx.runtime.session import Session

SETTINGS = dict(type="nms", iou_threshold=0.5)
# the least float32, one below the least normal one, and neighbours
SCORES = [0.0, 2.0**-149, 2.0**-148, 2.0**-127, 1e-20, 0.25, float(np.nextafter(np.float32(0.25), np.float32(1))), 1.0]


class Suppressed(torch.nn.Module):
    """What a suppression keeps of boxes that do not overlap: row and score."""

    def __init__(self, bound, context):
        super().__init__()
        self.bound, self.context = bound, context

    def forward(self, boxes, scores):
        found = suppress(self.context, boxes, scores, SETTINGS, self.bound, None, scores.max(2, keepdim=True)[0])
        return found.row, found.scores


def apart(number):
    """(1, number, 4) boxes that do not overlap."""
    corner = torch.arange(number)[:, None] * 10.0
    return torch.cat([corner, corner, corner + 5, corner + 5], 1)[None]


def file_and_feeds(bound, empty_tensors=True):
    scores = torch.tensor([[SCORES[::2] + [ABSENT] + SCORES[1::2]]])
    boxes = apart(scores.shape[2])
    module = Suppressed(bound, ExportContext(Capabilities(empty_tensors=empty_tensors)))
    model = exported(module, (boxes, scores), input_names=["boxes", "scores"], output_names=["row", "found"])
    return model, {"boxes": boxes.numpy(), "scores": scores.numpy()}


def bounds(model):
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant":
            values[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
    return [float(values[node.input[4]]) for node in model.graph.node if node.op_type == "NonMaxSuppression"]


def test_scores_keep_their_order_and_are_above_zero():
    bits = np.random.RandomState(0).randint(0, np.float32(4).view(np.int32), 10**5)
    scores = torch.from_numpy(np.sort(bits.astype(np.int32).view(np.float32)))
    lifted = _positive(scores)
    assert (lifted > 0).all()
    assert torch.equal(lifted.diff() > 0, scores.diff() > 0)
    assert _positive(torch.tensor(ABSENT)) < 0


@pytest.mark.parametrize("empty_tensors", [True, False])
def test_a_score_of_zero_is_kept_and_an_absent_one_is_not(empty_tensors):
    model, feeds = file_and_feeds(ABSENT / 2, empty_tensors)
    assert bounds(model) == [0.0]
    row, found = Session(model).run(feeds).values()
    assert found[found > ABSENT / 2].tolist() == np.array(sorted(SCORES, reverse=True), np.float32).tolist()
    real = row[found > ABSENT / 2]
    assert np.array_equal(feeds["scores"][0, 0, real], found[found > ABSENT / 2])


@pytest.mark.parametrize("bound", [0.0, 0.25])
def test_a_bound_of_the_config_stays_and_is_exclusive(bound):
    model, feeds = file_and_feeds(bound)
    assert bounds(model) == [bound]
    _, found = Session(model).run(feeds).values()
    assert sorted(found.tolist()) == [score for score in np.array(SCORES, np.float32).tolist() if score > bound]


def test_boxes_without_area_are_elsewhere():
    boxes = torch.tensor([[[0.0, 0, 0, 5], [0, 0, 0, 5], [3, 4, 9, 4], [1, 1, 5, 5], [9, 9, 5, 5]]])
    moved = _with_area(boxes)
    assert torch.equal(moved[:, 3:], boxes[:, 3:])
    assert torchvision.ops.box_area(moved[0])[:3].tolist() == [1.0] * 3
    assert (torchvision.ops.box_iou(moved[0, :3], moved[0]) == torch.eye(5)[:3]).all()


def test_a_file_for_boxes_that_need_an_area_keeps_those_without():
    boxes, scores = torch.zeros(1, 3, 4), torch.tensor([[[0.5, 0.25, 1.0]]])
    module = Suppressed(ABSENT / 2, ExportContext(Capabilities(flat_boxes=False)))
    model = exported(module, (boxes, scores), input_names=["boxes", "scores"], output_names=["row", "found"])
    row, _ = Session(model).run({"boxes": boxes.numpy(), "scores": scores.numpy()}).values()
    assert row.tolist() == [2, 0, 1]
