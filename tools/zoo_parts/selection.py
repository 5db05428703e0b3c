"""Which configs are swept: data, and the rules that choose from the installed packages."""

import importlib.util
import random
import re
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Callable, Dict, Iterable, List, Optional, Sequence, Tuple

from mmonnx.environment import compat
from mmonnx.loading.config import package_configs
from mmonnx.support.errors import InputError

from . import torchvision_models

Shape = Tuple[int, int]


@dataclass(frozen=True)
class Codebase:
    """How the configs of one codebase are swept.

    Attributes:
        parts: folders of what configs are made of.
        skipped: folders of configs that are no family: other data sets or training recipes for the models of other
            folders. A pattern may name them.
        representatives: the config of a family of which the rule would choose one that lacks what makes the family.
        shape: (height, width) of the export; None for each config's own.
        shapes: that of configs that need larger ones, by patterns of ``family/name``, the first one counts.
        more: further configs of families that have models of another kind too.
        family: of a config's path, empty for one of no family; its folder by default.
    """

    parts: Tuple[str, ...]
    skipped: Tuple[str, ...]
    representatives: Dict[str, str]
    shape: Optional[Shape]
    shapes: Dict[str, Shape]
    more: Tuple[str, ...] = ()
    family: Callable[[Path], str] = lambda path: path.parts[0] if len(path.parts) == 2 else ""


def _family_of_pose(path: Path) -> str:
    """What finds key points in pictures, by algorithm, backbone, and how the places are refined or learnt."""
    if len(path.parts) != 5 or not path.parts[1].startswith("2d_kpt"):
        return ""
    first, name = path.stem.split("_")[0], path.stem
    backbone = re.sub(r"^[0-9]x|(?<=[a-z])(16|18|34|50|52|101|152|200|269)$", "", first)
    kinds = [kind for kind in ("dark", "udp", "regress", "rle") if re.search(rf"_{kind}(_|$)", name)]
    return "/".join([path.parts[2], "_".join([backbone, *kinds])])


def _family_of_editor(path: Path) -> str:
    """The task, and the folder in it."""
    return "/".join(path.parts[:2]) if len(path.parts) == 3 else ""


def _family_of_films(path: Path) -> str:
    """The task, and the folder in it."""
    return "/".join(path.parts[:2]) if len(path.parts) == 3 else ""


