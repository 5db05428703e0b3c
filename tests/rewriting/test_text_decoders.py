"""Decoders that write a character a step, in eager mode and in ONNX Runtime, against mmocr's own."""

import onnx
import pytest
import torch

pytest.importorskip("ocr_models")

from mmocr.models.textrecog.decoders import MasterDecoder, NRTRDecoder, ParallelSARDecoder, SequentialSARDecoder

from mmonnx.rewriting.rewrites import ExportContext, rewriting
from mmonnx.rewriting.rewrites.lines import VALID_WIDTH
from mmonnx.rewriting.symbolics.greedy_transformer import GreedyWeights, greedy_transformer
from mmonnx.runtime.session import Session

pytestmark = pytest.mark.once  # mmocr is on the default stack alone
CLASSES, PAD, STEPS = 12, 11, 7


def shaken(decoder, seed):
    """A decoder in eval mode whose weights differ enough to write several characters."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.copy_(torch.randn_like(parameter) * (0.6 if parameter.dim() > 1 else 0.3))
        for layer in decoder.modules():
            if isinstance(layer, torch.nn.Embedding):
                layer.weight.mul_(6)
            if isinstance(layer, torch.nn.LayerNorm):
                layer.weight.add_(1)
    decoder.train_mode = False
    return decoder.eval()


def rewritten(decoder, images, widths, *inputs):
    context = ExportContext()
    context.start(images)
    context.extras[VALID_WIDTH] = widths
    with torch.no_grad(), rewriting(context):
        return decoder.forward_test(*inputs, None)


@pytest.mark.parametrize("post", [False, True], ids=["norms before", "norms behind"])
@pytest.mark.parametrize("masked", [False, True])
def test_a_transformer_writes_as_upstreams(post, masked):
    order = ("self_attn", "norm", "enc_dec_attn", "norm", "ffn", "norm") if post else None
    kind = dict(n_layers=2, d_embedding=16, n_head=4, d_k=4, d_v=4, d_model=16, d_inner=24, num_classes=CLASSES)
    decoder = shaken(
        NRTRDecoder(**kind, max_seq_len=STEPS, start_idx=3, padding_idx=PAD, qkv_bias=True, operation_order=order), 1
    )
    images, memory = torch.zeros(3, 1, 8, 40), torch.randn(3, 10, 16)
    widths = torch.tensor([40, 22, 13]) if masked else None
    ratios = [40 / 40, 22 / 40, 13 / 40] if masked else [1.0] * 3
    with torch.no_grad():
        expected = decoder.forward_test(None, memory, [{"valid_ratio": ratio} for ratio in ratios])
    found = rewritten(decoder, images, widths, None, memory)
    assert len(set(expected.argmax(2).flatten().tolist())) > 1
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("blank", [False, True], ids=["no padding", "padding inside of texts"])
def test_masters_last_run_counts(blank):
    torch.manual_seed(5)
    features = torch.randn(3, 16, 2, 5)
    for seed in range(40):
        kind = dict(n_layers=2, n_head=4, d_model=16, feat_size=12, d_inner=24, max_seq_len=STEPS)
        decoder = shaken(MasterDecoder(3, PAD, CLASSES, **kind), seed)
        with torch.no_grad():
            decoder.cls.bias[PAD] += 2.0 if blank else -100.0
            expected = decoder.forward_test(features, None, None)
        padding = (expected.argmax(2) == PAD)[:, :-1]
        if len(set(expected.argmax(2).flatten().tolist())) > 2 and bool(padding.any()) == blank:
            break
    else:
        raise AssertionError("no weights that write such texts")
    found = rewritten(decoder, torch.zeros(3, 1, 8, 40), None, features, None)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", [ParallelSARDecoder, SequentialSARDecoder])
@pytest.mark.parametrize("gru", [False, True])
@pytest.mark.parametrize("concat", [False, True])
def test_sar_writes_as_upstreams(kind, gru, concat):
    decoder = shaken(
        kind(
            CLASSES,
            dec_gru=gru,
            d_model=8,
            d_enc=8,
            d_k=6,
            max_seq_len=STEPS,
            start_idx=3,
            padding_idx=PAD,
            pred_concat=concat,
        ),
        3,
    )
    features, holistic = torch.randn(3, 8, 4, 10), torch.randn(3, 8)
    widths = [40, 22, 13]
    with torch.no_grad():
        expected = decoder.forward_test(features, holistic, [{"valid_ratio": one / 40} for one in widths])
    found = rewritten(decoder, torch.zeros(3, 1, 8, 40), torch.tensor(widths), features, holistic)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


class Loop(torch.nn.Module):
    def __init__(self, settings):
        super().__init__()
        self.settings = settings

    def forward(self, *weights):
        return greedy_transformer(GreedyWeights(*weights), **self.settings)


@pytest.mark.parametrize("opset", [11, 13, 17, 18])
@pytest.mark.parametrize("padding,gelu,before,probs", [(-1, 1, 1, 1), (-1, 0, 0, 0), (2, 0, 1, 0)])
def test_the_body_computes_the_same(opset, padding, gelu, before, probs, tmp_path):
    from mmonnx.rewriting.lowering import lower

    torch.manual_seed(4)
    layers, count, depth, heads, width, seen, inner, classes = 2, 3, 16, 4, 4, 9, 20, 8
    wide = heads * width
    shapes = dict(
        embedding=(classes, depth),
        positions=(STEPS + 1, depth),
        keys=(layers, count, heads, seen, width),
        values=(layers, count, heads, seen, width),
        seen=(count, seen),
        norms=(3, layers, 2, depth),
        own=(layers, depth, 3 * wide),
        own_bias=(layers, 3 * wide),
        own_out=(layers, wide, depth),
        own_out_bias=(layers, depth),
        query=(layers, depth, wide),
        query_bias=(layers, wide),
        query_out=(layers, wide, depth),
        query_out_bias=(layers, depth),
        up=(layers, depth, inner),
        up_bias=(layers, inner),
        down=(layers, inner, depth),
        down_bias=(layers, depth),
        last=(2, depth),
        classes=(depth, classes),
        classes_bias=(classes,),
    )
    weights = GreedyWeights(**{name: torch.randn(shape) * 0.5 for name, shape in shapes.items()})
    weights = weights._replace(embedding=weights.embedding * 8)
    weights.norms[:, :, 0] += 1
    weights.last[0] += 1
    mask = torch.zeros(count, seen)
    mask[1, 5:] = -3e38
    weights = weights._replace(seen=mask)
    settings = dict(
        heads=heads,
        steps=STEPS,
        start=1,
        padding=padding,
        gelu=gelu,
        before=before,
        probs=probs,
        eps=1e-5,
        last_eps=1e-6,
    )
    module, path = Loop(settings), str(tmp_path / "x.onnx")
    with torch.no_grad():
        expected = module(*weights)
    assert len(set(expected.argmax(2).flatten().tolist())) > 1
    torch.onnx.export(
        module,
        tuple(weights),
        path,
        input_names=list(GreedyWeights._fields),
        output_names=["scores"],
        opset_version=opset,
        dynamo=False,
        custom_opsets={"mmonnx": 1},
    )
    session = Session(lower(onnx.load(path)))
    found = session.run({name: getattr(weights, name).numpy() for name in session.input_names})["scores"]
    torch.testing.assert_close(torch.from_numpy(found), expected, atol=1e-4, rtol=1e-4)
