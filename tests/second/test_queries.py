"""Detectors with queries of mmdet 3: the file against PyTorch, and DDQ's choice of queries against upstream's own."""

import pytest
import torch

pytest.importorskip("mmengine")

from models import matches  # noqa: E402

from mmonnx import fallback, loading  # noqa: E402
from mmonnx.codebases.mmdet import detectors as mmdet  # noqa: E402
from mmonnx.rewriting import ExportContext, rewriting  # noqa: E402
from mmonnx.rewriting.rewrites.distinct import best_distinct  # noqa: E402

fallback.ensure()

SMALL = {
    "model.backbone.depth": 18,
    "model.backbone.base_channels": 16,
    "model.num_queries": 30,
    "model.test_cfg.max_per_img": 20,
    "model.encoder.num_layers": 1,
    "model.decoder.num_layers": 2,
}
ONE_MAP = {**SMALL, "model.neck.in_channels": [128]}
PYRAMID = {**SMALL, "model.neck.in_channels": [32, 64, 128]}
MODELS = {
    "detr/detr_r50_8xb2-150e_coco.py": ONE_MAP,
    "dab_detr/dab-detr_r50_8xb2-50e_coco.py": ONE_MAP,
    "deformable_detr/deformable-detr-refine-twostage_r50_16xb2-50e_coco.py": PYRAMID,
    "ddq/ddq-detr-4scale_r50_8xb2-12e_coco.py": {
        **PYRAMID,
        "model.neck.num_outs": 3,
        "model.num_feature_levels": 3,
        "model.encoder.layer_cfg.self_attn_cfg.num_levels": 3,
        "model.decoder.layer_cfg.cross_attn_cfg.num_levels": 3,
        "model.dqs_cfg.iou_threshold": 0.3,
    },
}


@pytest.mark.parametrize("name", MODELS)
def test_it_gives_the_answers_of_pytorch(name):
    options = loading.LoadOptions(shape=(96, 128), dynamic=True, cfg_options=MODELS[name])
    task = loading.load("mmdet::" + name, None, options)
    assert mmdet.covers(task.module.model)
    for result in matches(task, [(96, 128), (128, 96)]):
        assert result.ok and result.total >= 20, (result.name, result.problems)
        assert result.max_box < 0.01 and result.max_score < 1e-4


def _boxes(images, count):
    """Corners (images, count, 4) in parts of an image, many of which overlap, and their scores."""
    torch.manual_seed(0)
    low = torch.rand(images, count, 2) * 0.6
    return torch.cat([low, low + 0.2 + torch.rand(images, count, 2) * 0.2], -1), torch.rand(images, count)


@pytest.mark.parametrize("limit", [5, 100])
def test_the_best_distinct_rows_are_those_of_batched_nms(limit):
    from mmcv.ops import batched_nms

    boxes, scores = _boxes(3, 200)
    nms = dict(type="nms", iou_threshold=0.3)
    context = ExportContext()
    with rewriting(context):
        context.start(torch.zeros(3, 3, 8, 8))
        rows, there = best_distinct(context, boxes, scores, nms, limit)
    for image in range(3):
        kept = batched_nms(boxes[image], scores[image], torch.ones(200), nms)[1][:limit]
        assert len(kept) == min(limit, int(there[image].sum())) and torch.equal(rows[image][there[image]], kept)
    assert limit == 5 or not there.all(dim=1).any()


@pytest.mark.parametrize("first", [True, False], ids=["the first query is kept", "the first query is not"])
def test_ddqs_decoder_is_upstreams_where_queries_are_dropped(first):
    """Both ways of the mask of which upstream reads the first row, in a batch of two different images."""
    from mmdet.models.layers.transformer.ddq_detr_layers import DDQTransformerDecoder

    torch.manual_seed(1 if first else 2)
    model = _decoder(DDQTransformerDecoder)
    shapes = torch.tensor([[6, 8], [3, 4]])
    given = dict(
        query=torch.rand(2, 12, 16),
        value=torch.rand(2, 60, 16),
        key_padding_mask=None,
        self_attn_mask=None,
        reference_points=torch.rand(2, 12, 4) * 0.1 + 0.45,
        spatial_shapes=shapes,
        level_start_index=torch.tensor([0, 48]),
        valid_ratios=torch.ones(2, 2, 2),
        reg_branches=[torch.nn.Linear(16, 4).requires_grad_(False) for _ in model.layers],
    )
    with torch.no_grad():
        model.cache_dict["cls_branches"] = [_Places(first) for _ in model.layers]
        expected = model(**given)
        alive = torch.stack([model.cache_dict["distinct_query_mask"][-1][number * 2][0] for number in range(2)])
        context = ExportContext()
        with rewriting(context, module=model):
            context.start(torch.zeros(2, 3, 8, 8))
            found = model(**given)
    assert alive.all() == first
    for ours, theirs in zip(found, expected):
        assert torch.allclose(ours, theirs, atol=1e-5)
    assert torch.equal(context.extras["queries of DDQ that are distinct"], alive)


class _Places(torch.nn.Module):
    """Scores of queries by their place, the first the best or the worst."""

    def __init__(self, first):
        super().__init__()
        self.first = first

    def forward(self, query):
        place = torch.linspace(1, -1, query.shape[1])[None, :, None].expand(query.shape[0], -1, 3)
        return place if self.first else -place


def _decoder(kind):
    attention = dict(embed_dims=16, num_heads=2, dropout=0.0)
    layer = dict(
        self_attn_cfg=attention,
        cross_attn_cfg=dict(embed_dims=16, num_heads=2, num_levels=2, num_points=2, dropout=0.0),
        ffn_cfg=dict(embed_dims=16, feedforward_channels=32, ffn_drop=0.0),
    )
    model = kind(num_layers=3, return_intermediate=True, layer_cfg=layer, post_norm_cfg=None).eval()
    model.cache_dict = {"num_heads": 2, "dis_query_info": [0, 12], "dqs_cfg": dict(type="nms", iou_threshold=0.6)}
    return model
