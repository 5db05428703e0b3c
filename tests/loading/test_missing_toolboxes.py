"""A config tells whose it is where its toolbox is not installed: by all configs that the installed toolboxes carry."""

import importlib.util
from pathlib import Path

import pytest

from mmonnx import fallback
from mmonnx.environment import compat
from mmonnx.loading import codebases

pytestmark = pytest.mark.once
MEMBERS = ("mmseg", "mmrotate", "mmpose", "mmedit", "mmocr", "mmaction")


@pytest.mark.parametrize("package", MEMBERS)
def test_configs_seem_to_be_of_their_toolbox(package):
    fallback.ensure()
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    from mmcv import Config

    folders = Path(importlib.util.find_spec(package).origin).parent / ".mim" / "configs"
    seen = {}
    for path in sorted(folders.rglob("*.py")):
        # one config of each folder: the others differ in sizes and data
        if path.parent in seen or "_base_" in path.parts or path.name.startswith("_"):
            continue
        model = Config.fromfile(str(path)).get("model")
        if isinstance(model, dict) and "type" in model:
            seen[path.parent] = next(
                (one.package for one in codebases() if one.package and one.seems_to_own(Config({"model": model}))), None
            )
    assert len(seen) > 5 and set(seen.values()) == {package}, seen


@pytest.mark.parametrize("package", [one.package for one in codebases() if one.package])
@pytest.mark.parametrize("part", ["roi_head", "bbox_head", "test_cfg", "backbone", "neck", "head"])
def test_a_model_that_has_several_of_a_part_is_no_error(package, part):
    """Co-DETR has lists of heads, and of what they are tested with: every toolbox is asked whether it is its own."""
    fallback.ensure()
    (codebase,) = (one for one in codebases() if one.package == package)
    model = {"type": "CoDETR", part: [{"type": "CoStandardRoIHead"}, {"type": "CoATSSHead"}]}
    assert not codebase.seems_to_own(compat.config_type()({"model": model}))
