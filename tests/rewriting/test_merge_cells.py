"""The cells of NAS-FPN at sizes that the trace has not seen."""

import io

import onnxruntime
import pytest
import torch

from mmonnx import fallback
from mmonnx.environment import compat
from mmonnx.rewriting.rewrites import ExportContext, rewriting

AXES = {"x": {0: "n", 2: "h", 3: "w"}, "y": {0: "n", 2: "h2", 3: "w2"}}


@pytest.mark.parametrize(
    "sizes",
    [
        [((16, 20), (4, 5)), ((15, 21), (4, 6)), ((5, 7), (2, 2)), ((20, 16), (3, 2))],  # pooled
        [((4, 5), (16, 20)), ((3, 4), (5, 7))],  # enlarged
    ],
)
def test_levels_are_brought_to_any_size(sizes):
    fallback.ensure()
    from mmcv.ops.merge_cells import SumCell

    class ToTheSecond(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = SumCell(8, 8, with_out_conv=False)

        def forward(self, x, y):
            return self.cell(x, y, y.shape[-2:])

    model, file = ToTheSecond().eval(), io.BytesIO()
    sample = tuple(torch.rand(1, 8, *size) for size in sizes[0])
    options = dict(input_names=["x", "y"], dynamic_axes=AXES, opset_version=11, **compat.export_kwargs())
    with rewriting(ExportContext()):
        torch.onnx.export(model, sample, file, **options)
    session = onnxruntime.InferenceSession(file.getvalue(), providers=["CPUExecutionProvider"])
    for pair in sizes:
        x, y = (torch.randn(2, 8, *size) for size in pair)
        found = session.run(None, {"x": x.numpy(), "y": y.numpy()})[0]
        torch.testing.assert_close(torch.from_numpy(found), model(x, y))
