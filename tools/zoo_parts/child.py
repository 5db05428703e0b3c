"""One config, exported and compared in a process of its own: ``python -m zoo_parts.child REQUEST.json``.

What it finds is in the file ``answer`` as JSON, anew after every stage, so that it is known how far a child came that
was killed.
"""

import io
import json
import os
import re
import sys
import traceback
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional

import numpy as np

from mmonnx import loading
from mmonnx.codebases.plain.callables import is_callable_name
from mmonnx.exporting.own_runtime import verify_there
from mmonnx.graph.simplifier import count_nodes
from mmonnx.loading.task import Task
from mmonnx.pipeline import Exported, ExportSettings, export
from mmonnx.runtime.results import EditedImage, KeyInformation, LabelMap, Poses, RawOutputs, Scores
from mmonnx.support.errors import FixedSizeError, MmonnxError, first_line, type_and_line
from mmonnx.targets import find_target
from mmonnx.terminal.report import Report, Stage
from mmonnx.verifying.matching import Tolerances
from mmonnx.verifying.verification import Case, CaseResult, make_cases

from . import language_models, torchvision_models

NOTHING = "nothing"
REACHED = {"load": "built", "trace": "traced", "simplify": "simplified", "check": "checked", "verify": "run"}
"""By stage of the pipeline, what is reached when it is over. ``matched`` comes after these, ``nothing`` before."""
MIN_DETECTIONS = 10
_FEWEST_CLASSES = 2
_DETECTIONS = {"dets", "boxes"}
_DYNAMIC = ({"dynamic": True}, {"dynamic_batch": True})
_FEWER = {
    "model.test_cfg.rpn.max_per_img": 150,
    "model.test_cfg.rpn.nms_pre": 300,
    "model.test_cfg.rcnn.max_per_img": 50,
    # of rotated boxes thousands are asked for
    "model.test_cfg.nms_pre": 1000,
    "model.test_cfg.max_per_img": 300,
}
"""Proposals and detections, fewer than configs ask for: the same graph, in less time."""

Request = Dict[str, Any]
"""``config``, ``shape`` ((height, width) or None), ``model`` (the file to write), ``answer`` (the JSON to write);
``target``: where it is not empty, the file is compared with PyTorch in that runtime, not in ONNX Runtime."""


class Recorder(Report):
    """A report that nobody reads, and that keeps in ``answer`` which stage is over."""

    def __init__(self, path: Path) -> None:
        super().__init__(io.StringIO())
        self.path = path
        self.answer: Dict[str, Any] = {"reached": NOTHING, "ok": False, "cause": ""}

    @contextmanager
    def stage(self, name: str) -> Iterator[Stage]:
        """As every report's; what is reached is written when the stage ends."""
        with super().stage(name) as stage:
            yield stage
        self.tell(reached=REACHED.get(name, self.answer["reached"]))

    def tell(self, **facts: Any) -> None:
        """Add to the answer, and write it."""
        self.answer.update(facts)
        temporary = self.path.with_suffix(".part")
        temporary.write_text(json.dumps(self.answer), encoding="utf-8")
        os.replace(str(temporary), str(self.path))


def sweep_one(request: Request) -> None:
    """Export and compare one config; whatever comes of it is in the answer."""
    recorder = Recorder(Path(request["answer"]))
    try:
        exported = _export(request, recorder)
        recorder.tell(**(_judge_there(exported, request["target"]) if request.get("target") else _judge(exported)))
    except Exception as error:
        traceback.print_exc()
        recorder.tell(cause=_cause(error))


def _export(request: Request, recorder: Recorder) -> Exported:
    """Export with as much that is dynamic as the model can take."""
    config = request["config"]
    if is_callable_name(config):
        request["shape"], kwargs = torchvision_models.settings(config)
        options: Dict[str, Any] = {"model_kwargs": kwargs}
    else:
        options = {"cfg_options": {**_cheaper(config), **language_models.small(config, Path(request["model"]).parent)}}
    for number, dynamic in enumerate(_DYNAMIC):
        shape = tuple(request["shape"]) if request["shape"] else None
        load = loading.LoadOptions(shape=shape, **options, **dynamic)
        target = request.get("target")
        settings = ExportSettings(config, None, request["model"], load, simplify=True, verify=not target)
        settings = replace(settings, target=target) if target else settings
        try:
            return export(settings, recorder)
        except FixedSizeError:
            if number == len(_DYNAMIC) - 1:
                raise
            request["shape"] = None  # the one size that it takes is its config's own
    raise AssertionError("every attempt returns or raises")


