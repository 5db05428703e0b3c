"""Stand-in for the features of DEKR's second network, which upstream makes of an array."""

from typing import Any, Sequence, Tuple

import torch

from ....context import ExportContext
from ....registry import rewrite


@rewrite("mmpose.models.utils.rescore.DekrRescoreNet.make_feature")
def make_feature(
    context: ExportContext, original: Any, self: Any, poses: torch.Tensor, skeleton: Sequence[Tuple[int, int]]
) -> torch.Tensor:
    """(S, 3L + K): where the L links of poses (S, K, 3) lead, how long they are, and the key points' scores.

    Lengths are shares of the mean of two links', or pixels where that is less than one.
    """
    starts, ends = (list(one) for one in zip(*skeleton))
    links = (poses[:, starts] - poses[:, ends])[..., :2]
    lengths = links.norm(dim=2)
    one, other = self.norm_indexes[:2]
    unit = ((lengths[:, one] + lengths[:, other]) / 2).clamp(min=1)[:, None]
    return torch.cat([(links / unit[..., None]).flatten(1), lengths / unit, poses[..., 2]], 1)
