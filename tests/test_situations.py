"""What others have met when they exported, rebuilt: each names the thread that it is from."""

import numpy as np
import pytest
import torch
from models import case, load_small, run_known
from torch import nn
from torch.nn import functional

import mmonnx
from mmonnx.loading import LoadOptions
from mmonnx.loading.images import photographs
from mmonnx.pipeline import ExportSettings, export_task
from mmonnx.runtime.session import Session
from mmonnx.support.errors import ExportError
from mmonnx.verifying.verification import verify

DETECTOR = "mmdet::retinanet/retinanet_r18_fpn_1x_coco.py"
MAPS = {"x": {0: "batch", 2: "height", 3: "width"}}
MODULES = """
import torch
from mmcv.ops import DeformConv2dPack, ModulatedDeformConv2dPack
from mmcv.runner import BaseModule
from mmdet.core import bbox2result, multiclass_nms
from mmdet.models.builder import DETECTORS, HEADS, NECKS, build_head
from mmdet.models.detectors import RetinaNet, SingleStageDetector
from mmdet.models.necks import FPN
from torch import nn
from torch.nn import functional


@NECKS.register_module(force=True)
class WeightedPyramid(BaseModule):
    # up and down, each map a weighted sum of its neighbours
    def __init__(self, in_channels, out_channels, num_outs):
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(count, out_channels, 1) for count in in_channels)
        self.up, self.down = (nn.Parameter(torch.rand(3, len(in_channels)) + 0.1) for _ in range(2))
        self.moved = DeformConv2dPack(out_channels, out_channels, 3, padding=1)
        self.masked = ModulatedDeformConv2dPack(out_channels, out_channels, 3, padding=1, deform_groups=2)
        self.num_outs = num_outs

    def init_weights(self):
        for layer in (self.moved, self.masked):
            nn.init.normal_(layer.conv_offset.weight, std=0.02)

    def forward(self, maps):
        maps = [lateral(one) for lateral, one in zip(self.lateral, maps)]
        up, down = (weight.relu() / (weight.relu().sum(0) + 1e-4) for weight in (self.up, self.down))
        above = list(maps)
        for level in range(len(maps) - 1, 0, -1):
            larger = functional.interpolate(above[level], size=above[level - 1].shape[-2:])
            above[level - 1] = up[0, level] * above[level - 1] + up[1, level] * larger
        outs = [above[0] + self.masked(self.moved(above[0]))]
        for level in range(1, len(maps)):
            smaller = functional.max_pool2d(outs[-1], 3, 2, 1)
            outs.append(down[0, level] * maps[level] + down[1, level] * above[level] + down[2, level] * smaller)
        while len(outs) < self.num_outs:
            outs.append(functional.max_pool2d(outs[-1], 1, 2))
        return tuple(outs)


@HEADS.register_module(force=True)
class Centres(BaseModule):
    # derives from no head of upstream's
    def __init__(self, num_classes, in_channels, train_cfg=None, test_cfg=None):
        super().__init__()
        self.num_classes = num_classes
        self.classes, self.sides = nn.Conv2d(in_channels, num_classes, 1), nn.Conv2d(in_channels, 4, 1)

    def init_weights(self):
        nn.init.normal_(self.classes.weight, std=0.5)

    def forward(self, maps):
        return [self.classes(one) for one in maps], [self.sides(one).exp() for one in maps]

    def simple_test(self, maps, img_metas, rescale=False):
        classes, sides = self(maps)
        found = []
        for number, meta in enumerate(img_metas):
            boxes, scores = [], []
            for stride, one, side in zip((8, 16, 32, 64, 128), classes, sides):
                height, width = one.shape[2:]
                rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width))
                x, y = ((axis.reshape(-1).to(one) + 0.5) * stride for axis in (columns, rows))
                side = side[number].permute(1, 2, 0).reshape(-1, 4) * stride
                boxes.append(torch.stack([x - side[:, 0], y - side[:, 1], x + side[:, 2], y + side[:, 3]], -1))
                scores.append(one[number].permute(1, 2, 0).reshape(-1, self.num_classes).sigmoid())
            boxes, scores = torch.cat(boxes), torch.cat(scores)
            if rescale:
                boxes = boxes / boxes.new_tensor(meta["scale_factor"])
            scores = torch.cat([scores, scores.new_zeros(scores.shape[0], 1)], 1)
            found.append(multiclass_nms(boxes, scores, 0.3, dict(type="nms", iou_threshold=0.5), 50))
        return found


@DETECTORS.register_module(force=True)
class TwoHeads(SingleStageDetector):
    def __init__(self, second_head, test_cfg=None, **others):
        super().__init__(test_cfg=test_cfg, **others)
        second_head.update(train_cfg=None, test_cfg=test_cfg)
        self.second_head = build_head(second_head)

    def simple_test(self, img, img_metas, rescale=False):
        maps, found = self.extract_feat(img), [[] for _ in img_metas]
        for head in (self.bbox_head, self.second_head):
            for image, (boxes, labels) in enumerate(head.simple_test(maps, img_metas, rescale=rescale)):
                found[image] = found[image] + list(bbox2result(boxes, labels, head.num_classes))
        return found


@DETECTORS.register_module(force=True)
class AndRegions(RetinaNet):
    def __init__(self, **others):
        super().__init__(**others)
        self.regions = nn.Conv2d(64, 3, 1)

    def simple_test(self, img, img_metas, rescale=False):
        found = super().simple_test(img, img_metas, rescale)
        regions = self.regions(self.extract_feat(img)[0]).argmax(1)
        return [(boxes, regions) for boxes in found]
"""


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Loads a small detector with modules of a user's own."""
    (tmp_path / "modules_of_situations.py").write_text(MODULES)
    monkeypatch.syspath_prepend(str(tmp_path))
    imports = {"custom_imports": {"imports": ["modules_of_situations"], "allow_failed_imports": False}}

    def load(changes, **load):
        return load_small(DETECTOR, tmp_path, {**imports, "model.bbox_head.num_classes": 3, **changes}, **load)

    return load