CODEBASES = {
    "mmdet": Codebase(
        parts=("_base_", "common"),
        skipped=(
            *("cityscapes", "deepfashion", "lvis", "objects365", "openimages", "pascal_voc", "wider_face"),
            *("albu_example", "instaboost", "selfsup_pretrain", "simple_copy_paste", "strong_baselines"),
        ),
        representatives={
            "cascade_rpn": "crpn_faster_rcnn_r50_caffe_fpn_1x_coco.py",
            "dcn": "faster_rcnn_r50_fpn_dconv_c3-c5_1x_coco.py",
            "dcnv2": "faster_rcnn_r50_fpn_mdconv_c3-c5_1x_coco.py",
            "guided_anchoring": "ga_faster_r50_fpn_1x_coco.py",
            "hrnet": "faster_rcnn_hrnetv2p_w18_1x_coco.py",
            "libra_rcnn": "libra_faster_rcnn_r50_fpn_1x_coco.py",
            "nas_fpn": "retinanet_r50_nasfpn_crop640_50e_coco.py",
            "res2net": "faster_rcnn_r2_101_fpn_2x_coco.py",
            "rfnext": "rfnext_fixed_multi_branch_mask_rcnn_pvtv2-b0_fpn_1x_coco.py",
            "sabl": "sabl_faster_rcnn_r50_fpn_1x_coco.py",
        },
        shape=(192, 256),
        # a reflecting border of two; levels that are joined have to fit; convolutions without padding
        shapes={
            "detectors/*": (256, 320),
            "fpg/*": (256, 384),
            "nas_fpn/*": (256, 384),
            "*/*ssd512*": (512, 512),
            "*/ssd*": (320, 320),
        },
    ),
    "mmcls": Codebase(
        parts=("_base_",),
        skipped=(),
        representatives={"regnet": "regnetx-400mf_8xb128_in1k.py", "vgg": "vgg11_8xb32_in1k.py"},
        shape=None,
        shapes={"swin_transformer_v2/*": (448, 384)},  # the last of four stages has to hold a window
    ),
    "mmpretrain": Codebase(
        parts=("_base_",),
        # models of pictures and text
        skipped=("blip", "blip2", "chinese_clip", "flamingo", "llava", "minigpt4", "ofa", "otter"),
        representatives={
            "clip": "vit-base-p32_pt-64xb64_in1k.py",
            "eva": "eva-mae-style_vit-base-p16_16xb256-coslr-400e_in1k.py",
            "regnet": "regnetx-400mf_8xb128_in1k.py",
            "replknet": "replknet-31L_32xb64_in1k-384px.py",  # of 31B upstream's bases are in another format
            "resnest": "resnest50_32xb64_in1k.py",
            "vgg": "vgg11_8xb32_in1k.py",
        },
        shape=None,
        shapes={"replknet/*": (192, 256), "sam/*": (224, 320)},  # their own are 384x384 and 1024x1024
    ),
    "mmrotate": Codebase(parts=("_base_",), skipped=(), representatives={}, shape=(192, 256), shapes={}),
    "mmseg": Codebase(
        parts=("_base_",),
        skipped=(),
        representatives={},
        shape=(96, 128),
        # windows no smaller than their position biases; a mean over 49 cells of an eighth
        shapes={"beit/*": (640, 704), "mae/*": (512, 576), "mobilenet_v3/*": (416, 512)},
    ),
    "mmpose": Codebase(
        parts=("_base_",),
        skipped=(),
        representatives={"topdown_heatmap/swin": "swin_t_p4_w7_coco_256x192.py"},
        shape=(128, 96),
        # maps that are added to each other after six halvings; means over 4 cells of a 32nd; pictures of several people
        shapes={
            "topdown_heatmap/hourglass/*": (256, 256),
            "topdown_heatmap/scnet/*": (256, 192),
            "associative_embedding/hourglass/*": (256, 256),
            "associative_embedding/*": (128, 192),
        },
        family=_family_of_pose,
    ),
    "mmedit": Codebase(
        parts=(),
        # several frames
        skipped=("video_interpolators",),
        representatives={},
        shape=(64, 96),
        # the sizes of faces, and of latent codes; what flows are sought in; what halves its maps four times
        shapes={
            "restorers/dic/*": (16, 16),
            "restorers/glean/*": (32, 32),
            "restorers/*basicvsr*/*": (64, 96),
            "restorers/iconvsr/*": (64, 96),
            "restorers/*": (48, 64),
            "inpainting/deepfill*/*": (96, 128),
            "inpainting/partial_conv/*": (128, 128),
            "synthesizers/*": (256, 256),
        },
        family=_family_of_editor,
    ),
    "mmaction": Codebase(
        parts=("_base_",),
        skipped=(),
        # one that makes proposals of what other networks said has none itself
        representatives={"localization/bsn": "bsn_tem_400x100_1x16_20e_activitynet_feature.py"},
        # key points and features have no sizes
        shape=None,
        shapes={
            "recognition/c3d/*": (112, 112),
            "recognition/timesformer/*": (224, 224),
            "recognition*": (64, 96),
            "detection/*": (64, 96),
            "skeleton/posec3d/*": (64, 64),
        },
        family=_family_of_films,
    ),
    "mmocr": Codebase(
        parts=("_base_",),
        # sentences
        skipped=("ner",),
        representatives={"textdet/fcenet": "fcenet_r50_fpn_1500e_icdar2015.py"},
        shape=None,
        shapes={"textdet/*": (320, 448), "kie/sdmgr/sdmgr_unet*": (160, 128)},
        family=_family_of_editor,
    ),
    "torchvision": Codebase(parts=(), skipped=(), representatives={}, shape=None, shapes={}),
}
_MMDET = CODEBASES["mmdet"]
OF_SECOND = {
    "mmdet": replace(
        _MMDET,
        skipped=(
            *_MMDET.skipped,
            *("dsdl", "v3det"),
            # trackers, and models of films
            *(
                "bytetrack",
                "deepsort",
                "mask2former_vis",
                "masktrack_rcnn",
                "ocsort",
                "qdtrack",
                "reid",
                "sort",
                "strongsort",
            ),
        ),
        representatives={
            "cascade_rpn": "cascade-rpn_faster-rcnn_r50-caffe_fpn_1x_coco.py",
            "dcn": "faster-rcnn_r50-dconv-c3-c5_fpn_1x_coco.py",
            "dcnv2": "faster-rcnn_r50-mdconv-c3-c5_fpn_1x_coco.py",
            "guided_anchoring": "ga-faster-rcnn_r50_fpn_1x_coco.py",
            "hrnet": "faster-rcnn_hrnetv2p-w18-1x_coco.py",
            "libra_rcnn": "libra-faster-rcnn_r50_fpn_1x_coco.py",
            "nas_fpn": "retinanet_r50_nasfpn_crop640-50e_coco.py",
            "res2net": "faster-rcnn_res2net-101_fpn_2x_coco.py",
            "rtmdet": "rtmdet_tiny_8xb32-300e_coco.py",
            "sabl": "sabl-faster-rcnn_r50_fpn_1x_coco.py",
        },
        more=(
            "deformable_detr/deformable-detr-refine-twostage_r50_16xb2-50e_coco.py",
            "mask2former/mask2former_r50_8xb2-lsj-50e_coco-panoptic.py",
            "rtmdet/rtmdet-ins_tiny_8xb32-300e_coco.py",
        ),
    ),
}
"""How the configs of a codebase are swept whose second generation is installed under the name of the first."""
QUICK = (
    "mmcls::deit/deit-tiny-distilled_pt-4xb256_in1k.py",
    "mmcls::mobilenet_v2/mobilenet-v2_8xb32_in1k.py",
    "mmcls::lenet/lenet5_mnist.py",
    "mmcls::swin_transformer/swin-tiny_16xb64_in1k.py",
    "mmcls::csra/resnet101-csra_1xb16_voc07-448px.py",
    "mmpretrain::edgenext/edgenext-xxsmall_8xb256_in1k.py",
    "mmpretrain::mobilevit/mobilevit-xxsmall_8xb128_in1k.py",
    "mmpretrain::resnet/resnet18_8xb32_in1k.py",
    "mmpretrain::simsiam/simsiam_resnet50_8xb32-coslr-100e_in1k.py",
    "mmpretrain::swin_transformer/swin-tiny_16xb64_in1k.py",
    "mmdet::atss/atss_r50_fpn_1x_coco.py",
    "mmdet::cascade_rcnn/cascade_rcnn_r50_fpn_1x_coco.py",
    "mmdet::centernet/centernet_resnet18_140e_coco.py",
    "mmdet::detr/detr_r50_8x2_150e_coco.py",
    "mmdet::faster_rcnn/faster_rcnn_r50_fpn_1x_coco.py",
    "mmdet::fcos/fcos_r50_caffe_fpn_gn-head_1x_coco.py",
    "mmdet::foveabox/fovea_r50_fpn_4x4_1x_coco.py",
    "mmdet::gfl/gfl_r50_fpn_1x_coco.py",
    "mmdet::mask_rcnn/mask_rcnn_r50_fpn_1x_coco.py",
    "mmdet::panoptic_fpn/panoptic_fpn_r50_fpn_1x_coco.py",
    "mmdet::reppoints/reppoints_moment_r50_fpn_1x_coco.py",
    "mmdet::retinanet/retinanet_r18_fpn_1x_coco.py",
    "mmdet::rpn/rpn_r50_fpn_1x_coco.py",
    "mmdet::solo/decoupled_solo_light_r50_fpn_3x_coco.py",
    "mmdet::solov2/solov2_light_r18_fpn_3x_coco.py",
    "mmdet::ssd/ssdlite_mobilenetv2_scratch_600e_coco.py",
    "mmdet::yolact/yolact_r50_1x8_coco.py",
    "mmdet::yolo/yolov3_mobilenetv2_320_300e_coco.py",
    "mmdet::yolof/yolof_r50_c5_8x8_1x_coco.py",
    "mmdet::yolox/yolox_nano_8x8_300e_coco.py",
)
"""A few minutes' worth of all kinds of heads, small backbones first. Those of HTC and Sparse R-CNN take several minutes
each: their small versions are among the tests, the full ones in the table of all families."""
_SMALL = re.compile(
    r"(?<![0-9a-z])r?(2_)?(18|50)(?![0-9])|resnet(18|50)|tiny|small|nano|-[ts](?![a-z0-9])|-?b0|t-14|s12|A0"
)


