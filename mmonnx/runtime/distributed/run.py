"""``mmonnx predict --engine ray``: Ray Data from the sources to the parts."""

import contextlib
import math
import re
import socket
import sys
from typing import Any, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from ...support import InputError, first_line
from ..editors import ImageEditor
from ..key_information import KeyInformationExtractor
from ..models import open_model
from ..predicting import Predicted, PredictSettings, Tell, check_top, cores, limits_for, tell_nobody
from .batches import BatchDetector
from .sources import absolute, check_empty, find_pictures, find_tables

_ROWS = 64
"""Pictures of a block, for each thread of a worker: enough for batches of several sizes, and little to do again."""
_BLOCKS = 10_000
"""At most, as Ray keeps account of each one; those of more pictures have more."""
_SPARE = 0.2
"""Of a core beside each worker, for two tasks that write: with none, a machine of one core would wait for ever."""
_COLUMNS = ("path", "bytes")
_PATIENCE = 20.0
"""Seconds for a cluster to answer."""


class Workers(NamedTuple):
    """What a cluster has room for: workers, each with so many threads, and on a GPU of its own or none."""

    most: int
    threads: int
    gpu: bool


def predict_with_ray(
    settings: PredictSettings, address: Optional[str] = None, parquet: Optional[str] = None, tell: Tell = tell_nobody
) -> Predicted:
    """Run a file on pictures, on all machines of a cluster.

    Args:
        settings: ``jsonl`` is a folder for the parts here.
        address: of a cluster that runs, such as ``auto``; None starts one on this machine, where there is none yet.
        parquet: a folder for parts in that format.
        tell: gets a line that says how many workers there are.

    Raises:
        InputError: Ray is not there, a source or a setting is wrong, the folder has something in it, or no picture
            at all has an answer.
    """
    out, kind = _target(settings, parquet)
    ray = _ray()
    _check_file(settings)
    check_empty(out)
    pictures, tables = find_pictures(settings.sources), find_tables(settings.sources)
    from .parts import Parts

    with _cluster(ray, address) as cpus, _own_errors(ray):
        parts = Parts(out, kind)
        workers = _workers(settings, cpus, int(ray.cluster_resources().get("GPU", 0)))
        tell(f"Ray: up to {workers.most} workers of {workers.threads} threads{', each on a GPU' * workers.gpu}")
        dataset = _read(ray, pictures, tables, workers)
        answers = _answered(dataset, settings, workers)
        # a bound, as Ray keeps a share of the cores for what has none
        writers = max(2, workers.most // 8)
        answers.write_datasink(parts, ray_remote_args={"num_cpus": _SPARE / 2}, concurrency=writers)
    found = parts.summary or Predicted(0, 0, ())
    if not found.count:
        name, reason = found.reasons[0] if found.reasons else ("the sources", "they hold no picture")
        raise InputError(f"no picture has an answer ({name}: {reason})", "pictures that can be read", "check them")
    return found


def _ray() -> Any:
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise InputError("Ray is not installed", "Ray Data", "pip install 'mmonnx[ray]'") from error
    return ray


def _target(settings: PredictSettings, parquet: Optional[str]) -> Tuple[str, str]:
    """The folder and the format of the parts."""
    settings.check()
    given = [(path, kind) for path, kind in ((settings.jsonl, "jsonl"), (parquet, "parquet")) if path]
    if len(given) != 1 or settings.out or settings.json or settings.coco or settings.resume:
        raise InputError("--engine ray writes parts", "one of --jsonl FOLDER and --parquet FOLDER", "give that alone")
    if settings.runtime != PredictSettings.runtime:
        raise InputError("--engine ray runs files in ONNX Runtime", "no --runtime", "leave it out")
    if settings.boxes:
        raise InputError("--engine ray has no boxes for pictures", "no --boxes", "leave it out")
    if settings.annotations:
        raise InputError("--engine ray has no texts for pictures", "no --annotations", "leave it out")
    if settings.beside:
        raise InputError("--engine ray has nothing beside pictures", "no --with", "leave it out")
    return absolute(given[0][0]), given[0][1]


def _check_file(settings: PredictSettings) -> None:
    """Refuse here what every worker would refuse."""
    model = open_model(settings.file, "cpu", threads=1)
    limits_for(model, 1, settings.batch_size)
    check_top(settings, model)
    if isinstance(model, ImageEditor) and model.takes:
        raise InputError(
            f"'{settings.file}' takes {' and '.join(model.takes)} beside a picture",
            "a file that takes a picture alone",
            "leave --engine ray out",
        )
    if isinstance(model, KeyInformationExtractor):
        raise InputError(
            f"'{settings.file}' takes the texts of each picture",
            "a file that takes a picture alone",
            "leave --engine ray out",
        )
    if settings.text is not None or model.description.prompt is not None:
        raise InputError("--engine ray asks no file for a text", "a file that takes a picture alone", "leave it out")
    for what in model.left_out:
        print(f"warning: the config's test pipeline also has {what}: the file does one pass without", file=sys.stderr)


@contextlib.contextmanager
def _cluster(ray: Any, address: Optional[str]) -> Iterator[int]:
    """The cores of a cluster; of the one that whoever calls has connected to, if any, which is left as it is.

    One on this machine has one more by Ray's account: what lists the files of tables asks for a whole one, and would
    wait for the workers, which wait for it.
    """
    if ray.is_initialized():
        yield int(ray.cluster_resources().get("CPU", 0))
        return
    alone = {"num_cpus": cores() + 1, "include_dashboard": False}
    try:
        _check_answers(address or "")
        ray.init(address=address or "local", log_to_driver=False, **({} if address else alone))
    except (OSError, RuntimeError, ValueError) as error:
        what = f"Ray does not start at address {address!r} ({first_line(error)})"
        raise InputError(what, "a cluster that runs", "check it with `ray status`") from error
    context = ray.data.DataContext.get_current()
    shown, context.enable_progress_bars = context.enable_progress_bars, sys.stderr.isatty()  # else lines and lines
    try:
        yield int(ray.cluster_resources().get("CPU", 0)) if address else cores()
    finally:
        context.enable_progress_bars = shown
        ray.shutdown()


def _check_answers(address: str) -> None:
    """Raise OSError where nobody listens at HOST:PORT; Ray would try again for many minutes."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE).close()


@contextlib.contextmanager
def _own_errors(ray: Any) -> Iterator[None]:
    """Raise an error that a worker raised on purpose as that; Ray hands on the text alone, with where it came from."""
    try:
        yield
    except ray.exceptions.RayError as error:
        own = re.findall(r"InputError: (.*); expected (.*); (.*?)\)?$", str(error), re.MULTILINE)
        if not own:
            raise
        raise InputError(*own[-1]) from error


def _workers(settings: PredictSettings, cpus: int, gpus: int) -> Workers:
    """A worker for each GPU, or for each so many cores."""
    if settings.device.startswith("cuda") or (settings.device == "auto" and gpus):
        if not gpus:
            raise InputError("--device cuda is nowhere in the cluster", "a machine with a GPU", "use --device cpu")
        return Workers(gpus, settings.threads or max(cpus // gpus, 1), True)
    threads = settings.threads or 1
    return Workers(max(cpus // threads, 1), threads, False)


def _read(ray: Any, pictures: Sequence[str], tables: Sequence[str], workers: Workers) -> Any:
    """A column ``path``, and one of ``bytes`` where a table has it."""
    found: List[Any] = []
    if pictures:
        rows = max(_ROWS * workers.threads, math.ceil(len(pictures) / _BLOCKS))
        blocks = [pictures[start : start + rows] for start in range(0, len(pictures), rows)]
        found.append(ray.data.from_arrow([_table(block) for block in blocks]))
    for table in tables:
        dataset = ray.data.read_parquet(table)
        names = [name for name in _COLUMNS if name in dataset.schema().names]
        if "path" not in names:
            raise InputError(f"'{table}' has no column 'path'", "path, and bytes of pictures or none", "rename it")
        found.append(dataset.select_columns(names))
    return found[0] if len(found) == 1 else found[0].union(*found[1:])


def _table(paths: Sequence[str]) -> Any:
    import pyarrow

    return pyarrow.table({"path": paths, "bytes": pyarrow.nulls(len(paths), pyarrow.binary())})


def _answered(dataset: Any, settings: PredictSettings, workers: Workers) -> Any:
    """The answers, by workers that each hold a session."""
    options = {
        "device": settings.device,
        "threads": workers.threads,
        "batch_size": settings.batch_size,
        "providers": tuple(settings.providers),
        "on_error": settings.on_error,
        "top": settings.top,
    }
    return dataset.map_batches(
        BatchDetector,
        fn_constructor_args=(absolute(settings.file),),
        fn_constructor_kwargs=options,
        batch_size=None,  # a block
        concurrency=(1, workers.most),  # as the cluster has room for
        num_cpus=workers.threads - _SPARE,
        num_gpus=1 if workers.gpu else 0,
    )
