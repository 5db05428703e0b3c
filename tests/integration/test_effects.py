"""What importing mmonnx changes, when, and that all of it can be undone."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import mmonnx
from mmonnx import fallback
from mmonnx.environment import compat
from mmonnx.integration.plugin.watching import unwatch, when_imported

fallback.ensure()

ROOT = Path(__file__).resolve().parents[2]
CONFIG = 'custom_imports = dict(imports=["mmonnx"], allow_failed_imports=False)\n'
HEAVY = ("onnx", "onnxruntime", "onnxsim", "onnxslim", "skimage")


def python(code, *arguments):
    """What a fresh interpreter prints as JSON."""
    command = [sys.executable, "-W", "ignore", "-c", code, *map(str, arguments)]
    done = subprocess.run(command, cwd=str(ROOT), stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout.decode().splitlines()[-1])


def test_importing_it_imports_nothing_but_itself():
    found = python("import sys, json; before = set(sys.modules); import mmonnx; print(json.dumps(sorted(sys.modules)))")
    assert "mmonnx.integration.plugin" in found
    assert not {"torch", "numpy", "mmcv", "mmdet", "mmcls", *HEAVY} & set(found)


USE = """
import json, sys
from mmonnx import fallback
fallback.ensure()
if sys.argv[2] == "mmdet first":
    import mmdet.models
from mmcv import Config
config = Config.fromfile(sys.argv[1])
from mmcv.runner import HOOKS
import mmcls.models, mmdet.models
from mmdet.models.builder import ROI_EXTRACTORS
import torch
found = [HOOKS.get("ONNXExportHook"), ROI_EXTRACTORS.get("NonZeroRoIExtractor")]
print(json.dumps([[item.__module__ for item in found], torch.onnx.export.__module__, sorted(sys.modules)]))
"""


@pytest.mark.parametrize("order", ["mmdet first", "mmdet later"])
def test_a_config_that_imports_it_registers_everything_and_loads_no_onnx(order, tmp_path):
    path = tmp_path / "config.py"
    path.write_text(CONFIG)
    registered, _, modules = python(USE, path, order)
    assert registered == ["mmonnx.integration.hooks", "mmonnx.integration.extractors"]
    assert not set(HEAVY) & set(modules)
    # nor what an export needs of mmonnx itself
    assert not {
        "mmonnx.pipeline",
        "mmonnx.rewriting.rewrites",
        "mmonnx.loading",
        "mmonnx.integration.plugin.upstream",
    } & set(modules)


def test_it_does_without_mmdet(tmp_path):
    (tmp_path / "config.py").write_text(CONFIG)
    code = """
import json, sys
from mmcv import Config
Config.fromfile(sys.argv[1])
from mmcv.runner import HOOKS
print(json.dumps([HOOKS.get("ONNXExportHook").__name__, sorted(sys.modules)]))
"""
    name, modules = python(code, tmp_path / "config.py")
    assert name == "ONNXExportHook" and not {"mmdet", "mmcls"} & set(modules)


NEWER = """
import json, sys, warnings
first, second = sys.argv[2].split()
sys.path.insert(0, sys.argv[1])
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    __import__(first), __import__(second)
    import mmdet.models.detectors.base as base, torch
