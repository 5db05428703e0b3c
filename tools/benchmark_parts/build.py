"""One variant, built in a process of its own: ``python -m benchmark_parts.build REQUEST.json``.

A process of its own, so that its memory can be told, a crash costs one row of the table, and mmdeploy may live in
another environment. The answer goes to ``answer`` as JSON: seconds, peak memory and a note, or the error in one line.
"""

import importlib.util
import io
import json
import os
import resource
import shutil
import subprocess
import sys
import time
import traceback
from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, Optional

from mmonnx.support.errors import InputError, MmonnxError

Request = Dict[str, Any]
"""``variant``, ``config``, ``weights``, ``codebase``, ``shape`` (height, width), ``outputs`` (names of mmonnx's file),
``model`` (the file to write), ``answer`` (the JSON to write)."""


def build(request: Request) -> Dict[str, Any]:
    """Write ``model``, simplified with onnxsim; the answer.

    Raises:
        Exception: whatever stops the export.
    """
    started = time.perf_counter()
    note = BUILDERS[request["variant"]](request)
    facts = {"seconds": time.perf_counter() - started, "memory_mb": peak_memory_mb(), "note": note}
    library = operators_of(request["model"])
    traced = Path(request["model"] + ".traced")
    if traced.exists() and not _loads(request["model"], library):
        os.replace(str(traced), request["model"])
        facts["note"] = "not simplified: what onnxsim made does not load"
    if library is not None:
        facts.update(library=library, note="; ".join(filter(None, (facts["note"], f"needs {Path(library).name}"))))
    return facts


def operators_of(model: str) -> Optional[str]:
    """mmdeploy's library of operators, if a file has some of them; None if it has none."""
    import onnx

    if all(one.domain != "mmdeploy" for one in onnx.load(model, load_external_data=False).opset_import):
        return None
    spec = importlib.util.find_spec("mmdeploy")
    return str(Path(str(spec.origin)).parent / "lib" / "libmmdeploy_onnxruntime_ops.so") if spec else None


def answer(request: Request) -> Dict[str, Any]:
    """As ``build``; an error is an answer, too, and its traceback goes to the log."""
    try:
        return build(request)
    except Exception as error:
        traceback.print_exc()
        line = (str(error).strip().splitlines() or [""])[0][:120]
        return {"error": line if isinstance(error, MmonnxError) else f"{type(error).__name__}: {line}"}


def peak_memory_mb() -> float:
    """The most memory that this process, or one that it started, has held, in MiB."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    status = Path("/proc/self/status")
    if status.exists():  # what getrusage says of this process, Linux starts with what the parent's was
        own = next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    else:
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    unit = 1024.0**2 if sys.platform == "darwin" else 1024.0
    return max(own, children) / unit


def _upstream(extractor: Optional[str]) -> Callable[[Request], str]:
    def builder(request: Request) -> str:
        import torch

        from benchmark_parts import upstream
        from mmonnx.loading import LoadOptions, load

        task = load(
            request["config"], request["weights"], LoadOptions(shape=tuple(request["shape"]), trust_checkpoint=True)
        )
        traced = request["model"] + ".traced"
        with torch.no_grad():
            upstream.export_upstream(task, traced, getattr(upstream, extractor) if extractor else None)
        return _simplify(traced, request["model"])

    return builder


def _mmonnx(request: Request, winograd: bool = False) -> str:
    from mmonnx.loading import LoadOptions
    from mmonnx.pipeline import ExportSettings, export
    from mmonnx.terminal.report import Report

    text = io.StringIO()
    load = LoadOptions(shape=tuple(request["shape"]), dynamic=True, trust_checkpoint=True)
    files = request["config"], request["weights"], request["model"]
    export(ExportSettings(*files, load, simplify=True, winograd=winograd), Report(text))
    warnings = [line.partition(": ")[2] for line in text.getvalue().splitlines() if line.startswith("warning: ")]
    return "; ".join(warnings)


def _mmdeploy(request: Request) -> str:
    if importlib.util.find_spec("mmdeploy") is None:
        raise InputError("mmdeploy is not installed", "mmdeploy", "see requirements/bench.txt and bench2.txt")
    from benchmark_parts.mmdeploy_peer import export_mmdeploy
    from benchmark_parts.peers import peer_of
    from mmonnx import fallback
    from mmonnx.loading.config import read_config
    from mmonnx.loading.images import photographs

    fallback.ensure()
    traced = request["model"] + ".traced"
    # mmdeploy adds the suffix by itself, and wants it in the name too
    config, peer = read_config(request["config"]), peer_of(request["codebase"], request["outputs"])
    settings = peer.deploy_config(request["outputs"], request["shape"])
    export_mmdeploy(config, request["weights"], photographs()[0], settings, traced + ".onnx")
    os.replace(traced + ".onnx", traced)
    return _simplify(traced, request["model"])


def _simplify(traced: str, target: str) -> str:
    """Write what onnxsim makes of a file, or the file itself; a note if it is the latter."""
    from mmonnx.graph import simplifier

    command = [*dict(simplifier.TOOLS)["onnxsim"], traced, target]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    if done.returncode == 0:
        return ""
    shutil.copyfile(traced, target)
    lines = done.stderr.decode(errors="replace").strip().splitlines() or [f"exit status {done.returncode}"]
    return f"not simplified: {lines[-1][:120]}"


def _loads(path: str, library: Optional[str]) -> bool:
    from mmonnx.runtime.session import Session

    try:
        Session(path, custom_op_library=library)
    except Exception:  # ONNX Runtime has errors of its own
        return False
    return True


UPSTREAMS = ("mask", "scatter", "gather")
"""The forms of a detector of two stages: upstream's own, and those that pool each level by itself."""
BUILDERS: Dict[str, Callable[[Request], str]] = {
    "upstream": _upstream(None),
    "mask": _upstream(None),
    "scatter": _upstream("scatter_forward"),
    "gather": _upstream("gather_forward"),
    "mmonnx": _mmonnx,
    "winograd": partial(_mmonnx, winograd=True),
    "mmdeploy": _mmdeploy,
}


if __name__ == "__main__":
    request_read = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    Path(request_read["answer"]).write_text(json.dumps(answer(request_read)), encoding="utf-8")
