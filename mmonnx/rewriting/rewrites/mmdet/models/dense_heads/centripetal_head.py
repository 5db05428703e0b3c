"""Stand-ins for ``mmdet/models/dense_heads/centripetal_head.py``."""

from typing import Any, List, Tuple

import torch

from ....context import ExportContext
from ....instances import as_instances
from ....registry import rewrite
from .corner_head import get_bboxes_single

Maps = List[torch.Tensor]


@rewrite("mmdet.models.dense_heads.centripetal_head.CentripetalHead.get_bboxes")
def get_bboxes(
    context: ExportContext,
    original: Any,
    self: Any,
    tl_heats: Maps,
    br_heats: Maps,
    tl_offs: Maps,
    br_offs: Maps,
    tl_guiding_shifts: Maps,
    br_guiding_shifts: Maps,
    tl_centripetal_shifts: Maps,
    br_centripetal_shifts: Maps,
    img_metas: Any,
    rescale: bool = False,
    with_nms: bool = True,
) -> List[Tuple[torch.Tensor, torch.Tensor]]:
    """One list element with the detections of the whole batch; of the lists, the last level counts, (N, C, H, W)."""
    found = self._get_bboxes_single(
        *(tl_heats[-1], br_heats[-1], tl_offs[-1], br_offs[-1]),
        img_metas[0],
        tl_centripetal_shift=tl_centripetal_shifts[-1],
        br_centripetal_shift=br_centripetal_shifts[-1],
        with_nms=with_nms,
    )
    return [found]


@rewrite("mmdet.models.dense_heads.centripetal_head.CentripetalHead.predict_by_feat")
def predict_by_feat(
    context: ExportContext,
    original: Any,
    self: Any,
    tl_heats: Maps,
    br_heats: Maps,
    tl_offs: Maps,
    br_offs: Maps,
    tl_guiding_shifts: Maps,
    br_guiding_shifts: Maps,
    tl_centripetal_shifts: Maps,
    br_centripetal_shifts: Maps,
    batch_img_metas: Any = None,
    rescale: bool = False,
    with_nms: bool = True,
) -> List[Any]:
    """What ``get_bboxes`` is in 2.x."""
    maps = tl_heats[-1], br_heats[-1], tl_offs[-1], br_offs[-1]
    shifts = dict(tl_centripetal_shift=tl_centripetal_shifts[-1], br_centripetal_shift=br_centripetal_shifts[-1])
    found = get_bboxes_single(context, original, self, *maps, batch_img_metas[0], **shifts, with_nms=with_nms)
    return as_instances(context, *found)
