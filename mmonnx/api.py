"""``mmonnx.export``: one function for settings of a config's export, and for a module in Python."""

from pathlib import Path
from typing import Any, Optional, Sequence, Union

from torch import nn

from .codebases import AxesAsked, module_task
from .environment import modes_kept, ordinary
from .exporting import Exported, ExportSettings
from .pipeline import export as export_settings
from .pipeline import export_task
from .support import InputError, VerificationError, alone
from .terminal import Report
from .verifying import NOTHING_COMPARED


@alone()
def export(
    model: Union[nn.Module, ExportSettings],
    args: Any = None,
    output_file: str = "tmp.onnx",
    *,
    input_names: Optional[Sequence[str]] = None,
    output_names: Optional[Sequence[str]] = None,
    dynamic_axes: Optional[AxesAsked] = None,
    opset: Optional[int] = None,
    target: str = "onnxruntime",
    custom_ops: Optional[str] = None,
    check: bool = True,
    simplify: bool = False,
    winograd: bool = False,
    verify: bool = False,
    strict: bool = False,
    on_mismatch: str = "raise",
    report: Optional[Report] = None,
) -> Exported:
    """Export a module to an ONNX file; its mode is as before when this returns or raises.

    It may be called by several threads, of which one waits for the other.

    Args:
        model: the module, which is exported in eval mode; or the settings of a config's export, with ``report`` and
            ``on_mismatch`` alone.
        args: the module's inputs: a tensor, a tuple of positional or a dict of keyword arguments.
        output_file: the file to write.
        input_names, output_names: names of the tensors in order; None for names by what they are.
        dynamic_axes: ``{name: {axis: axis name}}`` or ``{name: [axes]}``, of inputs; those of outputs follow.
        opset: opset of the file, None for the target's best one, or a later one that the model needs.
        target: the runtime that the file is for.
        custom_ops: see ``ExportSettings``.
        check: refuse a file of which the target does not take every node.
        simplify: simplify the graph.
        winograd: compute convolutions of 3x3 by Winograd's algorithm where that is faster on a processor.
        verify: compare the file with PyTorch on these inputs, on others, and on other sizes of the dynamic axes.
        strict: refuse a model whose own code takes values out of the trace, which are warned of otherwise.
        on_mismatch: ``raise`` a VerificationError where ``verify`` does not hold, or ``return`` what came of it, of
            which ``ok`` is False.
        report: where progress is told; standard output if None.

    Raises:
        VerificationError: the file does not agree with PyTorch, or nothing could be compared; nothing was written.
        InputError: something that was given is wrong; nothing was written.
        ExportError: the model cannot be exported; nothing was written.
    """
    if on_mismatch not in ("raise", "return"):
        raise InputError(f"on_mismatch is {on_mismatch!r}", "'raise' or 'return'", "give one of these")
    if isinstance(model, ExportSettings):
        exported = export_settings(model, report or args)
        return _held(exported, model) if on_mismatch == "raise" else exported
    if not isinstance(model, nn.Module):
        raise InputError(f"model is a {type(model).__name__}", "a torch.nn.Module", "wrap it in a module")
    settings = ExportSettings(
        "",
        output_file=output_file,
        target=target,
        opset=opset,
        custom_ops=custom_ops,
        check=check,
        simplify=simplify,
        winograd=winograd,
        verify=verify,
        strict=strict,
    )
    with modes_kept(model), ordinary(model):
        model.eval()
        task = module_task(model, args, input_names, output_names, dynamic_axes)
        exported = export_task(task, settings, report)
    return _held(exported, settings) if on_mismatch == "raise" else exported


def _held(exported: Exported, settings: ExportSettings) -> Exported:
    """What was exported. Raises VerificationError if its verification did not hold."""
    if exported.ok:
        return exported
    path, faults, found = Path(settings.output_file), exported.task.faults, exported.mismatch
    kept = ", and what is there is as it was" if path.exists() else ""
    if found == NOTHING_COMPARED:
        fix = "give inputs, or a test_image, of which the model makes something"
    else:
        fix = "fix that line" if faults else "fix what the trace does not follow"
        found = ". ".join([found, *faults[:1]])
    raise VerificationError(
        f"{settings.output_file} was not written{kept}: {found}",
        "PyTorch's own answers",
        f"{fix}, or give on_mismatch='return' for the results of all cases",
        exported,
    )
