"""What serves as ``mmcv._ext``: the compiled module where it loads, the fallback where not, each in a fresh Python."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from kernels import needs_compiled

from mmonnx import fallback
from mmonnx.support import errors

ROOT = Path(__file__).parents[2]

# Put before a script: the import system finds no compiled module, also where one is installed.
HIDE = """
import sys
class Hide:
    def find_spec(self, name, path=None, target=None):
        if name == "mmcv._ext":
            raise ModuleNotFoundError("No module named 'mmcv._ext'", name=name)
sys.meta_path.insert(0, Hide())
"""

# A file of the right name that is no library: found first, and it does not load.
BREAK = """
import importlib.machinery, pathlib, sys
folder = pathlib.Path(sys.argv[1])
(folder / ("_ext" + importlib.machinery.EXTENSION_SUFFIXES[0])).write_bytes(b"not a library")
import mmcv
mmcv.__path__.insert(0, str(folder))
"""

USE = """
import warnings
from mmonnx import fallback
assert not fallback.active()
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    served = [fallback.ensure(), fallback.ensure()]
caught = [str(warning.message) for warning in caught if "do not load" in str(warning.message)]
import importlib, sys
import mmcv.ops, mmdet, mmdet.models, mmdet.apis, mmcls.apis
import mmcv._ext
assert importlib.import_module("mmcv._ext") is mmcv._ext is sys.modules["mmcv.ops.nms"].ext_module
assert fallback.active() == (served[0] == "fallback")
assert mmcv.ops.get_compiling_cuda_version()
import torch
boxes = torch.tensor([[0.0, 0, 10, 10], [1, 1, 10, 10], [20, 20, 30, 30]])
assert mmcv.ops.nms(boxes, torch.tensor([0.9, 0.8, 0.7]), 0.5)[1].tolist() == [0, 2]
print(*served, len(caught), *caught)
"""


def run(script, *arguments):
    """The last line of what a fresh Python prints."""
    environment = dict(os.environ, PYTHONPATH=str(ROOT), PYTHONWARNINGS="ignore")
    command = [sys.executable, "-c", script, *map(str, arguments)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip().splitlines()[-1]


def test_everything_imports_without_compiled_operators():
    missing = """
from mmcv.utils.ext_loader import check_ops_exist
assert check_ops_exist()
assert "fallback" in mmcv.ops.get_compiler_version()
from mmonnx.support.errors import MissingOperatorError
try:
    mmcv.ops.three_nn(torch.zeros(1, 3, 3), torch.zeros(1, 3, 3))
    raise SystemExit("three_nn did not fail")
except MissingOperatorError as error:
    assert "three_nn_forward" in str(error)
"""
    assert run(HIDE + USE.replace("print(", missing + "print(")) == "fallback fallback 0"


def test_what_was_imported_while_there_were_no_operators_gets_what_it_lacks():
    early = """
import warnings
warnings.simplefilter("ignore")
import mmcv.cnn.bricks.transformer as early
assert not hasattr(early, "MultiScaleDeformableAttention")
"""
    late = "assert early.MultiScaleDeformableAttention is mmcv.ops.MultiScaleDeformableAttention\n"
    assert run(HIDE + early + USE.replace("print(", late + "print(")) == "fallback fallback 0"


def test_a_compiled_module_that_does_not_load_is_replaced_and_reported_once(tmp_path):
    line = run(BREAK + USE, tmp_path)
    assert line.startswith("fallback fallback 1 ")
    assert "ImportError" in line
    assert "_ext" in line


@needs_compiled
def test_a_compiled_module_is_left_alone():
    unchanged = 'assert "mmcv._ext" in sys.modules and sys.modules["mmcv._ext"].__file__.endswith(".so")\n'
    assert run("import sys\n" + USE.replace("print(", unchanged + "print(")) == "compiled compiled 0"


def test_importing_the_package_loads_nothing_heavy():
    script = (
        "import sys, mmonnx.fallback; print([n for n in ('torch', 'torchvision', 'mmcv', 'cv2') if n in sys.modules])"
    )
    assert run(script) == "[]"


def test_a_missing_operator_names_itself_and_the_way_out_when_it_is_called():
    module = fallback._Fallback("mmcv._ext")
    missing = module.an_operator_of_another_time
    assert missing.__name__ == "an_operator_of_another_time"
    with pytest.raises(errors.MissingOperatorError) as caught:
        missing(1, two=2)
    message = str(caught.value)
    import mmcv

    assert "'an_operator_of_another_time'" in message
    assert "pip install 'setuptools<81'" in message
    assert f"pip install --no-build-isolation --no-cache-dir mmcv-full=={mmcv.__version__}" in message
    assert "\n" not in message
    assert not hasattr(module, "__path__")


def test_an_operator_is_registered_once():
    from mmonnx.fallback.registry import OPERATORS, operator

    def nms() -> None:
        pass

    import mmonnx.fallback.nms  # noqa: F401  (registers the name)

    before = dict(OPERATORS)
    with pytest.raises(ValueError, match="nms is registered twice"):
        operator(nms)
    assert before == OPERATORS
