"""Toolboxes that are known and not exported: their configs are refused with the reason, by name and by type."""

import sys
import types

import pytest
from mmcv.utils import Registry

from mmonnx import cli
from mmonnx.loading.others import _REASONS

pytestmark = pytest.mark.once


@pytest.mark.parametrize("package", sorted(_REASONS))
def test_a_config_by_its_packages_name_is_one_line(tmp_path, capsys, package):
    assert cli.main(["export", f"{package}::some/config.py", "--output-file", str(tmp_path / "x.onnx")]) == 2
    error = capsys.readouterr().err.strip()
    assert f"is of {package}: {_REASONS[package][0]}" in error and "\n" not in error and not list(tmp_path.iterdir())


def test_a_config_by_its_models_type_is_one_line(tmp_path, capsys, monkeypatch):
    registry = Registry("flow")
    registry.register_module("RAFTLike", module=object)
    for name in ("mmflow", "mmflow.models", "mmflow.models.builder"):
        module = types.ModuleType(name)
        module.__spec__, module.__path__ = types.SimpleNamespace(name=name), []
        monkeypatch.setitem(sys.modules, name, module)
    sys.modules["mmflow.models.builder"].FLOW_ESTIMATORS = registry
    config = tmp_path / "raft.py"
    config.write_text("model = dict(type='RAFTLike')\n")
    assert cli.main(["export", str(config), "--output-file", str(tmp_path / "x.onnx")]) == 2
    error = capsys.readouterr().err.strip()
    assert "is of mmflow: its models take two pictures" in error and "\n" not in error


def test_a_type_that_nobody_knows_is_told_as_before(tmp_path, capsys):
    config = tmp_path / "own.py"
    config.write_text("model = dict(type='NobodysModel')\n")
    assert cli.main(["export", str(config), "--output-file", str(tmp_path / "x.onnx")]) == 2
    assert "has model type 'NobodysModel'" in capsys.readouterr().err
