"""Layers that pool regions, each given the same regions as the file's, and the regions that are chosen to be pooled."""

import onnx
import pytest
import torch
from models import once_if, small_config
from onnx import numpy_helper
from torch import nn

from mmonnx import loading
from mmonnx.loading import LoadOptions
from mmonnx.pipeline import ExportSettings, final_model
from mmonnx.runtime.session import Session
from mmonnx.terminal.report import Report
from mmonnx.tracing.regions import FirstPooling, draw_regions, outer_poolings, pooling_calls
from mmonnx.verifying.cases import padded_case, pictures_of
from mmonnx.verifying.driving import Draw
from mmonnx.verifying.inside import Inside
from mmonnx.verifying.verification import verify_model

SHAPE = (96, 128)
MODELS = {
    "mmdet::mask_rcnn/mask_rcnn_r50_fpn_1x_coco.py": ["bbox_roi_extractor", "mask_roi_extractor"],
    "mmdet::cascade_rcnn/cascade_rcnn_r50_fpn_1x_coco.py": [f"bbox_roi_extractor.{stage}" for stage in range(3)],
    # two of its layers pool the same regions
    "mmdet::double_heads/dh_faster_rcnn_r50_fpn_1x_coco.py": ["bbox_roi_extractor", "bbox_roi_extractor"],
}


class RoIAlign(nn.Module):
    def forward(self, maps, regions):
        return maps.mean() + regions[:, 1:]


class SingleRoIExtractor(nn.Module):
    def __init__(self):
        super().__init__()
        self.roi_layers = nn.ModuleList([RoIAlign(), RoIAlign()])

    def forward(self, maps, regions, scale=1.0):
        return self.roi_layers[0](maps[0], regions) * scale + self.roi_layers[1](maps[1], regions)


class TwoStages(nn.Module):
    def __init__(self):
        super().__init__()
        self.extractor = SingleRoIExtractor()

    def forward(self, maps, regions):
        return self.extractor((maps, maps * 2), regions) + self.extractor((maps, maps), regions + 1, scale=3.0)


def test_calls_of_the_outer_layers_are_noted_and_can_be_made_again():
    model = TwoStages()
    assert list(outer_poolings(model)) == ["extractor"]
    maps, regions = torch.rand(2, 3, 4, 4), torch.rand(6, 5)
    with pooling_calls(model) as calls:
        found = model(maps, regions)
    assert [(call.module, call.call, call.images, call.rank) for call in calls] == [
        ("extractor", 0, 2, 2),
        ("extractor", 1, 2, 2),
    ]
    assert [probe.name for call in calls for probe in call.probes] == [
        "extractor.regions_0",
        "extractor.pooled_0",
        "extractor.regions_1",
        "extractor.pooled_1",
    ]
    assert torch.equal(calls[1].regions, regions + 1)
    assert torch.equal(calls[0].again(regions) + calls[1].again(regions + 1), found)
    assert calls[1].again(regions[:2]).shape == (2, 4)
    assert "forward" not in vars(model.extractor)


def test_a_run_can_be_ended_at_the_first_pooling():
    model, regions = TwoStages(), torch.rand(6, 5)
    with pytest.raises(FirstPooling) as ended, pooling_calls(model, stop=True) as calls:
        model(torch.rand(2, 3, 4, 4), regions)
    assert ended.value.probe.name == "extractor.regions_0"
    assert torch.equal(ended.value.regions, regions) and not calls
    assert "forward" not in vars(model.extractor)


