"""TCFormer's tokens, which are moved between maps and clusters: upstream does it by sparse matrices.

A token is what some cells of the grid that the picture was cut into have become: ``idx_token`` (B, cells) says which.
Until they are merged each cell is its own token; what merges them leaves a mark for that.
"""

from typing import Any, Dict, List, Optional

import torch

from .context import ExportContext

_LEAST = 1e-6
"""What upstream adds to sums of weights, and the greatest noise that keeps two densities from being equal."""
_SUMS_OPSET = 16
"""The first at which rows are added up by index."""
_MERGED = "mmonnx_merged"

Tokens = Dict[str, Any]


def to_map(token_dict: Tokens) -> torch.Tensor:
    """(B, C, H, W): each place is the mean of the tokens of the cells in it."""
    x, sides, cells = token_dict["x"], token_dict["map_size"], token_dict["init_grid_size"]
    grid = _rows(x, token_dict["idx_token"]) if _MERGED in token_dict else x
    grid = grid.reshape(-1, cells[0], cells[1], int(x.shape[2])).permute(0, 3, 1, 2)
    if _same(sides, cells):
        return grid.contiguous()
    down, across = (_shares(side, count, x) for side, count in zip(sides, cells))
    number = down.sum(1)[:, None] * across.sum(1) + _LEAST
    return torch.matmul(torch.matmul(down, grid), across.transpose(0, 1)) / number


def to_tokens(context: ExportContext, feature_map: torch.Tensor, token_dict: Tokens) -> torch.Tensor:
    """(B, N, C): each token is the mean of the places of its cells in (B, C, H, W), of any size."""
    cells, sides = token_dict["init_grid_size"], feature_map.shape[2:]
    for axis, (side, count) in enumerate(zip(sides, cells), 2):
        feature_map = feature_map.index_select(axis, _nearest(side, count, feature_map.device))
    found = feature_map.flatten(2).permute(0, 2, 1)
    if _MERGED not in token_dict:
        return found / (1 + _LEAST)
    return _sums(context, found, token_dict)


def interpolate(context: ExportContext, target_dict: Tokens, source_dict: Tokens) -> torch.Tensor:
    """(B, N, C): each target is the weighted mean of the source tokens of its cells."""
    x, index = source_dict["x"], source_dict["idx_token"]
    found, weight = _rows(x, index) if _MERGED in source_dict else x, target_dict.get("agg_weight")
    if _MERGED not in target_dict:
        return found if weight is None else found * weight / (weight + _LEAST)
    return _sums(context, found, target_dict, weight)


def clusters(token_dict: Tokens, cluster_num: Any, k: int) -> torch.Tensor:
    """(B, N) int64 the cluster of each token: those far from denser ones are its middles.

    Upstream draws what keeps two densities from being equal; here it grows with the token's number.
    """
    x = token_dict["x"]
    gaps = _distances(x) / int(x.shape[2]) ** 0.5
    density = (-gaps.topk(k, dim=-1, largest=False)[0].pow(2).mean(-1)).exp()
    number = torch.arange(x.shape[1], device=x.device)
    density = density + number.to(x) / torch.as_tensor(x.shape[1]).to(x) * _LEAST
    denser = density[:, None, :] > density[:, :, None]
    farthest = gaps.flatten(1).max(-1)[0][:, None, None]
    score = torch.where(denser, gaps, farthest + torch.zeros_like(gaps)).min(-1)[0] * density
    middles = score.topk(cluster_num, dim=-1)[1]
    cluster = _rows(gaps, middles).argmin(1)
    own = torch.arange(cluster_num, device=x.device)[None].expand_as(middles)
    return cluster.scatter(1, middles, own)


def merge(
    context: ExportContext,
    token_dict: Tokens,
    idx_cluster: torch.Tensor,
    cluster_num: Any,
    token_weight: Optional[torch.Tensor] = None,
) -> Tokens:
    """The tokens of each cluster as one, by their weights (B, N, 1)."""
    x, index = token_dict["x"], token_dict["idx_token"]
    weight = torch.ones_like(x[..., :1]) if token_weight is None else token_weight
    norm = weight / (_rows(_added(context, weight, idx_cluster, cluster_num), idx_cluster) + _LEAST)
    return {
        "x": _added(context, x * norm, idx_cluster, cluster_num),
        "token_num": cluster_num,
        "map_size": token_dict["map_size"],
        "init_grid_size": token_dict["init_grid_size"],
        "idx_token": _rows(idx_cluster[..., None], index)[..., 0],
        "agg_weight": token_dict["agg_weight"] * _rows(norm, index),
        _MERGED: True,
    }


def _rows(values: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """(B, M, C) rows of (B, N, C) by (B, M) indices."""
    batch, count = values.shape[:2]
    first = torch.arange(batch, device=index.device)[:, None] * count
    return values.flatten(0, 1)[index + first]


def _added(context: ExportContext, values: torch.Tensor, index: torch.Tensor, count: Any) -> torch.Tensor:
    """(B, count, C): the rows of (B, M, C) of the same index (B, M) added up."""
    if context.opset >= _SUMS_OPSET:
        nothing = values.new_zeros((values.shape[0], count, int(values.shape[2])))
        return nothing.scatter_add(1, index[..., None].expand_as(values), values)
    number = torch.arange(count, device=index.device)
    return torch.matmul((index[:, None, :] == number[None, :, None]).to(values), values)


def _sums(
    context: ExportContext, values: torch.Tensor, tokens: Tokens, weight: Optional[torch.Tensor] = None
) -> torch.Tensor:
    """(B, N, C): the means of what the cells (B, cells, C) of each token have, by the cells' weights (B, cells, 1)."""
    weight = torch.ones_like(values[..., :1]) if weight is None else weight
    index, count = tokens["idx_token"], tokens["token_num"]
    return _added(context, values * weight, index, count) / (_added(context, weight, index, count) + _LEAST)


def _distances(x: torch.Tensor) -> torch.Tensor:
    """(B, N, N) between rows (B, N, C), by the product that torch's ``cdist`` makes of many: no differences."""
    norm, one = x.pow(2).sum(-1, keepdim=True), torch.ones_like(x[..., :1])
    left, right = torch.cat([-2 * x, norm, one], -1), torch.cat([x, one, norm], -1)
    return torch.matmul(left, right.transpose(1, 2)).clamp(min=0).sqrt()


def _nearest(side: Any, count: Any, device: torch.device) -> torch.Tensor:
    """(count,) int64: the place of an axis of ``side`` that each of its cells is in, as torch resizes maps."""
    have, want = torch.as_tensor(side, device=device), torch.as_tensor(count, device=device)
    place = (torch.arange(count, device=device).float() * (have.float() / want.float())).long()
    return torch.where(place < have, place, have - 1)


def _shares(side: Any, count: Any, like: torch.Tensor) -> torch.Tensor:
    """(side, count) of 1 where a cell is in a place of an axis, else 0."""
    place = torch.arange(side, device=like.device)
    return (place[:, None] == _nearest(side, count, like.device)).to(like)


def _same(sides: List[Any], cells: List[Any]) -> bool:
    """Whether they are the same numbers of a trace, and not only equal ones."""
    return all(one is other for one, other in zip(sides, cells))
