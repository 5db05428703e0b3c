"""Stand-ins for TCFormer's tokens, see ``rewrites/tokens.py``."""

from typing import Any, Optional, Tuple

import torch

from ....context import ExportContext
from ....registry import rewrite
from ....tokens import Tokens, clusters, interpolate, merge, to_map, to_tokens

_PATH = "mmpose.models.utils.tcformer_utils"


@rewrite(f"{_PATH}.token2map")
def token2map(context: ExportContext, original: Any, token_dict: Tokens) -> torch.Tensor:
    """(B, C, H, W) of tokens."""
    return to_map(token_dict)


@rewrite(f"{_PATH}.map2token")
def map2token(context: ExportContext, original: Any, feature_map: torch.Tensor, token_dict: Tokens) -> torch.Tensor:
    """(B, N, C) of a map."""
    return to_tokens(context, feature_map, token_dict)


@rewrite(f"{_PATH}.token_interp")
def token_interp(context: ExportContext, original: Any, target_dict: Tokens, source_dict: Tokens) -> torch.Tensor:
    """(B, N, C) of other tokens."""
    return interpolate(context, target_dict, source_dict)


@rewrite(f"{_PATH}.cluster_dpc_knn")
def cluster_dpc_knn(
    context: ExportContext,
    original: Any,
    token_dict: Tokens,
    cluster_num: Any,
    k: int = 5,
    token_mask: Optional[torch.Tensor] = None,
) -> Tuple[torch.Tensor, Any]:
    """(B, N) int64 the cluster of each token; TCFormer has no masks."""
    if token_mask is not None:
        return original(token_dict, cluster_num, k, token_mask)
    return clusters(token_dict, cluster_num, k), cluster_num


@rewrite(f"{_PATH}.merge_tokens")
def merge_tokens(
    context: ExportContext,
    original: Any,
    token_dict: Tokens,
    idx_cluster: torch.Tensor,
    cluster_num: Any,
    token_weight: Optional[torch.Tensor] = None,
) -> Tokens:
    """The tokens of each cluster as one."""
    return merge(context, token_dict, idx_cluster, cluster_num, token_weight)
