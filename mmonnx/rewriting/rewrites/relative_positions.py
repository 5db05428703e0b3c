"""Relative positions of the rows, or the columns, of a map of any size."""

from typing import Any

import torch
from torch.nn import functional

from .sizes import true_ratio


def relative_positions(table: torch.Tensor, queries: Any, keys: Any) -> torch.Tensor:
    """What stands for the way from each query of an axis to each key, (queries, keys, C).

    Args:
        table: (L, C) learnt for one size; resized to what these sizes need.
        queries, keys: how many there are, traced.
    """
    queries, keys = torch.as_tensor(queries), torch.as_tensor(keys)
    longest = 2 * torch.where(queries > keys, queries, keys) - 1
    resized = functional.interpolate(table.t()[None], size=(longest,), mode="linear")[0].t()
    query_ratio, key_ratio = true_ratio(keys, queries), true_ratio(queries, keys)
    # rounded where upstream's are: an index off by one would follow from any other way
    query_places = torch.arange(queries)[:, None] * query_ratio.float()
    key_places = torch.arange(keys)[None] * key_ratio.float()
    return resized[((query_places - key_places) + ((keys - 1) * key_ratio).float()).long()]