@dataclass(frozen=True)
class Entry:
    """One config of the sweep: ``config`` is what ``mmonnx export`` takes, ``family`` the folder that it lies in."""

    codebase: str
    family: str
    config: str

    @property
    def name(self) -> str:
        """The config's file name, without the suffix."""
        return Path(self.config).stem


def installed() -> List[str]:
    """The codebases that are installed here."""
    return [name for name in CODEBASES if importlib.util.find_spec(name) is not None]


def of(codebase: str) -> Codebase:
    """How the configs of a codebase are swept, of the generation that is installed."""
    return (OF_SECOND if compat.is_second_generation() else {}).get(codebase) or CODEBASES[codebase]


def shape_of(entry: Entry) -> Optional[Shape]:
    """(height, width) that a config is exported at; None for its own."""
    if entry.codebase not in CODEBASES:
        return None
    codebase = of(entry.codebase)
    found = (shape for pattern, shape in codebase.shapes.items() if fnmatch(f"{entry.family}/{entry.name}", pattern))
    return next(found, codebase.shape)


def families(codebase: str) -> List[Entry]:
    """One config of each family, of the smaller ones the plainest: that with the shortest name."""
    if codebase == "torchvision":
        return [Entry(codebase, *pair) for pair in torchvision_models.smallest()]
    by_family: Dict[str, List[Path]] = {}
    for path in _configs_of_families(codebase):
        family = of(codebase).family(path)
        if family:
            by_family.setdefault(family, []).append(path)
    chosen = {family: [min(paths, key=lambda path: _rank(codebase, path))] for family, paths in by_family.items()}
    for name in of(codebase).more:
        chosen[name.split("/")[0]].append(Path(name))
    return [_entry(codebase, path) for family in sorted(chosen) for path in chosen[family]]


