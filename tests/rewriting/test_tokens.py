"""TCFormer's tokens: what moves them between maps and clusters, against upstream's own sparse matrices."""

import pytest
import torch

from mmonnx import fallback
from mmonnx.environment import compat
from mmonnx.rewriting.rewrites import ExportContext, rewriting

fallback.ensure()
with compat.newest_mmcv_taken():
    pytest.importorskip("mmpose", reason="mmpose is not installed (requirements/members.txt)")
    upstream = pytest.importorskip("mmpose.models.utils.tcformer_utils")
    backbones = pytest.importorskip("mmpose.models.backbones")

pytestmark = pytest.mark.once  # mmpose is on the default stack alone
OPSETS = pytest.mark.parametrize("opset", [11, 16])


def initial(height=6, width=8, channels=5, batch=2):
    """Tokens that no layer has merged."""
    count, sides = height * width, [height, width]
    return {
        "x": torch.randn(batch, count, channels),
        "token_num": count,
        "map_size": sides,
        "init_grid_size": list(sides),
        "idx_token": torch.arange(count)[None].repeat(batch, 1),
        "agg_weight": torch.ones(batch, count, 1),
    }


def merged(tokens, count, sides):
    """Fewer tokens of clusters that are drawn; those of whoever stands in there are marked by it."""
    generator = torch.Generator().manual_seed(count)
    cluster = torch.randint(0, count, tokens["x"].shape[:2], generator=generator)
    cluster[:, :count] = torch.arange(count)
    weight = torch.rand(*cluster.shape, 1, generator=generator)
    return {**upstream.merge_tokens(tokens, cluster, count, weight), "map_size": list(sides)}


def check(run, opset):
    """Upstream's own and the stand-in's are the same."""
    with torch.no_grad():
        expected = run()
        with rewriting(ExportContext(opset=opset)):
            actual = run()
    assert all(torch.allclose(one, other, atol=1e-4) for one, other in zip(expected, actual))


@OPSETS
@pytest.mark.parametrize("size", [(6, 8), (7, 5)])
def test_tokens_of_tokens(size, opset):
    torch.manual_seed(0)
    tokens, half = initial(*size), [-(-side // 2) for side in size]

    def run():
        once = merged(tokens, 13, half)
        twice = merged(once, 4, [-(-side // 2) for side in half])
        maps = [upstream.token2map(one) for one in (tokens, once, twice)]
        found = [once[name] for name in ("x", "agg_weight")] + [twice[name] for name in ("x", "agg_weight")] + maps
        found += [upstream.map2token(maps[number], one) for number, one in enumerate((tokens, once, twice))]
        found += [upstream.map2token(maps[1], {**tokens, "map_size": half}), upstream.map2token(maps[2], once)]
        found += [upstream.token2map({**tokens, "map_size": half}), upstream.token_interp(once, twice)]
        return [*found, upstream.token_interp(tokens, once), upstream.token_interp(tokens, twice)]

    check(run, opset)


@OPSETS
def test_the_same_tokens_become_clusters(opset, monkeypatch):
    """Upstream's noise is left out, which the densities of these tokens do not need."""
    torch.manual_seed(0)
    tokens = initial(channels=16)
    monkeypatch.setattr(torch, "rand", lambda shape, **kwargs: torch.zeros(shape))
    check(lambda: [upstream.cluster_dpc_knn(tokens, 12)[0].float()], opset)


def test_the_whole_backbone(monkeypatch):
    torch.manual_seed(0)
    model = backbones.TCFormer(
        embed_dims=[16, 32, 64, 128],
        num_heads=[1, 1, 2, 2],
        mlp_ratios=[2, 2, 2, 2],
        num_layers=[1, 1, 1, 1],
        num_stages=4,
        sr_ratios=[8, 4, 2, 1],
        sample_ratios=[0.25, 0.25, 0.25],
        return_map=True,
        pretrained=None,
    ).eval()
    for parameter in model.parameters():
        if parameter.dim() == 2:
            parameter.data.mul_(8)  # so that tokens differ
    image = torch.rand(2, 3, 96, 64)
    monkeypatch.setattr(torch, "rand", lambda shape, **kwargs: torch.zeros(shape))
    check(lambda: model(image), 11)
