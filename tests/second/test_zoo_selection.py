"""Which configs of OpenMMLab 2.x the sweep takes."""

import sys
from pathlib import Path

import pytest

pytest.importorskip("mmpretrain.registry")

from mmonnx.loading.config import find_config

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

from zoo_parts import language_models, selection  # noqa: E402


def test_one_config_of_each_family_of_pictures():
    entries = selection.families("mmpretrain")
    assert len({entry.family for entry in entries}) == len(entries) == 78
    assert all(find_config(entry.config).is_file() for entry in entries)
    names = {entry.config.rsplit("/", 1)[1] for entry in entries}
    assert set(selection.CODEBASES["mmpretrain"].representatives.values()) <= names


def test_detectors_have_the_representatives_of_their_generation():
    entries = selection.families("mmdet")
    names = {entry.config.split("::")[1] for entry in entries}
    own = selection.OF_SECOND["mmdet"]
    assert {f"{family}/{name}" for family, name in own.representatives.items()} | set(own.more) <= names
    assert len({entry.family for entry in entries}) + len(own.more) == len(entries) == 94
    assert all(find_config(entry.config).is_file() for entry in entries)


def test_the_quick_subset_is_of_what_is_installed():
    entries = selection.quick()
    assert {entry.codebase for entry in entries} <= set(selection.installed())
    assert sum(entry.codebase == "mmpretrain" for entry in entries) == 5


@pytest.mark.parametrize(
    "name", ["glip/glip_atss_swin-t_a_fpn_dyhead_pretrain_obj365.py", "retinanet/retinanet_r18_fpn_1x_coco.py"]
)
def test_detectors_that_take_text_get_a_small_language_model(name, tmp_path):
    transformers = pytest.importorskip("transformers", reason="pip install -r requirements/texts.txt")
    options = language_models.small(f"mmdet::{name}", tmp_path)
    if "glip" not in name:
        assert not options and not list(tmp_path.iterdir())
        return
    folder = options["model.language_model.name"]
    assert transformers.BertModel.from_pretrained(folder).num_parameters() < 50_000
    tokens = transformers.AutoTokenizer.from_pretrained(folder).tokenize("person . traffic light .")
    assert tokens == ["person", ".", "traffic", "light", "."]
