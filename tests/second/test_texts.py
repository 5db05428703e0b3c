"""Detectors that take text: what is asked for, and what Grounding DINO's and GLIP's stand-ins are in place of."""

import pytest
import torch

pytest.importorskip("mmengine")

from mmonnx import fallback, loading  # noqa: E402
from mmonnx.rewriting.rewrites import ExportContext, rewriting  # noqa: E402
from mmonnx.rewriting.rewrites.prompts import scores_of_labels  # noqa: E402
from mmonnx.support.errors import InputError  # noqa: E402

fallback.ensure()

GROUNDING = "mmdet::grounding_dino/grounding_dino_r50_scratch_8xb2_1x_coco.py"


@pytest.mark.parametrize(
    "name, options, said",
    [
        (GROUNDING, {}, "'bert-base-uncased' is not downloaded"),
        (GROUNDING, dict(text=" . "), "GroundingDINO takes text, and ' . ' has no name; "),
        (GROUNDING, dict(text="person . car ."), "'bert-base-uncased' is not downloaded"),
        (GROUNDING, dict(cfg_options={"model.test_cfg.chunked_size": 40}), "read in pieces (test_cfg.chunked_size)"),
        (GROUNDING, dict(skip_postprocess=True), "--skip-postprocess of GroundingDINO, whose heads take text"),
        ("mmdet::detr/detr_r50_8xb2-150e_coco.py", dict(text="person ."), "--text is for detectors that take text"),
    ],
)
def test_what_is_missing_is_said_by_name(name, options, said):
    with pytest.raises(InputError) as raised:
        loading.load(name, None, loading.LoadOptions(shape=(96, 128), **options))
    assert said in str(raised.value)


@pytest.mark.parametrize("length", [1, 2, 3, 5, 9, 20])
def test_parts_of_a_text_are_upstreams(length):
    from mmdet.models.language_models import bert

    def parts(ids):
        return bert.generate_masks_with_special_tokens_and_transfer_map({"input_ids": ids}, [0, 1])

    generator = torch.Generator().manual_seed(length)
    # of few tokens: special ones first, last, in a row, and none at all
    texts = [torch.randint(0, 2 + number % 6, (1, length), generator=generator) for number in range(60)]
    expected = [parts(ids) for ids in texts]
    with rewriting(ExportContext()):
        found = [parts(ids) for ids in texts]
    for ids, mine, its in zip(texts, found, expected):
        for ours, theirs in zip(mine, its):
            assert ours.dtype == theirs.dtype and torch.equal(ours, theirs), ids


def test_scores_of_labels_are_upstreams():
    from mmdet.models.dense_heads.atss_vlfusion_head import convert_grounding_to_cls_scores

    torch.manual_seed(0)
    logits, tokens = torch.rand(2, 5, 16), {1: [1], 2: [3, 4], 3: [7, 8, 9]}
    expected = convert_grounding_to_cls_scores(logits, [tokens] * 2)
    assert torch.allclose(scores_of_labels(logits, tokens), expected, atol=1e-7)
    matrix = torch.zeros(3, 12)
    for label, places in tokens.items():
        matrix[label - 1, places] = 1 / len(places)
    assert torch.allclose(scores_of_labels(logits, matrix), expected, atol=1e-6)


@pytest.mark.parametrize("clamped", [True, False])
def test_boxes_of_glip_are_upstreams(clamped):
    from mmdet.models.task_modules.coders import delta_xywh_bbox_coder as coders

    torch.manual_seed(0)
    low = torch.rand(40, 2) * 90
    given = torch.cat([low, low + 1 + torch.rand(40, 2) * 60], 1), torch.randn(40, 4) * 3
    settings = dict(stds=(0.1, 0.1, 0.2, 0.2), max_shape=(96, 128), add_ctr_clamp=clamped)
    expected = coders.delta2bbox_glip(*given, **settings)
    with rewriting(ExportContext()):
        found = coders.delta2bbox_glip(*given, **settings)
    assert torch.allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("options", [dict(log_scale=0.5, bias=True), dict(log_scale="auto"), dict()])
def test_similarities_to_text_are_upstreams(options):
    from mmdet.models.dense_heads.grounding_dino_head import ContrastiveEmbed

    torch.manual_seed(0)
    module = ContrastiveEmbed(max_text_len=12, **options).eval()
    mask = torch.arange(7)[None] < torch.tensor([[5], [7]])
    given = torch.rand(2, 4, 8), torch.rand(2, 7, 8), mask
    with torch.no_grad():
        expected = module(*given)
        with rewriting(ExportContext(), module=module):
            found = module(*given)
    assert torch.equal(found, expected) or torch.allclose(found.exp(), expected.exp(), atol=1e-6)
