"""Stand-ins for SDMGR's head: the texts of one picture, and every pair of them, as nodes and edges of a graph."""

from typing import Any, Optional, Sequence, Tuple

import torch
from torch import nn
from torch.nn import functional

from .....context import ExportContext
from .....registry import rewrite

_PATH = "mmocr.models.kie.heads.sdmgr_head"
_FAR = 1e9
"""What keeps a text from looking at itself, as upstream has it."""


@rewrite(f"{_PATH}.SDMGRHead.forward")
def forward(
    context: ExportContext,
    original: Any,
    self: Any,
    relations: Sequence[torch.Tensor],
    texts: Sequence[torch.Tensor],
    x: Optional[torch.Tensor] = None,
) -> Tuple[torch.Tensor, torch.Tensor]:
    """Of one picture nothing has to be filled up, and the last character's place is gathered. See the original."""
    (relation,), (text,) = relations, texts
    nothing = torch.zeros_like(text)
    counts = (text > 0).sum(-1)
    # by a comparison: a clip of whole numbers is none of opset 11
    hidden, _ = self.rnn(self.node_embed(torch.where(text > 0, text, nothing)))
    place = torch.where(counts > 0, counts - 1, nothing[:, 0])[:, None, None].expand(-1, 1, int(hidden.shape[2]))
    nodes = torch.where(counts[:, None] > 0, hidden.gather(1, place)[:, 0], torch.zeros_like(hidden[:, 0]))
    if x is not None:
        nodes = self.fusion([x, nodes])
    edges = functional.normalize(self.edge_embed(relation.flatten(0, 1)))
    for layer in self.gnn_layers:
        nodes, edges = layer(nodes, edges, [text.shape[0]])
    return self.node_cls(nodes), self.edge_cls(edges)


@rewrite(f"{_PATH}.GNNLayer.forward")
def layer(
    context: ExportContext, original: Any, self: Any, nodes: torch.Tensor, edges: torch.Tensor, nums: Sequence[Any]
) -> Tuple[torch.Tensor, torch.Tensor]:
    """Each text goes through its share of the layer for pairs once, and not once for every other text."""
    (count,) = nums
    if type(self.in_fc) is not nn.Linear:
        return original(self, nodes, edges, nums)
    size = int(nodes.shape[1])
    weight, bias = self.in_fc.weight, self.in_fc.bias
    first = functional.linear(nodes, weight[:, :size], bias)
    second = functional.linear(nodes, weight[:, size : 2 * size])
    both = functional.linear(edges, weight[:, 2 * size :]).reshape(count, count, -1)
    pairs = self.relu(first[:, None] + second[None] + both)
    places = torch.arange(count, device=nodes.device)
    itself = (places[:, None] == places[None]).to(nodes)
    shares = functional.softmax(self.coef_fc(pairs)[..., 0] - _FAR * itself, 1)
    seen = torch.matmul(shares[:, None], pairs)[:, 0]
    return nodes + self.relu(self.out_fc(seen)), pairs.flatten(0, 1)