def same_at_another_size(task, path, pictures):
    """Export; the file's detections of other pictures are PyTorch's at a size that the trace has not seen."""
    batch = LoadOptions(batch=1 if task.dynamic_batch else len(pictures))
    done = export_task(task, ExportSettings("", output_file=path, load=batch, verify=True))
    assert done.ok
    (result,) = verify(task, run_known(Session(path)), [case(task, (128, 192), pictures)])
    assert result.ok and result.matched >= 10, result


def test_a_pyramid_of_ones_own_with_deformable_convolutions(load, tmp_path):
    """https://github.com/open-mmlab/mmdetection/issues/3967 and https://github.com/open-mmlab/mmcv/issues/1072."""
    neck = dict(_delete_=True, type="WeightedPyramid", in_channels=[16, 32, 64, 128], out_channels=64, num_outs=5)
    task = load({"model.neck": neck}, shape=(96, 128), dynamic=True)
    same_at_another_size(task, str(tmp_path / "x.onnx"), photographs()[:2])


def test_a_head_that_derives_from_none_of_upstreams(load, tmp_path):
    """https://github.com/open-mmlab/mmdetection/issues/6552: it takes one image after the other, and says so."""
    head = dict(_delete_=True, type="Centres", num_classes=3, in_channels=64)
    task = load({"model.bbox_head": head}, shape=(96, 128), dynamic=True, batch=2)
    assert any("Centres.simple_test" in note and "one image at a time" in note for note in task.notes)
    same_at_another_size(task, str(tmp_path / "x.onnx"), photographs()[1::-1])


@pytest.mark.parametrize("kind", ["TwoHeads", "AndRegions"])
def test_results_that_the_file_has_no_outputs_for(kind, load, tmp_path):
    """https://github.com/open-mmlab/mmdetection/issues/6548 and https://github.com/open-mmlab/mmdetection/issues/11683."""
    changes = {"model.type": kind}
    if kind == "TwoHeads":
        anchors = dict(type="AnchorGenerator", scales=[4], ratios=[1.0], strides=[8, 16, 32, 64, 128])
        changes["model.second_head"] = dict(
            type="RetinaHead", num_classes=2, in_channels=64, stacked_convs=1, anchor_generator=anchors
        )
    task = load(changes, shape=(96, 128))
    with pytest.raises(ExportError, match=rf"{kind}\.simple_test \(modules_of_situations\) gives .*; .*mmonnx\.export"):
        export_task(task, ExportSettings("", output_file=str(tmp_path / "x.onnx")))


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"model.backbone.type": "NobodysBackbone"}, "code of NobodysBackbone; name the module .* custom_imports"),
        (
            {"model.data_preprocessor": {"type": "DetDataPreprocessor"}},
            "no model.data_preprocessor, or install mmdet 3",
        ),
    ],
)
def test_a_config_of_code_that_is_not_there(changes, words, load):
    """https://github.com/open-mmlab/mmdetection/issues/5856 and https://github.com/open-mmlab/mmdetection/issues/12311."""
    with pytest.raises(ExportError, match=words):
        load(changes)


