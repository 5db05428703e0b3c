"""A model as Ray Data calls it: batches of pictures in, a table of answers out."""

import contextlib
import json
import os
from functools import partial
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Mapping, Optional, Sequence, Union

from ..models import open_model
from ..predicting import Flow, Item, Record, Stages, failed, kind_of, limits_for
from .sources import content_of, is_address

if TYPE_CHECKING:  # Ray brings it
    import pyarrow


class BatchDetector:
    """A file for ``ray.data.Dataset.map_batches``; each worker holds one.

        ds = ray.data.read_binary_files("s3://bucket/photos", include_paths=True)
        ds.map_batches(BatchDetector, fn_constructor_args=("detector.onnx",), concurrency=8, batch_size=64)

    The pictures of a batch are read while others are in the network, and may be of many sizes.

    Args:
        file: an ONNX file that mmonnx wrote, which each worker finds under this path.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        threads: that read pictures and run the network on the CPU; what ``num_cpus`` gives a worker.
        batch_size: pictures in a batch of the network, at most; None for what suits the file and the device.
        providers: ONNX Runtime's execution providers in the place of a device, see ``Session``.
        on_error: ``skip`` tells of a picture that cannot be read in the column ``error``; ``stop`` raises.
        top: classes of a picture in the answers of a classifier, the best ones; None for all.

    Raises:
        InputError: the file or a setting is wrong.
    """

    def __init__(
        self,
        file: Union[str, "os.PathLike[str]"],
        device: str = "auto",
        threads: int = 1,
        batch_size: Optional[int] = None,
        providers: Sequence[str] = (),
        on_error: str = "skip",
        top: Optional[int] = None,
    ) -> None:
        model = open_model(file, device, threads=threads, providers=providers, sharing=True)
        self._stages = Stages(model, 0.0, draws=False, top=top)
        self._limits = limits_for(model, threads, batch_size)
        self._on_error = on_error
        self._schema = schema(kind_of(model))

    def __call__(self, batch: Mapping[str, Any]) -> "pyarrow.Table":
        """Answer a batch.

        Args:
            batch: columns ``path``, and ``bytes`` of encoded pictures; where the latter is missing, the path, which may
                be an address that pyarrow knows, is read.

        Returns:
            A row a picture in their order: ``file``, ``height`` and ``width`` in pixels, ``error`` where there is no
            answer, and ``detections`` (``label``, ``name``, ``box`` as x1, y1, x2, y2 in pixels, ``score``, ``mask`` as
            COCO's run lengths), ``segments`` (``label``, ``name``, ``area`` in pixels, ``mask``), ``poses`` (``box``,
            ``score``, ``keypoints``: ``label``, ``name``, ``x``, ``y``, ``score``), ``classes`` (``label``, ``name``,
            ``score``, the best one first) or ``image`` (``height``, ``width``, ``channels`` of an edited one).

        Raises:
            InputError: a picture cannot be read, and errors are to stop.
        """
        import pyarrow

        flow = Flow(self._stages.prepare, self._stages.run, self._stages.finish, self._limits)
        records: List[Record] = []
        with contextlib.closing(flow.results(_items(batch))) as results:
            for item, outcome, error in results:
                if error is not None and self._on_error == "stop":
                    raise error
                records.append((outcome or failed(item, error)).record)
        return pyarrow.Table.from_pylist(records, self._schema)


def _items(batch: Mapping[str, Any]) -> Iterator[Item]:
    paths = [str(path) for path in batch["path"]]
    contents = batch["bytes"] if "bytes" in batch else [None] * len(paths)
    for path, content in zip(paths, contents):
        if content is not None:
            yield Item(path, content=partial(bytes, content))
        else:
            yield Item(path, content=partial(content_of, path) if is_address(path) else None)


def schema(kind: str) -> "pyarrow.Schema":
    """The columns, which are the same for every batch, whatever is in its pictures.

    Args:
        kind: see ``kind_of``.
    """
    import pyarrow

    named = [("label", pyarrow.int64()), ("name", pyarrow.string())]
    box, score = ("box", pyarrow.list_(pyarrow.float64())), ("score", pyarrow.float64())
    places = [("x", pyarrow.float64()), ("y", pyarrow.float64())]
    mask = ("mask", pyarrow.struct([("size", pyarrow.list_(pyarrow.int64())), ("counts", pyarrow.string())]))
    sizes = [("height", pyarrow.int64()), ("width", pyarrow.int64())]
    answers = {
        "detections": [*named, box, score, mask],
        "segments": [*named, ("area", pyarrow.int64()), mask],
        "classes": [*named, score],
        "poses": [box, score, ("keypoints", pyarrow.list_(pyarrow.struct([*named, *places, score])))],
    }
    if kind == "image":  # of which there is one
        answer = pyarrow.struct([*sizes, ("channels", pyarrow.int64())])
    else:
        answer = pyarrow.list_(pyarrow.struct(answers[kind]))
    return pyarrow.schema([("file", pyarrow.string()), *sizes, (kind, answer), ("error", pyarrow.string())])


def line_of(row: Dict[str, Any]) -> str:
    """A row as the line that ``--jsonl`` has of the picture."""
    return json.dumps(_present(row))


def _present(value: Any) -> Any:
    """Without what a table has to have, and this row has not."""
    if isinstance(value, dict):
        return {key: _present(one) for key, one in value.items() if one is not None}
    return [_present(one) for one in value] if isinstance(value, list) else value
