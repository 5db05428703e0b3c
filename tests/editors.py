"""Small image editors for the tests, made from mmedit's own configs; skipped where mmedit is not installed."""

import copy

import cv2
import pytest
import torch
from models import load_small, small_config

from mmonnx import cli, fallback, loading
from mmonnx.loading.images import photographs

fallback.ensure()
pytest.importorskip("mmedit", reason="mmedit is not installed (requirements/members.txt)")

EDSR = "mmedit::restorers/edsr/edsr_x4c64b16_g1_300k_div2k.py"
EDSR_OPTIONS = {"model.generator.mid_channels": 16, "model.generator.num_blocks": 2}
GL = "mmedit::inpainting/global_local/gl_256x256_8x12_places.py"
INDEXNET = "mmedit::mattors/indexnet/indexnet_mobv2_1x16_78k_comp1k.py"
_BLOCKS = {"model.generator.mid_channels": 8, "model.generator.num_blocks": 1}
_EDVR = {"model.generator.mid_channels": 16, "model.generator.num_blocks_extraction": 1}
FILMS = {
    "restorers/basicvsr/basicvsr_reds4.py": (_BLOCKS, (64, 80)),
    "restorers/basicvsr_plusplus/basicvsr_plusplus_c64n7_8x1_600k_reds4.py": (
        {**_BLOCKS, "model.generator.mid_channels": 16},
        (64, 80),
    ),
    "restorers/basicvsr_plusplus/basicvsr_plusplus_c128n25_600k_ntire_decompress_track1.py": (
        {**_BLOCKS, "model.generator.mid_channels": 16, "model.ensemble": None},
        (256, 256),
    ),
    "restorers/real_basicvsr/realbasicvsr_c64b20_1x30x8_lr5e-5_150k_reds.py": (
        {
            "model.generator.mid_channels": 8,
            "model.generator.num_propagation_blocks": 1,
            "model.generator.num_cleaning_blocks": 1,
            "model.generator.dynamic_refine_thres": 20,
        },
        (64, 80),
    ),
    "restorers/edvr/edvrm_x4_g8_600k_reds.py": ({**_EDVR, "model.generator.num_blocks_reconstruction": 1}, (32, 48)),
    "restorers/edvr/edvrm_wotsa_x4_g8_600k_reds.py": (
        {**_EDVR, "model.generator.num_blocks_reconstruction": 1},
        (32, 48),
    ),
    "restorers/tdan/tdan_vimeo90k_bdx4_lr1e-4_400k.py": (
        {
            "model.generator.mid_channels": 16,
            "model.generator.num_blocks_before_align": 1,
            "model.generator.num_blocks_after_align": 1,
        },
        (29, 40),
    ),
    "restorers/tof/tof_x4_vimeo90k_official.py": ({}, (32, 48)),
    # at sizes that are padded by mirroring, and by repeating
    "video_interpolators/cain/cain_b5_g1b32_vimeo90k_triplet.py": (
        {"model.generator.num_block_groups": 1, "model.generator.num_block_layers": 1, "model.generator.padding": 5},
        (29, 72),
    ),
    "video_interpolators/flavr/flavr_in4out1_g8b4_vimeo90k_septuplet.py": (
        {"model.generator.mid_channels_list": [32, 16, 8, 8], "model.generator.encoder_layers_list": [1, 1, 1, 1]},
        (32, 48),
    ),
    # its config has a name that mmedit does not know, and a network that it would download
    "video_interpolators/tof/tof_vfi_spynet_chair_nobn_1xb1_vimeo90k.py": (
        {"model.generator.type": "TOFlowVFINet"},
        (37, 72),
    ),
}
"""Small restorers of films by config: options, (height, width)."""
EDITORS = {
    "restorers/srcnn/srcnn_x4k915_g1_1000k_div2k.py": ({}, (48, 64), {}),
    "restorers/esrgan/esrgan_x4c64b23g32_g1_400k_div2k.py": (
        {"model.generator.num_blocks": 2, "model.generator.mid_channels": 16, "model.generator.growth_channels": 8},
        (48, 64),
        {},
    ),
    "restorers/rdn/rdn_x3c64b16_g1_1000k_div2k.py": (
        {
            "model.generator.num_blocks": 2,
            "model.generator.num_layers": 2,
            "model.generator.mid_channels": 16,
            "model.generator.channel_growth": 8,
        },
        (48, 64),
        {},
    ),
    "restorers/srresnet_srgan/srgan_x4c64b16_g1_1000k_div2k.py": (EDSR_OPTIONS, (48, 64), {}),
    "restorers/real_esrgan/realesrgan_c64b23g32_12x4_lr1e-4_400k_df2k_ost.py": (
        {"model.generator.num_blocks": 1, "model.generator.mid_channels": 16, "model.generator.growth_channels": 8},
        (48, 64),
        {},
    ),
    # its heat maps are of one size
    "restorers/dic/dic_x8c48b6_g4_150k_CelebAHQ.py": (
        {"model.generator.mid_channels": 16},
        (16, 16),
        {"dynamic_batch": True},
    ),
    "restorers/ttsr/ttsr-rec_x4_c64b16_g1_200k_CUFED.py": (
        {"model.generator.mid_channels": 16, "model.generator.num_blocks": (1, 1, 1, 1)},
        (16, 16),
        {},
    ),
    "restorers/liif/liif_edsr_norm_c64b16_g1_1000k_div2k.py": (
        {
            "model.generator.encoder.mid_channels": 16,
            "model.generator.encoder.num_blocks": 1,
            "model.generator.imnet.hidden_list": [32, 32],
        },
        (16, 24),
        {},
    ),
    # of the size of its latent codes
    "restorers/glean/glean_cat_8x.py": (
        {
            "model.generator.in_size": 8,
            "model.generator.out_size": 32,
            "model.generator.num_rrdbs": 1,
            "model.generator.rrdb_channels": 16,
            "model.discriminator.in_size": 32,
        },
        (8, 8),
        {"dynamic_batch": True},
    ),
    "inpainting/AOT-GAN/AOT-GAN_512x512_4x12_places.py": (
        {"model.encdec.dilation_neck.num_aotblock": 1},
        (64, 96),
        {},
    ),
    "inpainting/deepfillv1/deepfillv1_256x256_8x2_places.py": ({}, (96, 128), {}),
    "inpainting/deepfillv2/deepfillv2_256x256_8x2_places.py": ({}, (96, 128), {}),
    "inpainting/global_local/gl_256x256_8x12_places.py": ({}, (64, 96), {}),
    "inpainting/partial_conv/pconv_256x256_stage2_4x2_places.py": ({}, (128, 128), {}),
    "mattors/dim/dim_stage3_v16_pln_1x1_1000k_comp1k.py": ({}, (64, 96), {}),
    "mattors/gca/gca_r34_4x10_200k_comp1k.py": ({}, (64, 64), {}),
    "mattors/indexnet/indexnet_mobv2_1x16_78k_comp1k.py": ({}, (64, 64), {}),
    "synthesizers/pix2pix/pix2pix_vanilla_unet_bn_1x1_80k_facades.py": (
        {"model.generator.base_channels": 8},
        (256, 256),
        {},
    ),
    "synthesizers/cyclegan/cyclegan_lsgan_id0_resnet_in_1x1_80k_facades.py": (
        {"model.generator.base_channels": 8, "model.generator.num_blocks": 2},
        (64, 64),
        {},
    ),
}
"""Small editors by config: options, (height, width), and how they are loaded where not for any size."""


