"""mmdeploy's export, with the settings of its own configs for ONNX Runtime (dynamic, end to end).

In 0.14.0, for OpenMMLab 1.x, five things are fixed, without which it stops at torch 2.9 and mmcv 1.7.2: the tracing
exporter is asked for by name; the cast that its RoIAlign imports from torch, which newer ones no longer have, is put
back; toolboxes that refuse this mmcv for its number, or name packages that are for trainings alone, are imported all
the same; the suppression of rotated boxes, which it calls as older ones had it, is traced without being run; and what
torch's attention splits its projections by is written as opset 13 has it. 1.3.1, for 2.x, is left as it is; torch 2.8
is the newest that it runs with.
"""

import contextlib
import functools
import os
from typing import Any, Dict, Iterator

import numpy as np

from mmonnx.environment import compat

from .peers import OPSET
from .scoped import replaced

_INT64 = 7
"""ONNX's number of the type."""
_UNFLATTEN = "aten::unflatten"


def export_mmdeploy(config: Any, weights: str, image: np.ndarray, deploy_config: Dict[str, Any], path: str) -> None:
    """Write mmdeploy's form of a model.

    Args:
        config: the model's ``Config``.
        weights: the checkpoint.
        image: BGR uint8 (H, W, 3), which mmdeploy puts through the config's own test pipeline to trace with.
        deploy_config: see ``peers.Peer``.
        path: the file to write.

    Raises:
        ImportError: there is no mmdeploy here.
    """
    from mmdeploy.apis import torch2onnx

    folder, name = os.path.split(path)
    settings = compat.config_type()(deploy_config)
    second = compat.is_second_generation()
    if not second:
        _name_score_limit(config)
    with contextlib.nullcontext() if second else _mended():
        torch2onnx(image, folder, name, settings, config, weights, device="cpu")


@contextlib.contextmanager
def _mended() -> Iterator[None]:
    """mmdeploy 0.14.0 as a torch of today needs it."""
    import torch
    from mmdeploy.mmcv.ops.nms_rotated import ONNXNMSRotatedOp
    from torch.onnx import symbolic_opset9, symbolic_opset13

    from .upstream import two_rows

    with contextlib.ExitStack() as stack:
        exporter = functools.partial(torch.onnx.export, **compat.export_kwargs())
        stack.enter_context(replaced(torch.onnx, "export", exporter))
        stack.enter_context(compat.newest_mmcv_taken())
        stack.enter_context(replaced(ONNXNMSRotatedOp, "forward", staticmethod(two_rows)))
        if not hasattr(symbolic_opset9, "_cast_Long"):
            stack.enter_context(replaced(symbolic_opset9, "_cast_Long", _cast_long))
        if hasattr(symbolic_opset13, "unflatten"):
            torch.onnx.register_custom_op_symbolic(_UNFLATTEN, symbolic_opset13.unflatten, OPSET)
            stack.callback(torch.onnx.unregister_custom_op_symbolic, _UNFLATTEN, OPSET)
        yield


def _cast_long(g: Any, value: Any, non_blocking: bool) -> Any:
    return g.op("Cast", value, to_i=_INT64)


def _name_score_limit(config: Any) -> None:
    """Say the score limit of the RPN's NMS, if it has one, under the name that mmdeploy reads."""
    rpn = (config.model.get("test_cfg") or config.get("test_cfg") or {}).get("rpn")
    if rpn and "score_threshold" in rpn.nms:
        rpn["score_thr"] = rpn.nms["score_threshold"]
