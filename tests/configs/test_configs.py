"""The ready configs: each is the installed package's with the plugin, and a small version of each is exported."""

import pytest
from models import once_if, small_config

from mmonnx import fallback, loading
from mmonnx.loading.config import base_config, find_config
from mmonnx.pipeline import ExportSettings, export
from mmonnx.support.errors import InputError
from mmonnx.support.resources import config_root

pytestmark = pytest.mark.once

NAMES = sorted(
    str(path.relative_to(config_root())) for path in config_root().rglob("*.py") if path.parent.name != "digits"
)
SHAPE = (96, 128)
# cascade_mask_rcnn has all that these have
PARTS = {f"{name}_rcnn/{name}_rcnn_r50_fpn_1x_coco.py" for name in ("faster", "cascade", "mask")}
FEW = {"model.test_cfg.rpn.nms_pre": 60, "model.test_cfg.rpn.max_per_img": 60, "model.test_cfg.rcnn.max_per_img": 20}


def read(name):
    """A config as mmcv reads it."""
    fallback.ensure()
    from mmcv import Config

    return Config.fromfile(str(find_config(name)))


def base_of(name):
    """The installed package's config that one of ours is made of."""
    return ("mmcls::" if name.startswith("mobilenet") else "mmdet::") + name


def test_the_models_of_the_guide_and_the_usual_two_stage_ones_are_there():
    folders = {name.split("/")[0] for name in NAMES}
    assert {"mobilenet_v2", "faster_rcnn", "mask_rcnn", "cascade_rcnn"} <= folders


@pytest.mark.parametrize("name", NAMES)
def test_only_the_plugin_is_added(name):
    ours, theirs = read(f"mmonnx::{name}"), read(base_of(name))
    assert ours.custom_imports == dict(imports=["mmonnx"], allow_failed_imports=False)
    *others, hook = ours.custom_hooks
    assert others == theirs.get("custom_hooks", [])
    assert hook.type == "ONNXExportHook" and ours.deployment.items() <= hook.items()
    for key in ("custom_imports", "custom_hooks", "deployment"):
        ours.pop(key), theirs.pop(key, None)
    for extractor in (ours.model.get("roi_head") or {}).values():
        if isinstance(extractor, dict) and extractor.get("type") == "NonZeroRoIExtractor":
            extractor.type = "SingleRoIExtractor"
    assert ours._cfg_dict == theirs._cfg_dict


@pytest.mark.parametrize("name", NAMES)
def test_the_hook_can_be_built(name):
    config = read(f"mmonnx::{name}")
    from mmcv.runner import HOOKS
    from mmcv.utils import build_from_cfg

    hook = build_from_cfg(config.custom_hooks[-1], HOOKS)
    assert hook.shape == tuple(config.deployment.shape) and hook.target == config.deployment.target


@pytest.mark.parametrize("name", once_if(PARTS.__contains__, NAMES))
def test_it_is_exported(name, tmp_path):
    settings = read(f"mmonnx::{name}").deployment
    path = small_config(f"mmonnx::{name}", tmp_path, {} if name.startswith("mobilenet") else FEW)
    found = export(
        ExportSettings(
            path,
            output_file=str(tmp_path / "model.onnx"),
            load=loading.LoadOptions(shape=SHAPE, dynamic=settings.dynamic),
            target=settings.target,
            simplify=settings.simplify,
            verify=settings.verify,
        )
    )
    assert found.ok and all(result.ok for result in found.results)
    if not name.startswith("mobilenet"):
        (model,) = found.task.module.children()
        extractor = model.roi_head.bbox_roi_extractor
        extractors = extractor if hasattr(extractor, "__iter__") else [extractor]
        assert {type(one).__name__ for one in extractors} == {"NonZeroRoIExtractor"}


def test_a_base_that_is_not_there_is_refused_with_its_name():
    with pytest.raises(InputError, match="mmdet::faster_rcnn/no_such.py"):
        base_config("mmdet::faster_rcnn/no_such.py")
