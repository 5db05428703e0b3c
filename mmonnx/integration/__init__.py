"""Where mmonnx meets what others run: the plugin of ``custom_imports``, the hook of a training, patches of a package.

In: upstream's own calls, a runner, an installed package. Out: files, and what upstream expects. Touched: mmcv's and
mmdet's registries and ``torch.onnx.export`` until ``disable()``; the patched package until ``mmonnx patch --revert``.
"""

from ..support import lazy
from .plugin import disable, enable

__all__ = ["ONNXExportHook", "PatchSettings", "disable", "enable", "patch"]

# the hook imports mmcv or mmengine, the patches what prints
__getattr__ = lazy(__name__, {"ONNXExportHook": "hook", "PatchSettings": "patching", "patch": "patching"})