class Positions(nn.Module):
    """Adds positions of a grid, by a factor for each size of the image."""

    def __init__(self):
        super().__init__()
        self.patches, self.positions = nn.Conv2d(3, 8, 16, 16), nn.Parameter(torch.randn(1, 8, 4, 4))

    def forward(self, x):
        factors = tuple((side // 16 + 0.1) / 4 for side in x.shape[2:])
        return self.patches(x) + functional.interpolate(self.positions, scale_factor=factors, mode="bicubic")


class Coordinates(nn.Module):
    """Has the place of each pixel as two more channels."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(5, 4, 1)

    def forward(self, x):
        batch, _, height, width = x.shape
        across, down = torch.meshgrid(torch.arange(width), torch.arange(height), indexing="xy")
        places = torch.stack([across / (width - 1) * 2 - 1, down / (height - 1) * 2 - 1])
        return self.conv(torch.cat([x, places.repeat(batch, 1, 1, 1).to(x)], 1))


class Windows(nn.Module):
    """Attention inside of windows that are moved by three, with a mask that is written region by region."""

    def __init__(self):
        super().__init__()
        self.mix = nn.Linear(3, 24)

    def forward(self, x):
        side, (batch, _, full_height, full_width) = 7, x.shape
        x = functional.pad(x, (0, (side - full_width % side) % side, 0, (side - full_height % side) % side))
        height, width = x.shape[2:]
        regions, number = torch.zeros(1, 1, height, width), 0
        for rows in (slice(0, -side), slice(-side, -3), slice(-3, None)):
            for columns in (slice(0, -side), slice(-side, -3), slice(-3, None)):
                regions[:, :, rows, columns] = number
                number += 1
        x, regions = self.split(self.mix(x.roll((-3, -3), (2, 3)).permute(0, 2, 3, 1)), side), regions[0, 0, :, :, None]
        mask = self.split(regions[None], side).squeeze(-1)
        mask = (mask[:, None] != mask[:, :, None]).to(x) * -100.0
        query, key, value = x.chunk(3, -1)
        scores = (query @ key.transpose(1, 2)).view(batch, -1, side * side, side * side) + mask
        x = scores.softmax(-1).flatten(0, 1) @ value
        x = x.view(batch, height // side, width // side, side, side, -1).permute(0, 5, 1, 3, 2, 4)
        return x.reshape(batch, -1, height, width).roll((3, 3), (2, 3))[:, :, :full_height, :full_width]

    def split(self, x, side):
        batch, height, width, channels = x.shape
        x = x.view(batch, height // side, side, width // side, side, channels)
        return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, side * side, channels)


@pytest.mark.parametrize(
    "model, sample, other",
    [
        (Positions, (1, 3, 64, 80), (2, 3, 96, 112)),  # https://github.com/facebookresearch/dino/issues/168
        (Coordinates, (1, 3, 12, 16), (2, 3, 20, 14)),  # https://github.com/pytorch/pytorch/issues/128494
        (Windows, (1, 3, 28, 28), (2, 3, 33, 45)),  # https://github.com/tinyvision/SOLIDER/issues/9
    ],
)
def test_a_module_whose_values_follow_the_size(model, sample, other, tmp_path):
    torch.manual_seed(0)
    module, path, x = model().eval(), str(tmp_path / "x.onnx"), torch.randn(*other)
    done = mmonnx.export(module, torch.randn(*sample), path, input_names=["x"], dynamic_axes=MAPS, verify=True)
    assert done.ok
    (found,) = Session(path).run({"x": x.numpy()}).values()
    with torch.no_grad():
        np.testing.assert_allclose(found, module(x).numpy(), atol=1e-4)


class Spectrum(nn.Module):
    def forward(self, x):
        return torch.fft.rfftn(x * 2, dim=(-2, -1)).abs()


def test_an_operator_that_torchs_exporter_lacks_is_told_with_its_line(tmp_path):
    """https://github.com/onnx/onnx/issues/4845."""
    with pytest.raises(ExportError, match=r"fft_rfftn.* at .*test_situations\.py:\d+ \(return torch\.fft\.rfftn"):
        mmonnx.export(Spectrum(), torch.randn(1, 3, 8, 8), str(tmp_path / "x.onnx"))
