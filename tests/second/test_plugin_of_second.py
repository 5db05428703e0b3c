"""What importing mmonnx does to OpenMMLab 2.x: nothing but to register what configs may name."""

import subprocess
import sys
import textwrap

import pytest

pytest.importorskip("mmengine")


def run(code):
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)], stdout=subprocess.PIPE)
    assert done.returncode == 0
    return done.stdout.decode().split()


def test_importing_mmonnx_imports_nothing_of_it():
    code = """
        import sys, mmonnx
        print(*(name for name in ("torch", "mmcv", "mmengine", "mmdet", "onnx") if name in sys.modules))
    """
    assert run(code) == []


@pytest.mark.parametrize("order", ["mmonnx first", "mmonnx last"])
def test_configs_may_name_the_hook_and_the_extractor_and_all_else_is_as_it_was(order):
    lines = ["import mmonnx", "from mmonnx import fallback; fallback.ensure(); import mmdet.models, mmengine.runner"]
    lines = lines if order == "mmonnx first" else lines[::-1]
    code = """
        from mmengine.registry import HOOKS
        from mmdet.registry import MODELS
        names = set(HOOKS.module_dict) | set(MODELS.module_dict)
        print(HOOKS.get("ONNXExportHook").__module__, MODELS.get("NonZeroRoIExtractor").__module__)
        mmonnx.disable()
        after = set(HOOKS.module_dict) | set(MODELS.module_dict)
        print(*sorted(names - after), *sorted(after - names))
    """
    told = run("\n".join(lines) + "\nimport mmonnx\n" + textwrap.dedent(code))
    assert told[:2] == ["mmonnx.integration.mmengine_hooks", "mmonnx.integration.extractors"]
    assert told[2:] == ["NonZeroRoIExtractor", "ONNXExportHook"]


def test_mmengine_reads_the_plugins_two_lines(tmp_path):
    (tmp_path / "config.py").write_text(
        'custom_imports = dict(imports=["mmonnx"], allow_failed_imports=False)\n'
        'custom_hooks = [dict(type="ONNXExportHook", interval=2, by_epoch=False)]\n'
    )
    code = f"""
        from mmengine import Config
        config = Config.fromfile({str(tmp_path / "config.py")!r})
        import mmengine.runner
        from mmengine.registry import HOOKS
        print(HOOKS.build(config.custom_hooks[0]).interval)
    """
    assert run(code) == ["2"]
