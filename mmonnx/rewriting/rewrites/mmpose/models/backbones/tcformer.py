"""Stand-in for the layers of TCFormer that merge tokens."""

from typing import Any, Tuple

import torch

from ....context import ExportContext
from ....registry import rewrite
from ....sizes import ceil_divide
from ....tokens import Tokens, clusters, merge


@rewrite("mmpose.models.backbones.tcformer.CTM.forward")
def forward(context: ExportContext, original: Any, self: Any, token_dict: Tokens) -> Tuple[Tokens, Tokens]:
    """Fewer tokens, of a map half as large, and those before: how many is a number of the sample's upstream."""
    tokens = token_dict.copy()
    tokens["x"] = self.norm(self.conv(tokens))
    tokens["token_score"] = self.score(tokens["x"])
    wanted = torch.as_tensor(tokens["x"].shape[1]).double() * self.sample_ratio
    count = torch.ceil(wanted).long().clamp(min=1)
    if not torch.jit.is_tracing():
        count = int(count)
    merged = merge(context, tokens, clusters(tokens, count, self.k), count, tokens["token_score"].exp())
    merged["map_size"] = [ceil_divide(side, 2) for side in tokens["map_size"]]
    return merged, tokens
