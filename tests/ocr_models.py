"""Small models of text for the tests, made from mmocr's own configs; skipped where mmocr is not installed."""

import copy
import json

import cv2
import numpy as np
import pytest
import torch
from models import load_small, small_config

from mmonnx import cli, fallback, loading
from mmonnx.environment import compat
from mmonnx.loading.images import photographs

fallback.ensure()
pytest.importorskip("pyclipper", reason="mmocr is not installed (requirements/members.txt)")
with compat.newest_mmcv_taken():
    pytest.importorskip("mmocr.datasets", reason="mmocr is not installed (requirements/members.txt)")

CRNN = "mmocr::textrecog/crnn/crnn_academic_dataset.py"
CRNN_OPTIONS = {}
DB = "mmocr::textdet/dbnet/dbnet_r18_fpnc_1200e_icdar2015.py"
DB_OPTIONS = {
    "data.test.pipeline.1.img_scale": (320, 224),
    "model.backbone.base_channels": 16,
    "model.neck.in_channels": [16, 32, 64, 128],
    "model.neck.lateral_channels": 64,
    "model.neck.out_channels": 16,
    "model.bbox_head.in_channels": 64,
}
_SCALE = {"data.test.pipeline.1.img_scale": (320, 224)}
_NARROW = {**_SCALE, "model.backbone.base_channels": 16}
_R31 = {"model.backbone.channels": [8, 16, 32, 32, 32, 32], "model.max_seq_len": 8}
_SAR = {
    **_R31,
    **{f"model.{part}.{name}": 32 for part in ("encoder", "decoder") for name in ("d_model", "d_enc")},
    "model.decoder.d_k": 32,
}
SAR = "mmocr::textrecog/sar/sar_r31_parallel_decoder_academic.py"
SAR_OPTIONS = _SAR
DRRG = "mmocr::textdet/drrg/drrg_r50_fpn_unet_1200e_ctw1500.py"
DRRG_OPTIONS = {**_NARROW, "model.neck.in_channels": [64, 128, 256, 512]}
DETECTORS = {
    "textdet/dbnet/dbnet_r18_fpnc_1200e_icdar2015.py": DB_OPTIONS,
    "textdet/dbnetpp/dbnetpp_r50dcnv2_fpnc_1200e_icdar2015.py": {
        **_NARROW,
        "model.neck.in_channels": [64, 128, 256, 512],
        "model.neck.lateral_channels": 64,
        "model.neck.out_channels": 16,
        "model.bbox_head.in_channels": 64,
    },
    "textdet/psenet/psenet_r50_fpnf_600e_icdar2015.py": {
        **_NARROW,
        "model.neck.in_channels": [64, 128, 256, 512],
        "model.bbox_head.postprocessor.min_text_avg_confidence": 0.5,
    },
    "textdet/panet/panet_r18_fpem_ffm_600e_icdar2015.py": {
        **_NARROW,
        "model.neck.in_channels": [16, 32, 64, 128],
        "model.bbox_head.postprocessor.min_text_avg_confidence": 0.6,
    },
    "textdet/textsnake/textsnake_r50_fpn_unet_1200e_ctw1500.py": {
        **_NARROW,
        "model.neck.in_channels": [64, 128, 256, 512],
        "model.bbox_head.postprocessor.min_center_area": 8,
    },
    "textdet/fcenet/fcenet_r50_fpn_1500e_icdar2015.py": {
        **_NARROW,
        "model.neck.in_channels": [128, 256, 512],
        "model.neck.out_channels": 64,
        "model.bbox_head.in_channels": 64,
    },
}
RECOGNIZERS = {
    "textrecog/crnn/crnn_academic_dataset.py": ({}, (32, 100), {}),
    "textrecog/tps/crnn_tps_academic_dataset.py": ({}, (32, 100), {}),
    "textrecog/sar/sar_r31_parallel_decoder_academic.py": (_SAR, (48, 160), {}),
    "textrecog/sar/sar_r31_sequential_decoder_academic.py": (_SAR, (48, 160), {}),
    "textrecog/robust_scanner/robustscanner_r31_academic.py": (
        {
            **_R31,
            "model.encoder.in_channels": 32,
            "model.encoder.out_channels": 32,
            "model.decoder.dim_input": 32,
            "model.decoder.dim_model": 32,
        },
        (48, 160),
        {},
    ),
    "textrecog/nrtr/nrtr_modality_transform_academic.py": (
        {"model.encoder.n_layers": 1, "model.decoder.n_layers": 2, "model.max_seq_len": 8},
        (32, 96),
        {},
    ),
    "textrecog/satrn/satrn_small.py": (
        {"model.encoder.n_layers": 1, "model.decoder.n_layers": 2, "model.max_seq_len": 8},
        (32, 100),
        {},
    ),
    "textrecog/master/master_r31_12e_ST_MJ_SA.py": (
        {
            "model.backbone.stem_channels": [8, 16],
            "model.backbone.arch_channels": [16, 16, 32, 32],
            "model.decoder.d_model": 32,
            "model.decoder.d_inner": 64,
            "model.decoder.n_head": 4,
            "model.max_seq_len": 8,
        },
        (48, 160),
        {},
    ),
    # its features have one size
    "textrecog/abinet/abinet_academic.py": (
        {"model.encoder.encoder.n_layers": 1, "model.decoder.n_layers": 1, "model.iter_size": 2},
        (32, 128),
        {"dynamic_batch": True},
    ),
    "textrecog/seg/seg_r31_1by16_fpnocr_academic.py": (
        {
            "model.backbone.channels": [8, 8, 16, 32, 32, 32],
            "model.neck.in_channels": [16, 32, 32, 32],
            "model.neck.out_channels": 16,
            "model.head.in_channels": 16,
        },
        (64, 128),
        {},
    ),
}
MODELS = {**RECOGNIZERS, **{name: (options, (96, 128), {}) for name, options in DETECTORS.items()}}
"""Small models by config: options, (height, width), and how they are loaded where not for any size."""
KIE = "mmocr::kie/sdmgr/sdmgr_unet16_60e_wildreceipt.py"
KIE_OPTIONS = {
    "model.backbone.base_channels": 4,
    "model.bbox_head.visual_dim": 4,
    "model.bbox_head.fusion_dim": 60,
    "model.bbox_head.node_embed": 32,
    "model.bbox_head.edge_embed": 32,
    "model.bbox_head.num_chars": 30,
}
NO_PICTURE = "mmocr::kie/sdmgr/sdmgr_novisual_60e_wildreceipt.py"
OPENSET = "mmocr::kie/sdmgr/sdmgr_novisual_60e_wildreceipt_openset.py"
WORDS = ("photograph", "cup", "a cat", "rocket")
"""What is written on the pictures of words."""


