"""Stand-ins for DRRG's graph network: any number of graphs, of any number of nodes."""

from typing import Any

import torch
from torch.nn import functional

from .....context import ExportContext
from .....registry import rewrite

_PATH = "mmocr.models.textdet.modules.gcn"


@rewrite(f"{_PATH}.GCN.forward")
def forward(
    context: ExportContext, original: Any, self: Any, x: torch.Tensor, A: torch.Tensor, knn_inds: torch.Tensor
) -> torch.Tensor:
    """The neighbours of all graphs (b, k) are gathered at once. See the original."""
    # the normalisation has no weights, and torch's export of one asks for more of the shape than is known
    x = (x - self.bn0.running_mean) * torch.rsqrt(self.bn0.running_var + self.bn0.eps)
    for layer in (self.conv1, self.conv2, self.conv3, self.conv4):
        x = layer(x, A)
    places = knn_inds[..., None].expand(-1, -1, int(x.shape[2]))
    return self.classifier(x.gather(1, places).flatten(0, 1))


@rewrite(f"{_PATH}.GraphConv.forward")
def convolution(
    context: ExportContext, original: Any, self: Any, features: torch.Tensor, A: torch.Tensor
) -> torch.Tensor:
    """(b, n, d) -> (b, n, f) as a product, which opset 11 has."""
    both = torch.cat([features, self.aggregator(features, A)], 2)
    return functional.relu(torch.matmul(both, self.weight) + self.bias)