@pytest.mark.parametrize("shape", [(96, 128), (800, 1216)])
def test_drawn_regions_are_of_all_sizes(shape):
    regions = draw_regions(2, shape)
    sides = regions[:, 3:] - regions[:, 1:3]
    assert (sides > 0).all() and {0.0, 1.0} == set(regions[:, 0].tolist())
    # the levels of mmdet's extractors, of both images
    levels = ((sides.prod(1).sqrt() / 56).log2().floor()).clamp(0, 3).long()
    for image in (0, 1):
        assert all((levels[regions[:, 0] == image] == level).sum() >= 5 for level in range(4))
    thin = sides.min(1)[0] < 4
    assert thin.sum() >= 5
    inside = (regions[thin][:, 1:] >= 0).all() and (regions[thin][:, 3:] <= torch.tensor(shape[::-1])).all()
    assert inside
    assert not torch.equal(regions, draw_regions(2, shape, 1))


@pytest.fixture(
    scope="module",
    # what the other two show is the same on each stack
    params=once_if(lambda name: "cascade" not in name, MODELS),
    ids=lambda name: name.split("/")[0][7:],
)
def made(request, tmp_path_factory):
    config = small_config(request.param, tmp_path_factory.mktemp("small"))
    settings = ExportSettings(config, load=LoadOptions(shape=SHAPE, dynamic=True, dynamic_batch=True), simplify=True)
    task = loading.load(settings.config, None, settings.load)
    return request.param, final_model(task, settings, Report())


def verified(found, model):
    return verify_model(found.task, model, found.cases, lambda one: Session(one).run)


def poolings(model):
    return [node for node in model.graph.node if node.op_type == "RoiAlign"]


def goal(verification, what):
    return next(goal for goal in verification.goals if goal.what == what)


def test_every_layer_that_pools_is_given_regions(made):
    name, found = made
    verification = verified(found, found.model)
    assert verification.ok, [result for result in verification.results if not result.ok]
    given = [result for result in verification.results if result.name.startswith("regions given")]
    assert [result.total for result in given] == [len(MODELS[name])]
    assert goal(verification, "poolings of regions of every size").reached


def copied(model):
    other = onnx.ModelProto()
    other.CopyFrom(model)
    return other


def sampled_otherwise(node):
    next(item for item in node.attribute if item.name == "sampling_ratio").i = 1


def scaled_otherwise(node):
    next(item for item in node.attribute if item.name == "spatial_scale").f *= 1.01


@pytest.mark.long
@pytest.mark.once
def test_a_fault_in_any_level_of_any_layer_shows(made):
    _, found = made
    case = padded_case(found.task, "given", pictures_of(None, 2), (64, 96))
    for number, node in enumerate(poolings(found.model)):
        # of each layer there are as many again for regions that are thinner than a cell; coarse ones hardly occur
        if number % 8 > 4 or number % 3:
            continue
        model = copied(found.model)
        (scaled_otherwise if number % 2 else sampled_otherwise)(poolings(model)[number])
        given = Inside(found.task, model, lambda one: Session(one).run).on_regions(case, Draw(0))
        assert given is not None and not given.ok, node.name


@pytest.mark.once
def test_other_anchors_of_one_shape_of_the_coarsest_level_show(made):
    _, found = made
    model = copied(found.model)
    anchors = [
        tensor
        for tensor in model.graph.initializer
        if tensor.dims[-1:] == [4] and tensor.data_type == onnx.TensorProto.FLOAT and len(tensor.dims) > 1
    ]
    greatest = max(anchors, key=lambda tensor: numpy_helper.to_array(tensor).max())
    values = numpy_helper.to_array(greatest).copy()
    values.reshape(-1, 4)[-1] *= 1.02
    greatest.CopyFrom(numpy_helper.from_array(values, greatest.name))
    inside = Inside(found.task, model, lambda one: Session(one).run)
    case = padded_case(found.task, "chosen", pictures_of(None, 1)[:1], (192, 256))
    # the coarsest of five levels has the best scores
    draws = [Draw(seed, whole=False, least=least, amount=-3.0, moved=4) for seed in range(3) for least in (2.0, 3.0)]
    right = Inside(found.task, found.model, lambda one: Session(one).run)
    assert all(right.on_choice(case, draw).ok for draw in draws)
    assert sum(not inside.on_choice(case, draw).ok for draw in draws) > 1
