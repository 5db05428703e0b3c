"""Heads whose post-processing is somebody's own code, made for one image at a time, as upstream's is.

The stand-ins have all images of a batch as one: a mean over the image, a loop over classes or a cut to the best hundred
is then one of the whole batch. Such a head is given one image after the other instead, in a batch that is fixed.
"""

import inspect
from contextlib import contextmanager
from pathlib import Path
from types import MethodType
from typing import Any, Iterator, List, NamedTuple, Sequence, Tuple

import torch
from torch import nn

from ...environment import StandIn, compat, plain, standing_in
from ..upstream import PACKAGES
from .batched import flat_detections
from .context import ExportContext
from .instances import as_instances
from .registry import current

_PARTS = ("rpn_head", "bbox_head", "query_head")  # the last is Co-DETR's
_METAS = ("img_metas", "batch_img_metas", "batch_data_samples")
"""Arguments that say where the pictures lie, which is the same for all images of a batch."""


class _Names(NamedTuple):
    """What the methods of a dense head are called in a generation.

    Attributes:
        whole: in which a head does all of its work; one with these of its own may have none of the others.
        functions: of the post-processing, the outermost first.
    """

    whole: Sequence[str]
    functions: Sequence[str]


_FIRST = _Names(("simple_test", "simple_test_bboxes"), ("get_bboxes", "_get_bboxes_single", "_bbox_post_process"))
_SECOND = _Names(("predict",), ("predict_by_feat", "_predict_by_feat_single", "_bbox_post_process"))


def _names() -> _Names:
    return _SECOND if compat.is_second_generation() else _FIRST


def own_code(model: nn.Module) -> List[Tuple[nn.Module, str]]:
    """The dense heads of a detector with post-processing that is not upstream's, and where it is, to be read."""
    found = []
    for head in (getattr(model, part, None) for part in _PARTS):
        owners = [(_owner(head, name), name) for name in (*_names().functions, *_names().whole)]
        own = [pair for pair in owners if _is_users(pair[0])]
        if own:
            found.append((head, _where(*own[0])))
    return found


def _owner(head: Any, name: str) -> Any:
    return next((kind for kind in type(head).__mro__ if name in vars(kind)), None)


def _where(owner: type, name: str) -> str:
    function = inspect.unwrap(getattr(owner, name))
    code = getattr(function, "__code__", None)
    place = f" ({Path(code.co_filename).name}:{code.co_firstlineno})" if code else ""
    return f"{owner.__name__}.{name}{place}"


@contextmanager
def per_image(heads: Sequence[nn.Module]) -> Iterator[None]:
    """Give these heads one image after the other, in this thread and inside the block, which ``rewriting`` is around.

    The batch is that of ``context.image``, and stays it.
    """
    with standing_in(StandIn([head], _entrance(head), _one_after_the_other) for head in heads):
        yield


def _entrance(head: nn.Module) -> str:
    """The outermost method of a head that is the user's own, that of the post-processing if that is no whole one."""
    names = _names()
    return next((name for name in names.whole if _is_users(_owner(head, name))), names.functions[0])


def _is_users(owner: Any) -> bool:
    return owner is not None and owner.__module__.partition(".")[0] not in PACKAGES


def _one_after_the_other(original: MethodType, *args: Any, **kwargs: Any) -> List[Any]:
    """One list element with what a head gives for each image of the batch: boxes (K, 4 or 5), a tuple, or instances."""
    context, found = current(), []
    assert context is not None  # ``per_image`` is inside of ``rewriting``
    # upstream's own loop calls what the head has of its own; its stand-in may do all by itself
    own, head = plain(original.__func__), original.__self__
    count = int(context.input.shape[0])
    for number in range(count):
        with context.of_image(number):
            given = _of_image((args, kwargs), number, count)
            found.append(own(head, *given[0], **given[1])[0])
    if hasattr(found[0], "bboxes"):
        return _joined_instances(context, found)
    return [_joined(context, found)]


def _joined(context: ExportContext, found: Sequence[Any]) -> Any:
    """The rows of all images, of what a head gives for each; ``context`` has their images and the padded form."""
    found = [_by_score(rows) for rows in found]
    with_labels = isinstance(found[0], (tuple, list))
    parts = [torch.cat(rows) for rows in (zip(*found) if with_labels else [found])]
    index = [torch.full_like(_first(rows)[:, 0], number).long() for number, rows in enumerate(found)]
    context.image_index = torch.cat(index)
    context.detections = flat_detections(context, *parts[:2]) if with_labels else None
    return tuple(parts) if with_labels else parts[0]


def _joined_instances(context: ExportContext, found: Sequence[Any]) -> List[Any]:
    """The same of instances of 2.x, with all that they have."""
    more = [name for name, _ in found[0].items() if name not in ("bboxes", "scores", "labels")]
    rows = [
        (torch.cat([one.bboxes, one.scores[:, None]], 1), one.labels, *(one[name] for name in more)) for one in found
    ]
    dets, labels, *values = _joined(context, rows)
    (instances,) = as_instances(context, dets, labels)
    for name, value in zip(more, values):
        instances[name] = value
    return [instances]


def _by_score(rows: Any) -> Any:
    """Detections, the best first, as those of all other heads: upstream's results are by class, and keep no order."""
    if not isinstance(rows, (tuple, list)):
        return rows
    order = rows[0][:, 4].sort(descending=True)[1]
    return tuple(value[order] for value in rows)


def _first(rows: Any) -> torch.Tensor:
    return rows[0] if isinstance(rows, (tuple, list)) else rows


def _of_image(value: Any, number: int, count: int) -> Any:
    """Nested lists of tensors (N, ...) with one image of each; a scalar is a size of all of them."""
    if isinstance(value, torch.Tensor):
        return value[number : number + 1] if count > 1 and value.dim() else value
    if type(value) in (list, tuple):
        return type(value)(_of_image(item, number, count) for item in value)
    if type(value) is dict:
        return {key: item if key in _METAS else _of_image(item, number, count) for key, item in value.items()}
    return value
