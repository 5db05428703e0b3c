"""Heads of mmdet 3 alone, on random maps: mmdet's own answers, and those of the stand-ins."""

import math

import torch

from mmonnx import fallback
from mmonnx.environment import compat, ties_by_index
from mmonnx.loading.config import find_config
from mmonnx.rewriting.rewrites import ExportContext, rewriting

SIZE = (96, 128)
IMAGES = 2


def build_head(name, part, options={}, **more):  # noqa: B006
    """The head of an installed config, in eval mode, with changes of its ``test_cfg`` and of its own."""
    fallback.ensure()
    import mmdet.models  # noqa: F401
    from mmdet.registry import MODELS
    from mmengine.registry import DefaultScope

    config = compat.config_type().fromfile(str(find_config("mmdet::" + name)))
    config.merge_from_dict({"model.test_cfg." + key: value for key, value in options.items()})
    model = config.model
    model[part].update(more, test_cfg=model.test_cfg)
    with DefaultScope.overwrite_default_scope("mmdet"):
        return MODELS.build(model[part]).eval()


def meta_of(height, width):
    """Meta data of a picture of this size in an input of ``SIZE``."""
    shape = (height, width)
    return dict(
        img_shape=shape,
        ori_shape=shape,
        pad_shape=SIZE,
        batch_input_shape=SIZE,
        scale_factor=(1.0, 1.0),
        border=(0, height, 0, width),
    )


def random_maps(head, channels, strides, spread=1.5, seed=0):
    """What the head gives of features of these channels and strides, with random values in the place of its own."""
    channels = channels if isinstance(channels, list) else [channels] * len(strides)
    sizes = [[math.ceil(side / stride) for side in SIZE] for stride in strides]
    features = [torch.zeros(IMAGES, number, *size) for number, size in zip(channels, sizes)]
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        return randomized(head(tuple(features)), generator, spread)


def randomized(value, generator, spread):
    """Tensors, in tuples and lists, of the same sizes with random values."""
    if isinstance(value, torch.Tensor):
        return torch.randn(value.shape, generator=generator) * spread
    return type(value)(randomized(one, generator, spread) for one in value)


def context_of(height, width):
    """A context for a batch whose pictures are of this size."""
    context = ExportContext()
    context.start(torch.zeros(IMAGES, 3, *SIZE))
    if (height, width) != SIZE:
        context.place(torch.tensor([float(height), float(width)]))
    return context


def check_head(head, maps, size=SIZE, least=10):
    """Compare what the head finds for each image with what the stand-ins find for the batch.

    Args:
        maps: what the head gives, or what makes it, for heads that change it.
    """
    meta, make = meta_of(*size), maps if callable(maps) else lambda: maps
    with ties_by_index(), torch.no_grad():
        expected = head.predict_by_feat(*make(), batch_img_metas=[dict(meta) for _ in range(IMAGES)])
    context = context_of(*size)
    with rewriting(context), torch.no_grad():
        (flat,) = head.predict_by_feat(*make(), batch_img_metas=[meta])
    check_found(context, expected, least)
    assert sum(len(one.scores) for one in expected) == len(flat.scores)


def check_found(context, expected, least):
    """Compare detections and masks of a context with upstream's instances, in the order of their scores."""
    for image, one in enumerate(expected):
        order = one.scores.argsort(descending=True, stable=True)
        real = context.found.valid[image]
        dets = torch.cat([one.bboxes, one.scores[:, None]], 1)[order]
        assert len(dets) == int(real.sum()) and len(dets) >= least
        torch.testing.assert_close(context.found.dets[image][real], dets, rtol=1e-4, atol=1e-3)
        assert context.found.labels[image][real].tolist() == one.labels[order].tolist()
        if context.masks is not None:
            height, width = one.masks.shape[1:]
            masks = context.masks[image][real]
            assert (masks[:, :height, :width] != one.masks[order]).float().mean() < 1e-4
            assert not masks[:, height:].any() and not masks[:, :, width:].any() and one.masks.any()