def everything(codebase: str) -> List[Entry]:
    """Every config of every family, but the former names of configs that have another one now."""
    if codebase == "torchvision":
        return [Entry(codebase, *pair) for pair in torchvision_models.models()]
    return [_entry(codebase, path) for path in _configs_of_families(codebase) if not _deprecated(codebase, path)]


def drawn(entries: Sequence[Entry], number: int) -> List[Entry]:
    """So many of the entries, the same at every call, in their order; all of them if there are no more."""
    chosen = set(random.Random(0).sample(range(len(entries)), min(number, len(entries))))
    return [entry for index, entry in enumerate(entries) if index in chosen]


def quick() -> List[Entry]:
    """The fixed subset, of what is installed."""
    there = {
        codebase: {path.as_posix() for path in _configs(codebase)}
        for codebase in installed()
        if codebase != "torchvision"
    }
    split = [_split(name) for name in QUICK]
    return [_entry(codebase, path) for codebase, path in split if path.as_posix() in there.get(codebase, ())]


def matching(patterns: Sequence[str], codebases: Iterable[str]) -> List[Entry]:
    """The configs that patterns name.

    Args:
        patterns: each a config's path, or a shell pattern of names such as ``mmdet::solo/*``, ``solo/*`` or
            ``torchvision.models:resnet*``.
        codebases: whose configs are looked at.

    Raises:
        InputError: a pattern names nothing.
    """
    codebases = list(codebases)
    plain = everything("torchvision") if "torchvision" in codebases else []
    configs = [codebase for codebase in codebases if codebase != "torchvision"]
    names = [f"{codebase}::{path.as_posix()}" for codebase in configs for path in _configs(codebase)]
    found: Dict[Entry, None] = {}
    for pattern in patterns:
        chosen = [name for name in names if fnmatch(name, pattern) or fnmatch(name.split("::")[1], pattern)]
        entries = [_entry(*_split(name)) for name in chosen]
        entries += [entry for entry in plain if fnmatch(entry.config, pattern)]
        if not entries and Path(pattern).is_file():
            entries = [Entry("", Path(pattern).resolve().parent.name, pattern)]
        if not entries:
            raise InputError(f"pattern {pattern!r} names no config", "for example solo/*, or a file", "fix it")
        found.update(dict.fromkeys(entries))
    return list(found)


def _configs(codebase: str) -> List[Path]:
    root = package_configs(codebase)
    paths = [path.relative_to(root) for path in sorted(root.rglob("*.py"))]
    return [path for path in paths if path.parts[0] not in of(codebase).parts]


def _configs_of_families(codebase: str) -> List[Path]:
    return [path for path in _configs(codebase) if path.parts[0] not in of(codebase).skipped]


def _rank(codebase: str, path: Path) -> Tuple[bool, bool, bool, bool, int, str]:
    """What comes first of a family: see :func:`families`."""
    name, family = path.stem, of(codebase).family(path) or path.parts[0]
    chosen = of(codebase).representatives.get(family)
    named_after = re.match(family.replace("_", "[_-]?").replace("+", r"\+"), name) is not None
    small = _SMALL.search(name) is not None
    return path.name != chosen, _deprecated(codebase, path), not small, not named_after, len(name), name


def _deprecated(codebase: str, path: Path) -> bool:
    return "_deprecation_" in (package_configs(codebase) / path).read_text(encoding="utf-8")


def _split(name: str) -> Tuple[str, Path]:
    codebase, _, path = name.partition("::")
    return codebase, Path(path)


def _entry(codebase: str, path: Path) -> Entry:
    family = of(codebase).family(path) or path.parts[0]
    return Entry(codebase, family, f"{codebase}::{path.as_posix()}")
