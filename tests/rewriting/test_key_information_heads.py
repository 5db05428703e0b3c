"""The stand-ins of SDMGR's head, in eager mode, against mmocr's own on the texts of one picture."""

import pytest
import torch

pytest.importorskip("ocr_models")

from mmocr.models.kie.heads import SDMGRHead

from mmonnx.rewriting.rewrites import ExportContext, rewriting

pytestmark = pytest.mark.once  # mmocr is on the default stack alone
EACH = [[1], [4, 4], [3, 0, 5], [0, 1, 0, 0], [2, 6, 0, 1, 6, 4, 3]]
"""The lengths of the texts of a page; upstream takes no page without any character."""


def head(**options):
    torch.manual_seed(0)
    made = SDMGRHead(num_chars=20, visual_dim=8, fusion_dim=40, node_embed=16, edge_embed=16, num_classes=5, **options)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(0.4 * torch.randn_like(parameter))
    return made.eval()


def page(lengths):
    count, longest = len(lengths), max(lengths)
    texts = torch.randint(1, 20, (count, longest))
    for row, length in enumerate(lengths):
        texts[row, length:] = -1
    return torch.randn(count, count, 5), texts, torch.randn(count, 8)


@pytest.mark.parametrize("backwards", [False, True], ids=["forwards", "both ways"])
@pytest.mark.parametrize("visual", [False, True], ids=["texts alone", "picture"])
@pytest.mark.parametrize("lengths", EACH, ids=str)
def test_it_is_upstreams(lengths, visual, backwards):
    model = head(bidirectional=backwards)
    relations, texts, seen = page(lengths)
    inputs = [relations], [texts], seen if visual else None
    with torch.no_grad():
        expected = model(*inputs)
        with rewriting(ExportContext()):
            found = model(*inputs)
    assert expected[0].shape == (len(lengths), 5) and expected[1].shape == (len(lengths) ** 2, 2)
    for ours, theirs in zip(found, expected):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)
    if len(lengths) > 1:
        assert expected[0].std(0).mean() > 0.1  # the texts differ


def test_a_layer_of_ones_own_for_pairs_is_called():
    class Doubled(torch.nn.Linear):
        def forward(self, values):
            return 2 * super().forward(values)

    model = head()
    own = Doubled(48, 16)
    own.load_state_dict(model.gnn_layers[0].in_fc.state_dict())
    model.gnn_layers[0].in_fc = own
    relations, texts, _ = page([3, 0, 5])
    with torch.no_grad():
        expected = model([relations], [texts])
        with rewriting(ExportContext()):
            found = model([relations], [texts])
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