_CHARACTERS = "abcdefghijklmnopqrs0123456789"
_LENGTHS = ((7, 3, 0, 5, 9, 1), (4,), (2, 12, 6, 6))
"""Of the texts of three pages."""


def annotated(folder, classes, name="test.txt"):
    """Three pictures of pages, and what is written on them, as mmocr's datasets have it: lines of JSON."""
    random = np.random.RandomState(0)
    (folder / "dict.txt").write_text("\n".join(_CHARACTERS) + "\n")
    (folder / "class_list.txt").write_text("".join(f"{number} class-{number}\n" for number in range(classes)))
    lines = []
    for number, lengths in enumerate(_LENGTHS):
        height, width = 150 + 40 * number, 120 + 70 * number
        cv2.imwrite(str(folder / f"{number}.png"), word(number, (height, width)))
        rows = []
        for place, length in enumerate(lengths):
            left, top = (int(random.uniform(0, 0.7) * side) for side in (width, height))
            right, low = left + int(random.uniform(8, 0.3 * width)), top + int(random.uniform(5, 0.3 * height))
            box = [left, top + 2, right, top, right, low, left - 1, low]  # a little askew
            text = "".join(random.choice(list(_CHARACTERS + "?"), length))
            rows.append({"box": box, "text": text, "label": int(random.randint(classes)), "edge": place // 2})
        page = {"file_name": f"{number}.png", "height": height, "width": width, "annotations": rows}
        lines.append(json.dumps(page))
    (folder / name).write_text("\n".join(lines) + "\n")


def kie_options(folder, name):
    """A small SDMGR with a set of pages that ``annotated`` has made."""
    where = {"img_prefix": str(folder), "ann_file": str(folder / "test.txt"), "dict_file": str(folder / "dict.txt")}
    options = {**KIE_OPTIONS, **{f"data.test.{key}": value for key, value in where.items()}}
    if name == KIE:
        options["data.test.pipeline.2.img_scale"] = (160, 96)
    if name != OPENSET:
        options["model.class_list"] = str(folder / "class_list.txt")
        options["evaluation.metric_options.macro_f1.ignores"] = [0, 2]
    return options


def small(name, folder, options, **load):
    """The task of a small version of a config, with seeded random weights."""
    return load_small(name, folder, copy.deepcopy(options), **load)


def made(name, folder, options, *arguments, shape=None):
    """A small model as a config, a checkpoint with its weights, and a file."""
    config = small_config(name, folder, copy.deepcopy(options))
    checkpoint, path = str(folder / "weights.pth"), str(folder / "x.onnx")
    task = loading.load(config, None, loading.LoadOptions(shape=shape))
    torch.save({"state_dict": task.module.model.state_dict(), "meta": {"CLASSES": ["text"]}}, checkpoint)
    size = ["--shape", *map(str, shape)] if shape else []
    assert cli.main(["export", config, checkpoint, *size, "--output-file", path, *arguments]) == 0
    return config, checkpoint, path


def upstream(config, checkpoint):
    """The model as upstream's own functions take it."""
    from mmocr.apis import init_detector

    return init_detector(config, checkpoint, device="cpu")


def inferred(model, picture):
    """What upstream's own function gives of a picture."""
    from mmocr.apis import model_inference

    with compat.old_numpy_names():
        return model_inference(model, picture)


def word(number, size):
    """A picture of a word, BGR uint8 of (height, width)."""
    image = cv2.resize(photographs()[number % 4], size[::-1]) // 2 + 100
    scale = size[0] / 32
    cv2.putText(image, WORDS[number % 4], (4, int(size[0] * 0.7)), cv2.FONT_HERSHEY_SIMPLEX, scale, (10, 10, 60), 2)
    return image


def written(folder, number, size, name="word.png"):
    """A picture of a word as a file."""
    path = str(folder / name)
    cv2.imwrite(path, word(number, size))
    return path


__all__ = [
    "CRNN",
    "CRNN_OPTIONS",
    "DB",
    "DB_OPTIONS",
    "DRRG",
    "DRRG_OPTIONS",
    "DETECTORS",
    "KIE",
    "KIE_OPTIONS",
    "MODELS",
    "NO_PICTURE",
    "OPENSET",
    "RECOGNIZERS",
    "SAR",
    "SAR_OPTIONS",
    "WORDS",
    "annotated",
    "inferred",
    "kie_options",
    "made",
    "np",
    "small",
    "small_config",
    "upstream",
    "word",
    "written",
]
