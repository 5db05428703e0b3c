"""``mmonnx predict`` beside one picture at a time and beside the session alone, each in a process of its own.

    python predicting.py WAY FILE FOLDER [TOP]

is such a process: it prints the seconds with loading the file, the processor time, and the peak of its memory.
"""

import importlib
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

import cv2
import numpy as np

import mmonnx
from mmonnx.runtime import PredictSettings, Session, open_model, predict
from mmonnx.runtime.predicting.answers import JsonFile
from mmonnx.runtime.predicting.records import record_of
from mmonnx.support.errors import InputError

_READY = 64
"""Arrays that the session alone gets, over and over: more would be measured as memory."""
_SIDES = (120, 480)
"""Of the pictures, in pixels."""


class Way(NamedTuple):
    """How the pictures were answered.

    Attributes:
        name: of ``WAYS``.
        rates: pictures a second, of each round.
        seconds: of processor time for a picture.
        memory_mb: the peak.
    """

    name: str
    rates: Tuple[float, ...]
    seconds: float
    memory_mb: float


def make_pictures(photographs: Sequence[np.ndarray], folder: Path, count: int) -> None:
    """Parts of photographs, of mixed sizes, as JPEG; the same ones each time."""
    random_state = np.random.RandomState(0)
    for number in range(count):
        whole = photographs[number % len(photographs)]
        sides = [int(random_state.randint(_SIDES[0], min(_SIDES[1], side))) for side in whole.shape[:2]]
        top, left = (int(random_state.randint(0, have - side)) for have, side in zip(whole.shape[:2], sides))
        part = whole[top : top + sides[0], left : left + sides[1]]
        cv2.imwrite(str(folder / f"{number:06}.jpg"), part)


def measure_predict(file: str, folder: Path, rounds: int, top: Optional[int] = None) -> List[Way]:
    """Each way in turn, as often as there are rounds, so that what else the machine does meets all of them.

    Args:
        file: the ONNX file.
        folder: the pictures.
        rounds: how often each is run.
        top: of a classifier's classes in the answers; None for all.

    Raises:
        InputError: one of them fails.
    """
    found: Dict[str, List[Tuple[float, float, float]]] = {name: [] for name in WAYS}
    count = len(list(folder.iterdir()))
    for _ in range(rounds):
        for name in WAYS:
            found[name].append(_in_a_process(name, file, folder, top))
    return [
        Way(
            name,
            tuple(count / seconds for seconds, _, _ in runs),
            median(one[1] for one in runs) / count,
            max(one[2] for one in runs),
        )
        for name, runs in found.items()
    ]


def ratio(ways: Sequence[Way], one: str, other: str) -> float:
    """How many times as many pictures a second, the median over the rounds."""
    by_name = {way.name: way for way in ways}
    return median(mine / its for mine, its in zip(by_name[one].rates, by_name[other].rates))


def predict_table(ways: Sequence[Way]) -> str:
    """A line a way."""
    lines = [f"{'':16}  pictures/s  to one at a time  to the session  processor ms  peak MiB"]
    for way in ways:
        ratios = f"{ratio(ways, way.name, ONE):16.2f}  {ratio(ways, way.name, ALONE):14.2f}"
        lines.append(
            f"{way.name:16}  {median(way.rates):10.1f}  {ratios}  {way.seconds * 1e3:12.2f}  {way.memory_mb:8.0f}"
        )
    return "\n".join(lines)


def _in_a_process(name: str, file: str, folder: Path, top: Optional[int]) -> Tuple[float, float, float]:
    command = [sys.executable, __file__, name, file, str(folder), *([] if top is None else [str(top)])]
    environment = {**os.environ, "PYTHONPATH": str(Path(mmonnx.__file__).resolve().parents[1])}  # this one, not another
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise InputError(f"'{name}' failed ({reason})", "a file that mmonnx predict runs", "try mmonnx predict")
    seconds, processor, memory = json.loads(done.stdout.splitlines()[-1])
    return seconds, processor, memory


def _sources(folder: Path) -> List[str]:
    return sorted(map(str, folder.iterdir()))


def _one_at_a_time(file: str, folder: Path, top: Optional[int]) -> float:
    """As a loop over a ``Detector`` does it."""
    started = time.perf_counter()
    model: Any = open_model(file)
    with JsonFile(folder.parent / "one.json") as answers:
        for path in _sources(folder):
            picture = model.read(path)
            record = record_of(model, (path, None), picture.shape[:2], model(picture), top)
            answers.add(record, json.dumps(record))
    return time.perf_counter() - started


def _session_alone(file: str, folder: Path, top: Optional[int]) -> float:
    """What ONNX Runtime takes for arrays that are ready, with its own settings."""
    model: Any = open_model(file)
    sources = _sources(folder)
    ready = [model.ready(path) for path in sources[:_READY]]
    feeds = [{"input": one.feed, **one.placed} for one in ready]
    started = time.perf_counter()
    session = Session(file)
    for number in range(len(sources)):
        session.run(feeds[number % len(feeds)])
    return time.perf_counter() - started


def _predict(file: str, folder: Path, top: Optional[int]) -> float:
    started = time.perf_counter()
    predict(PredictSettings(file, [str(folder)], json=str(folder.parent / "predict.json"), top=top))
    return time.perf_counter() - started


ONE = "one at a time"
ALONE = "session alone"
PREDICT = "mmonnx predict"
WAYS = {ONE: _one_at_a_time, ALONE: _session_alone, PREDICT: _predict}


def main(arguments: Optional[Sequence[str]] = None) -> None:
    """Answer the pictures of a folder in one way."""
    way, file, folder, *more = arguments or sys.argv[1:]
    importlib.import_module("onnxruntime")  # which is not what is measured
    before = resource.getrusage(resource.RUSAGE_SELF)
    seconds = WAYS[way](file, Path(folder), int(more[0]) if more else None)
    used = resource.getrusage(resource.RUSAGE_SELF)
    processor = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps([seconds, processor, _peak_mb()]))


def _peak_mb() -> float:
    """The most memory that this process had; ``getrusage`` also counts what its parent had when it was started."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))


if __name__ == "__main__":
    main()
