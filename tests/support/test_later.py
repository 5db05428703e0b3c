"""Imports that are put off: they happen when something is asked for, and then as they would have."""

import importlib.util
import subprocess
import sys
import textwrap

import pytest


def run(code):
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


DYNAMO = """
    import sys
    from mmonnx.support import dynamo_later
    with dynamo_later():
        import torch, torchvision
    print("torch._dynamo" in sys.modules, "torch._dynamo.utils" in sys.modules)
"""


def test_torchvision_comes_without_the_compiler_of_torch():
    assert run(DYNAMO) == ["False", "False"]


def test_what_torchvision_was_given_is_the_compiler_s_own():
    more = """
    place = sys.modules["torchvision.ops.roi_align"]
    given = getattr(place, "is_compile_supported", None)
    found = given and given("cpu")
    if given:
        from torch._dynamo.utils import is_compile_supported
        print(found == is_compile_supported("cpu"), type(sys.modules["torch._dynamo.utils"]).__name__)
    else:
        print(True, "module")
    boxes, image = [torch.tensor([[1.0, 1, 6, 6]])], torch.rand(1, 2, 8, 8, requires_grad=True)
    torchvision.ops.roi_align(image, boxes, 3).sum().backward()
    print(bool(image.grad.any()))
    """
    assert run(DYNAMO + more)[2:] == ["True", "module", "True"]


@pytest.mark.skipif(importlib.util.find_spec("torch._dynamo") is None, reason="of torch 2")
def test_whoever_asks_for_more_in_the_block_gets_it():
    code = """
    import sys
    from mmonnx.support import dynamo_later
    with dynamo_later():
        from torch._dynamo.utils import counters
        import torch._dynamo.utils as itself
    print(counters is itself.counters is sys.modules["torch._dynamo.utils"].counters, type(itself).__name__)
    """
    assert run(code) == ["True", "module"]


def test_a_module_is_imported_when_it_is_used(tmp_path):
    code = f"""
    import sys
    sys.path.insert(0, {str(tmp_path)!r})
    from mmonnx.support import import_when_used
    for name in ("heavy.part", "heavy.part", "heavy.missing", "missing.part", "json.tool"):
        import_when_used(name)
    print("heavy.missing" in sys.modules, "missing" in sys.modules)
    import heavy.part as part
    print("before")
    import heavy
    print(part.value, heavy.part.value)
    """
    (tmp_path / "heavy").mkdir()
    (tmp_path / "heavy" / "__init__.py").write_text("")
    (tmp_path / "heavy" / "part.py").write_text("print('imported')\nvalue = 3\n")
    assert run(code) == ["False", "False", "before", "imported", "3", "3"]