def _cheaper(config: str) -> Dict[str, int]:
    """Overrides that leave fewer proposals and detections, where the config has any."""
    model = loading.read(config)[1].model
    if "num_proposals" in (model.get("rpn_head") or {}):
        return {}  # of proposals that are learnt there are as many as detections
    node, found = model.get("test_cfg") or {}, {}
    for key, value in _FEWER.items():
        *parts, name = key.split(".")[2:]
        settings = node.get(parts[0]) if parts else node
        if isinstance(settings, dict) and (settings.get(name) or 0) > value:
            found[key] = value
    return found


def _judge(exported: Exported) -> Dict[str, Any]:
    """What the verification says, and whether it says anything."""
    task, results = exported.task, exported.results or []
    texts = _of_texts(task)
    axes = (
        ("batch", task.dynamic_batch and not texts),
        ("texts", texts and bool(task.dynamic_axes)),
        ("size", task.dynamic_size),
    )
    facts: Dict[str, Any] = {
        "matched": sum(result.matched for result in results),
        "total": sum(result.total for result in results),
        "nodes": count_nodes(exported.model),
        "dynamic": ", ".join(name for name, is_dynamic in axes if is_dynamic),
        "notes": [
            *(note for note in task.notes if "random weights" not in note),
            *([language_models.NOTE] if task.prompt is not None else []),
        ],
    }
    broken = next((result for result in results if result.verdict == "failed"), None)
    problem = next((f"{result.name}: {line}" for result in results for line in result.problems), None)
    if problem is not None or not exported.ok:
        facts["cause"] = shorten(problem or "the verification failed")
        facts["reached"] = REACHED["check"] if broken else REACHED["verify"]
        return facts
    facts["cause"] = says_nothing(task, results) or ""
    facts["ok"] = not facts["cause"]
    facts["reached"] = "matched" if facts["ok"] else REACHED["verify"]
    return facts


def _judge_there(exported: Exported, name: str) -> Dict[str, Any]:
    """Whether the target's own runtime gives PyTorch's answers on every picture."""
    task, target = exported.task, find_target(name)
    cases = _cases(task)
    results = verify_there(task, cases, exported.model, target)
    return _judge(replace(exported, results=results))


def says_nothing(task: Task, results: List[CaseResult]) -> Optional[str]:
    """Why an agreement is worth nothing, or None: too few detections, or one answer for all pictures."""
    if _DETECTIONS & set(task.output_names) and "panoptic_seg" not in task.output_names:
        found = sum(result.total for result in results if result.name.startswith("photograph"))
        return f"no more than {found} detections to compare" if found < MIN_DETECTIONS else None
    cases = _cases(task)
    # of what is no picture, the samples have batches of their own
    case = next((one for one in cases if len(next(iter(one.feeds.values()))) > 1), cases[0])
    first, *others = task.predict(case.feeds)
    if isinstance(first, RawOutputs):
        same = [name for name, value in first.values.items() if len(value) > 1 and np.allclose(*value[:2])]
        return f"two photographs get the same {same[0]}" if same else None
    if isinstance(first, KeyInformation):
        return "all texts of a page get the same class" if len(np.unique(first.labels)) < _FEWEST_CLASSES else None
    second = others[-1]  # a film whose clips are not averaged has several
    if isinstance(first, Scores):
        gap = float(np.abs(first.probs - second.probs).max())
        alike = gap < 10 * Tolerances().score * float(np.abs(first.probs).max())
        return f"two photographs get the same scores (they differ by {gap:.2g})" if alike else None
    if isinstance(first, Poses):
        same = np.array_equal(first.keypoints[..., :2], second.keypoints[..., :2])
        found = (first.keypoints[..., 2] > 0).any()
        return "two photographs get the same key points" if same else None if found else "no key point is found"
    if isinstance(first, EditedImage):
        alike = first.values.shape == second.values.shape and np.array_equal(first.values, second.values)
        return "two photographs become the same image" if alike else None
    if isinstance(first, LabelMap):
        if np.array_equal(first.labels, second.labels):
            return "two photographs get the same label map"
        return "no pixel differs from the others" if len(np.unique(first.labels)) < _FEWEST_CLASSES else None
    return None


def _cases(task: Task) -> List[Case]:
    """The cases of a task: of pictures two at a time, where it takes more than the texts of one."""
    return make_cases(task, None, task.shape, batch=1 if _of_texts(task) else 2)


def _of_texts(task: Task) -> bool:
    """Whether a model says what the texts of a picture are, and takes one picture at a time."""
    return task.annotations is not None


def _cause(error: Exception) -> str:
    return shorten(first_line(error) if isinstance(error, MmonnxError) else type_and_line(error))


def shorten(line: str) -> str:
    """A line without the places in ONNX Runtime's own source that its messages begin with, or where packages lie."""
    line = re.sub(r"/[^\s\"']*/site-packages/", "", line)
    return re.sub(r"/\S*onnxruntime/\S+:\d+ \w[^(]*\([^)]*\)( \[with [^\]]*\])? ", "", line)


if __name__ == "__main__":
    sweep_one(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
