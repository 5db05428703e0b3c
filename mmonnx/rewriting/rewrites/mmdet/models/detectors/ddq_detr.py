"""Stand-in for ``mmdet/models/detectors/ddq_detr.py`` of 2.x."""

from typing import Any, Dict, Optional, Tuple

import torch

from ......environment import compat
from ....context import ExportContext
from ....distinct import best_distinct
from ....queries import rows_of_queries
from ....registry import rewrite


@rewrite("mmdet.models.detectors.ddq_detr.DDQDETR.pre_decoder")
def pre_decoder(
    context: ExportContext,
    original: Any,
    self: Any,
    memory: torch.Tensor,
    memory_mask: Optional[torch.Tensor],
    spatial_shapes: torch.Tensor,
    batch_data_samples: Any = None,
) -> Tuple[Dict[str, Any], Dict[str, Any]]:
    """The queries that suppression leaves of each image's cells, without a loop over images.

    Args:
        memory: (N, S, C), memory_mask: (N, S) bool what is padding, or None.
        spatial_shapes: (L, 2) int64.

    Returns:
        The decoder's arguments, with queries (N, Q, C) and references (N, Q, 4), zeros and halves where an image has
        fewer; and none of the head's.
    """
    cells, proposals = self.gen_encoder_output_proposals(memory, memory_mask, spatial_shapes)
    branch = self.decoder.num_layers
    scores = self.bbox_head.cls_branches[branch](cells).max(-1)[0].sigmoid()
    boxes = self.bbox_head.reg_branches[branch](cells) + proposals
    corners = compat.upstream("mmdet.core.bbox.transforms.bbox_cxcywh_to_xyxy")(boxes.sigmoid())
    rows, there = best_distinct(context, corners, scores, self.cache_dict["dqs_cfg"], self.num_queries)
    nothing = memory.new_zeros(1)
    query = torch.where(there[..., None], self.query_map(rows_of_queries(context, memory, rows)), nothing)
    reference = torch.where(there[..., None], rows_of_queries(context, boxes, rows), nothing).sigmoid()
    return dict(query=query, memory=memory, reference_points=reference, dn_mask=None), {}