def small_editor(name, folder, options, **load):
    """The task of a small version of a config, with seeded random weights."""
    return load_small(name, folder, copy.deepcopy(options), **load)


def made(name, folder, options, *arguments, shape=(48, 64)):
    """A small editor as a config, a checkpoint with its weights, and a file that was verified."""
    config = small_config(name, folder, copy.deepcopy(options))
    checkpoint, path = str(folder / "weights.pth"), str(folder / "x.onnx")
    task = loading.load(config, None, loading.LoadOptions(shape=shape))
    torch.save({"state_dict": task.module.model.state_dict()}, checkpoint)
    size = ["--shape", *map(str, shape)]
    assert cli.main(["export", config, checkpoint, *size, "--output-file", path, *arguments]) == 0
    return config, checkpoint, path


def upstream(config, checkpoint):
    """The model as upstream's own functions take it."""
    from mmcv import Config
    from mmcv.runner import load_checkpoint
    from mmedit.models import build_model

    settings = Config.fromfile(config)
    model = build_model(settings.model, test_cfg=Config({**settings.test_cfg, "metrics": None}))
    load_checkpoint(model, checkpoint)
    model.cfg = settings
    return model.eval()


def picture(folder, number, size, name="picture.png"):
    """A photograph of (height, width) as a file."""
    path = str(folder / name)
    cv2.imwrite(path, cv2.resize(photographs()[number], size[::-1]))
    return path


__all__ = [
    "EDITORS",
    "EDSR",
    "EDSR_OPTIONS",
    "FILMS",
    "GL",
    "INDEXNET",
    "made",
    "picture",
    "small_config",
    "small_editor",
    "upstream",
]
