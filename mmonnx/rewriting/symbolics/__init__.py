"""Operators that the tracer does not know: one file each, with its eager body and its symbolic in ONNX."""

from .at_least_one import at_least_one
from .cumulative import corner_pool
from .functions import DOMAIN, MMCV, Function, all_functions, attributes_of, find_function
from .gather_nd import gather_nd
from .greedy_transformer import FAR, GreedyWeights, greedy_transformer
from .grid_sampler import grid_sampler
from .lay_masks import lay_masks
from .legacy import legacy_symbolics
from .mmcv_nms import mmcv_nms, mmcv_soft_nms
from .mmcv_roi_align import MMCV_ROI_ALIGN, mmcv_roi_align
from .multi_scale_deform_attn import multi_scale_deformable_attn
from .non_max_suppression import non_max_suppression
from .non_zero import non_zero
from .operator import Operator
from .permute_rows import PERMUTE, SELECT, permute_rows, select_rows
from .roi_align import LEAST_BINS, roi_align, window_lines
from .roi_align_rotated import roi_align_rotated
from .rotated_nms import rotated_nms
from .sampling import HALF_PIXEL_OPSET
from .set_nms import set_nms
from .soft_nms import ABSENT, METHODS, soft_nms
from .tables import tables_kept
from .thresholded_matmul import thresholded_matmul

__all__ = [
    "ABSENT",
    "DOMAIN",
    "FAR",
    "Function",
    "GreedyWeights",
    "HALF_PIXEL_OPSET",
    "LEAST_BINS",
    "METHODS",
    "MMCV",
    "MMCV_ROI_ALIGN",
    "Operator",
    "PERMUTE",
    "SELECT",
    "all_functions",
    "at_least_one",
    "attributes_of",
    "corner_pool",
    "find_function",
    "gather_nd",
    "greedy_transformer",
    "grid_sampler",
    "lay_masks",
    "legacy_symbolics",
    "mmcv_nms",
    "mmcv_roi_align",
    "mmcv_soft_nms",
    "multi_scale_deformable_attn",
    "non_max_suppression",
    "non_zero",
    "permute_rows",
    "roi_align",
    "roi_align_rotated",
    "rotated_nms",
    "select_rows",
    "set_nms",
    "soft_nms",
    "tables_kept",
    "thresholded_matmul",
    "window_lines",
]
