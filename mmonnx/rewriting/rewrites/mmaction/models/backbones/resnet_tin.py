"""Stand-in for the temporal interlacing of TIN."""

from typing import Any

import torch

from ....context import ExportContext
from ....registry import rewrite


@rewrite("mmaction.models.backbones.resnet_tin.TemporalInterlace.forward")
def forward(context: ExportContext, original: Any, self: Any, x: torch.Tensor) -> torch.Tensor:
    """(N * T, C, H, W) of any batch; upstream moves frames in compiled code, and writes into a tensor of zeros."""
    (channels, height, width), frames = x.shape[1:], self.num_segments
    folds = int(channels) // self.shift_div
    part = x[:, :folds].view(-1, frames, folds, height, width)
    means = part.mean((3, 4)).transpose(1, 2)  # (N, folds, T)
    offset = self.offset_net(means).view(-1, self.deform_groups)
    weight = self.weight_net(means)  # (N, T, groups)
    moved = _moved(part, torch.cat([offset, -offset], 1), frames, folds)
    scale = weight[..., None].repeat(1, 1, 2, folds // 2 // 2).flatten(2)
    moved = (moved * scale[..., None, None]).reshape(-1, folds, height, width)
    return torch.cat([moved, x[:, folds:]], 1)


def _moved(clips: torch.Tensor, offset: torch.Tensor, frames: int, channels: int) -> torch.Tensor:
    """Clips whose groups of channels have moved along the time, by parts of frames too; 0 where nothing came.

    Args:
        clips: (N, T, C, H, W).
        offset: (N, groups) in frames, towards the end where positive.
        frames, channels: T and C, which are no tensors.
    """
    groups = int(offset.shape[1])
    # a matrix for each group, of how much of each frame comes to each place: a gather of maps would need their size
    place = torch.arange(frames, dtype=clips.dtype, device=clips.device)
    distance = place[:, None] - place[None, :] - offset[:, :, None, None]  # (N, groups, T, T)
    shares = (1 - distance.abs()).clamp(min=0)
    maps = clips.transpose(1, 2).reshape(-1, groups, channels // groups, frames, clips.shape[3] * clips.shape[4])
    found = torch.matmul(shares[:, :, None], maps)
    return found.view(-1, channels, frames, clips.shape[3], clips.shape[4]).transpose(1, 2)
