"""Small pose estimators for the tests, made from mmpose's own configs; skipped where mmpose cannot be imported."""

import copy
import importlib.util

import pytest
from models import load_small, small_config

from mmonnx import fallback
from mmonnx.environment import compat

fallback.ensure()
_NEEDED = "mmpose", "json_tricks", "munkres", "xtcocotools"
if compat.is_second_generation() or not all(importlib.util.find_spec(name) for name in _NEEDED):
    pytest.skip("mmpose is not installed (requirements/members.txt)", allow_module_level=True)
with compat.newest_mmcv_taken():
    importlib.import_module("mmpose.models")

SHAPE = (96, 64)
_BODY = "mmpose::body/2d_kpt_sview_rgb_img"
TOP_DOWN = f"{_BODY}/topdown_heatmap/coco"
RESNET = f"{TOP_DOWN}/res50_coco_256x192.py"
BOTTOM_UP = f"{_BODY}/associative_embedding/coco/res50_coco_512x512.py"
_BACKBONE = {"model.backbone": {"_delete_": True, "type": "ResNet", "depth": 18, "base_channels": 16}}
_DECONV = {
    "model.keypoint_head.in_channels": 128,
    "model.keypoint_head.num_deconv_filters": (16, 16, 16),
}
SMALL = {**_BACKBONE, **_DECONV}
"""Options that make a small model of one with a ResNet and deconvolutions behind it."""


def decoding(**settings):
    """Options of a small model whose heat maps are decoded so."""
    return {**SMALL, **{f"model.test_cfg.{name}": value for name, value in settings.items()}}


def of_udp(**settings):
    """The same of maps whose first and last places are on the border, and of crops that are cut so."""
    steps = ("data.test.pipeline.2.use_udp", "test_pipeline.2.use_udp")
    return {**decoding(use_udp=True, modulate_kernel=5, **settings), **dict.fromkeys(steps, True)}


REGRESSION = {**_BACKBONE, "model.keypoint_head.in_channels": 128}
OFFSETS = of_udp(target_type="CombinedTarget")
OFFSETS["model.keypoint_head.out_channels"] = 51
SWIN = {
    "model.backbone": {
        "_delete_": True,
        "type": "SwinTransformer",
        "embed_dims": 12,
        "depths": [2, 2, 1, 1],
        "num_heads": [1, 2, 3, 6],
        "window_size": 7,
    },
    "model.keypoint_head.in_channels": 96,
    "model.keypoint_head.num_deconv_filters": (16, 16, 16),
}
_NARROW_HRNET = {
    **{f"model.backbone.extra.stage{stage}.num_modules": 1 for stage in (2, 3, 4)},
    **{f"model.backbone.extra.stage{n}.num_channels": tuple(8 << i for i in range(n)) for n in (2, 3, 4)},
}
CID = f"{_BODY}/cid/coco/hrnet_w32_coco_512x512.py"
CID_OPTIONS = {
    **_NARROW_HRNET,
    "model.keypoint_head.in_channels": 120,
    "model.keypoint_head.gfd_channels": 16,
    "model.test_cfg.max_num_people": 6,
    "model.test_cfg.detection_threshold": 0.005,
}
DEKR = f"{_BODY}/dekr/coco/hrnet_w32_coco_512x512.py"
DEKR_OPTIONS = {
    **_NARROW_HRNET,
    "model.keypoint_head.in_channels": (8, 16, 32, 64),
    "model.keypoint_head.num_heatmap_filters": 16,
    "model.test_cfg.nms_dist_thr": 0.1,
    "model.test_cfg.keypoint_threshold": 0.2,
}
FILMS = "mmpose::body/2d_kpt_sview_rgb_vid/posewarper/posetrack18/hrnet_w48_posetrack18_384x288_posewarper_stage2.py"
FILMS_OPTIONS = {
    **_NARROW_HRNET,
    "model.neck.in_channels": 8,
    "model.neck.inner_channels": 16,
    "model.neck.res_blocks_cfg.num_blocks": 2,
    "model.neck.dilations": (1, 3, 6),
}
TCFORMER = "mmpose::wholebody/2d_kpt_sview_rgb_img/topdown_heatmap/coco-wholebody/tcformer_coco_wholebody_256x192.py"
_WIDTHS = [16, 32, 64, 128]
TCFORMER_OPTIONS = {
    "model.backbone.embed_dims": _WIDTHS,
    "model.backbone.num_heads": [1, 1, 2, 2],
    "model.backbone.mlp_ratios": [2, 2, 2, 2],
    "model.backbone.num_layers": [1, 1, 1, 1],
    "model.neck.in_channels": _WIDTHS,
    "model.neck.out_channels": 32,
    "model.keypoint_head.in_channels": 32,
}
KINDS = {
    "default": (RESNET, SMALL),
    "plain": (RESNET, decoding(post_process=None)),
    "dark": (RESNET, decoding(post_process="unbiased")),
    "megvii": (RESNET, decoding(post_process="megvii", modulate_kernel=5)),
    "udp": (RESNET, of_udp()),
    "udp offsets": (RESNET, OFFSETS),
    "deeppose": (f"{_BODY}/deeppose/coco/res50_coco_256x192.py", REGRESSION),
    "rle": (f"{_BODY}/deeppose/coco/res50_coco_256x192_rle.py", REGRESSION),
    "swin": (f"{TOP_DOWN}/swin_t_p4_w7_coco_256x192.py", SWIN),
    "stages": (
        f"{TOP_DOWN}/rsn18_coco_256x192.py",
        {
            "model.backbone.unit_channels": 32,
            "model.backbone.num_blocks": [1, 1, 1, 1],
            "model.keypoint_head.unit_channels": 32,
        },
    ),
}
"""Small models by how their key points are found."""


def small_pose_estimator(name, folder, options, **load):
    """The task of a small version of a config, with seeded random weights."""
    # mmcv takes _delete_ out of what it merges
    return load_small(name, folder, copy.deepcopy(options), shape=load.pop("shape", SHAPE), **load)


def tell_all(model, info):
    """Have upstream's ``inference_bottom_up_pose_model`` tell a DEKR what its pipeline asks for and forgets."""
    from mmpose.datasets.builder import PIPELINES

    @PIPELINES.register_module(force=True)
    class AllTold:
        def __call__(self, results):
            results["ann_info"].update(skeleton=info.skeleton, heatmap_size=model.cfg.data_cfg.heatmap_size)
            return results

    model.cfg.test_pipeline = [{"type": "AllTold"}, *model.cfg.test_pipeline]


__all__ = [
    "BOTTOM_UP",
    "CID",
    "CID_OPTIONS",
    "DEKR",
    "DEKR_OPTIONS",
    "KINDS",
    "FILMS",
    "FILMS_OPTIONS",
    "TCFORMER",
    "TCFORMER_OPTIONS",
    "tell_all",
    "RESNET",
    "SHAPE",
    "SMALL",
    "small_config",
    "small_pose_estimator",
]
