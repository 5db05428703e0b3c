"""Stand-in for SAR's encoder, which takes the features of the last column of each picture."""

from typing import Any

import torch

from .....context import ExportContext
from .....lines import valid_columns
from .....registry import rewrite


@rewrite("mmocr.models.textrecog.encoders.sar_encoder.SAREncoder.forward")
def forward(
    context: ExportContext, original: Any, self: Any, feat: torch.Tensor, img_metas: Any = None
) -> torch.Tensor:
    """The last columns are gathered: upstream has one of each picture in a loop. See the original."""
    columns = feat.max(2)[0].permute(0, 2, 1)
    features = self.rnn_encoder(columns)[0]
    valid = valid_columns(context, features.shape[1]) if self.mask else None
    if valid is None:
        return self.linear(features[:, -1])
    place = (valid - 1)[:, None, None].expand(-1, 1, int(features.shape[2]))
    return self.linear(features.gather(1, place)[:, 0])
