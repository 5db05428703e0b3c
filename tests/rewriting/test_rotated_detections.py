"""mmrotate's functions against their stand-ins: suppression of a batch's classes, boxes of polygons, coders."""

import numpy as np
import pytest
import torch

pytest.importorskip("rotated_detectors")

from rectangles import adversarial, crowd

from mmonnx.environment import ties_by_index
from mmonnx.rewriting.rewrites import REGISTRY, ExportContext, rewriting
from mmonnx.rewriting.rewrites.batched import rotated_detections

pytestmark = pytest.mark.once  # mmrotate is on the default stack alone
_TRANSFORMS = "mmrotate.core.bbox.transforms."


def scores_of(count, classes, seed, steps=20):
    """(count, classes + 1), many of them equal, some of them low."""
    values = torch.rand(count, classes + 1, generator=torch.Generator().manual_seed(seed))
    return (values * steps).round() / steps


def upstream(boxes, scores, score_thr, threshold, limit, factors=None):
    """What ``multiclass_nms_rotated`` gives for an image, where equal scores go by index."""
    from mmcv import ConfigDict
    from mmrotate.core import multiclass_nms_rotated

    with ties_by_index():
        return multiclass_nms_rotated(boxes, scores, score_thr, ConfigDict(iou_thr=threshold), limit, factors)


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("factored", [True, False])
def test_a_batch_is_suppressed_as_its_images_are(shared, factored):
    classes, images = 3, [adversarial(), crowd(60, 1), crowd(0, 1), crowd(40, 2, extent=900.0) - 20]
    images[1][:, 0] -= 300  # left of the image, where upstream's classes come close to each other
    boxes = torch.cat(images)
    boxes = boxes if shared else torch.cat([boxes + shift for shift in (0, 3.5, 0.25)], 1)
    scores = scores_of(len(boxes), classes, 3)
    factors = scores_of(len(boxes), 0, 4)[:, 0] if factored else None
    image = torch.cat([torch.full((len(one),), number) for number, one in enumerate(images)])
    context = ExportContext()
    context.start(torch.zeros(len(images), 3, 8, 8))
    for threshold, limit, bound in ((0.1, 2000, 0.05), (0.4, 10, 0.3), (0.7, -1, 0.5), (0.1, 5, 2.0)):
        arguments = bound, dict(iou_thr=threshold), limit
        with ties_by_index():  # as ONNX's TopK has them
            found = rotated_detections(context, boxes, scores[:, :-1], image, *arguments, factors)
        for number in range(len(images)):
            rows = image == number
            if not rows.any():  # of which upstream can make no table of classes
                assert not found.valid[number].any()
                continue
            own = None if factors is None else factors[rows]
            dets, labels = upstream(boxes[rows], scores[rows], bound, threshold, limit, own)
            valid = found.valid[number]
            torch.testing.assert_close(found.dets[number][valid], dets, rtol=0, atol=0)
            assert torch.equal(found.labels[number][valid], labels)
            assert (found.labels[number][~valid] == -1).all()


@pytest.mark.parametrize("name", ["poly2obb_le90", "poly2obb_le135", "obb2poly_le90", "obb2poly_le135"])
def test_boxes_and_polygons(name):
    import mmrotate.core.bbox.transforms as upstream_transforms

    own = getattr(upstream_transforms, name)
    boxes = torch.cat([crowd(200, 5), adversarial()[:, [0, 1, 3, 2, 4]]])
    given = boxes if name.startswith("obb") else upstream_transforms.obb2poly_oc(boxes)
    found = REGISTRY[_TRANSFORMS + name].function(ExportContext(), own, given)
    torch.testing.assert_close(found, own(given), atol=2e-3, rtol=1e-5)
    assert REGISTRY[_TRANSFORMS + name].function(ExportContext(), own, given[:0]).shape == own(given)[:0].shape


@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize("shape", [None, (40, 70, 3)])
def test_centres_stay_in_the_image(classes, shape):
    from mmrotate.core.bbox.coder import DeltaXYWHAOBBoxCoder

    rois, deltas = crowd(50, 6, extent=90.0), torch.randn(50, 5 * classes, generator=torch.Generator().manual_seed(7))
    for settings in (
        {},
        {"edge_swap": True, "proj_xy": True, "norm_factor": 2, "target_stds": (0.1, 0.1, 0.2, 0.2, 0.1)},
    ):
        coder = DeltaXYWHAOBBoxCoder(angle_range="le90", **settings)
        expected = coder.decode(rois, deltas.clone(), max_shape=shape)
        with rewriting(ExportContext()):
            traced = None if shape is None else (torch.tensor(shape[0]), torch.tensor(shape[1]), 3)
            found = coder.decode(rois, deltas.clone(), max_shape=traced)
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_filters_turn_as_upstreams():
    from mmcv.ops import active_rotated_filter
    from mmrotate.models.utils import ORConv2d

    layer = ORConv2d(4, 3, 3, arf_config=(1, 8))
    expected = active_rotated_filter(layer.weight, layer.indices)
    with rewriting(ExportContext()):
        torch.testing.assert_close(layer.rotate_arf(), expected)
    layer = ORConv2d(2, 3, 3, arf_config=(8, 8))
    expected = layer.rotate_arf()
    with rewriting(ExportContext()):
        found = layer.rotate_arf()
    np.testing.assert_array_equal(found.detach().numpy(), expected.detach().numpy())
