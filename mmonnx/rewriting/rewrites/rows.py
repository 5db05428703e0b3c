"""Choosing rows without counting them in Python, which a trace would bake in."""

import torch


def rows_of_label(values: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """``values[range(K), labels]`` of (K, classes, ...) values and (K,) int64 labels, as one Gather of whole rows."""
    row = torch.arange(values.shape[0], device=values.device)
    return merge_first(values)[row * int(values.shape[1]) + labels]


def merge_first(values: torch.Tensor) -> torch.Tensor:
    """(A, B, ...) to (A * B, ...), all but A and B constant; of ``flatten`` the exporter makes an empty tensor."""
    return values.reshape([-1] + [int(size) for size in values.shape[2:]])