told = [str(warning.message) for warning in caught if "mmonnx" in str(warning.message)]
torch.onnx.export(base.BaseDetector(), torch.ones(2), sys.argv[1] + "/model.onnx", **json.loads(sys.argv[3]))
print(json.dumps([told, sorted(sys.modules)]))
"""


@pytest.mark.parametrize("order", ["mmonnx mmdet.models", "mmdet.models mmonnx"])
def test_a_release_outside_the_range_is_left_as_it_is(order, tmp_path):
    """It has neither the registries nor the models that are extended otherwise."""
    for folder in ("mmdet", "mmdet/models", "mmdet/models/detectors", "mmcv"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "__init__.py").write_text("__version__ = '4.0.0'\n")
    detector = (
        "import torch\n\n\nclass BaseDetector(torch.nn.Module):\n    def forward(self, x):\n        return x + 1\n"
    )
    (tmp_path / "mmdet/models/detectors/base.py").write_text(detector)
    told, modules = python(NEWER, tmp_path, order, json.dumps(compat.export_kwargs()))
    assert len(told) == 1 and "mmdet 4.0.0 is outside" in told[0] and "mmdet>=2.14,<4" in told[0]
    assert not {"mmonnx.integration.extractors", "mmonnx.integration.plugin.upstream"} & set(modules)
    assert (tmp_path / "model.onnx").is_file()


def registries():
    from mmcv.runner import HOOKS
    from mmdet.models.builder import ROI_EXTRACTORS

    return HOOKS, ROI_EXTRACTORS


@pytest.fixture
def disabled():
    """The state that enabling starts from."""
    mmonnx.disable()
    yield
    mmonnx.enable()


def state():
    hooks, extractors = registries()
    return dict(hooks.module_dict), dict(extractors.module_dict), torch.onnx.export, list(sys.meta_path)


def test_enabling_and_disabling_are_idempotent_and_leave_nothing(disabled):
    before = state()
    hooks, extractors = registries()
    assert hooks.get("ONNXExportHook") is None and extractors.get("NonZeroRoIExtractor") is None
    mmonnx.enable()
    enabled = state()
    assert "ONNXExportHook" in enabled[0] and "NonZeroRoIExtractor" in enabled[1] and enabled[2] is not before[2]
    assert enabled[2].__wrapped__ is before[2]
    mmonnx.enable()
    assert state() == enabled
    mmonnx.disable()
    assert state() == before
    mmonnx.disable()
    assert state() == before


def test_disabling_works_under_another_wrapper(disabled):
    original = torch.onnx.export
    mmonnx.enable()
    ours = torch.onnx.export
    torch.onnx.export = lambda *args, **kwargs: ours(*args, **kwargs)
    try:
        mmonnx.disable()
        assert not ours.enabled
    finally:
        torch.onnx.export = original


def test_other_models_are_exported_as_ever(tmp_path, monkeypatch):
    called = []
    monkeypatch.setattr("mmonnx.integration.plugin.upstream.export", lambda *args, **kwargs: called.append(args))
    torch.onnx.export(
        torch.nn.Linear(2, 3),
        (torch.ones(1, 2),),
        str(tmp_path / "a.onnx"),
        **mmonnx.environment.compat.export_kwargs(),
    )
    assert (tmp_path / "a.onnx").is_file() and not called


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A package that nobody has imported, and its name."""
    name = "imported_later"
    (tmp_path / f"{name}.py").write_text("VALUE = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    yield name
    sys.modules.pop(name, None)


def test_what_waits_for_a_module_comes_right_after_its_import(module):
    seen = []
    when_imported(module, lambda: seen.append(sys.modules[module].VALUE))
    assert importlib.util.find_spec(module) is not None and not seen
    assert module not in sys.modules
    loaded = importlib.import_module(module)
    assert seen == [1] and "exec_module" not in vars(loaded.__loader__)
    importlib.reload(loaded)
    assert seen == [1]
    when_imported(module, lambda: seen.append(2))
    assert seen == [1, 2]


def test_nobody_waits_any_more(module, disabled):
    finders = list(sys.meta_path)
    seen = []
    when_imported(module, lambda: seen.append(1))
    unwatch()
    importlib.import_module(module)
    assert not seen and sys.meta_path == finders


@pytest.mark.parametrize("own", ["mmonnx.integration.hooks", "mmonnx.integration.extractors"])
def test_its_own_modules_can_be_imported_first(own):
    code = """
import json, sys, importlib
from mmonnx import fallback
fallback.ensure()
importlib.import_module(sys.argv[1])
from mmcv.runner import HOOKS
import mmdet.models
from mmdet.models.builder import ROI_EXTRACTORS
print(json.dumps([HOOKS.get("ONNXExportHook").__module__, ROI_EXTRACTORS.get("NonZeroRoIExtractor").__module__]))
"""
    assert python(code, own) == ["mmonnx.integration.hooks", "mmonnx.integration.extractors"]
