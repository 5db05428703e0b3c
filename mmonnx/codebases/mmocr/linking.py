"""DRRG of MMOCR 0.x, which finds texts' components and then judges which belong together, as tasks.

The file has both networks: that of pictures, and that of a graph, which somebody who runs it builds in between; see
``runtime.texts.linking``. Neither takes what the other one gives inside of the file, so that each run is one pass.
"""

import importlib
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

import numpy as np
import torch
from torch import nn

from ...environment import compat, inference
from ...loading import (
    Feeds,
    LoadOptions,
    RawModule,
    Task,
    another_size,
    channel_notes,
    check_size,
    give_raw,
    input_channels,
    larger_size,
    make_input,
    raw_names,
    sample_images,
    to_numpy,
)
from ...rewriting import current
from ...runtime import FEATURES, GRAPH_INPUTS, LINKS, MAPS, TextMaps, graph_of
from ...support import InputError
from .convertors import is_upstreams
from .inputs import Shape, name_axes
from .pipelines import Transforms
from .rules import settle, settle_maps

DEFAULT_SHAPE = (640, 960)
_OF_MAPS = 6
_DRAWN = 24
"""The components of a graph that is drawn by lot."""
_LIKELY = (2.0, -1.5)
"""Of random weights, how likely texts and their middles are, in logits: nobody could judge a graph of all pixels."""
_TALL = (8.0, 30.0)
"""Heights of these, in pixels."""


class LinkingModule(nn.Module):
    """Pictures (N, 3, H, W) and a graph -> features (N, C, h, w) and links (n, k). It has to be called inside
    ``rewriting``."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, input: torch.Tensor, *graph: torch.Tensor) -> Tuple[torch.Tensor, torch.Tensor]:
        """Run both networks."""
        context = current()
        assert context is not None  # it is called inside ``rewriting``
        context.start(input)
        return _features(self.model, input), _links(self.model, dict(zip(GRAPH_INPUTS, graph)))


def is_one(model: Any) -> bool:
    """Whether a model is a DRRG."""
    return isinstance(model, importlib.import_module("mmocr.models.textdet").detectors.DRRG)


def make_task(
    model: nn.Module, title: str, transforms: Transforms, norm: Optional[Dict[str, Any]], options: LoadOptions
) -> Task:
    """Make a built detector a task; see ``Codebase.task_of`` and ``detecting.make_task``.

    Raises:
        FixedSizeError: height and width are to be dynamic, and the model takes one size alone.
        InputError: the size is not one of the model's, or its post-processing is somebody's own.
    """
    how = _texts_of(model, title)
    shape = options.shape or DEFAULT_SHAPE
    channels = input_channels(model, partial(_features, model), norm, shape)
    samples = sample_images(options, channels)
    pictures = [samples[number % len(samples)] for number in range(options.batch)]
    device = torch.device(options.device)

    def picture(images: Sequence[np.ndarray], size: Shape) -> Feeds:
        return {"input": make_input(images, size, norm, channels).to(device)}

    def prepare(images: Sequence[np.ndarray], size: Shape) -> Feeds:
        feeds = picture(images, size)
        return {**feeds, **(_own_graph(model, feeds["input"][:1]) or _drawn_graph(model, feeds["input"]))}

    def run(size: Shape) -> Any:
        with inference(model):
            return _features(model, picture(samples[:1], size)["input"])

    check_size(title, shape, run, replace(options, dynamic=False))
    inputs = picture(pictures, shape)
    task = Task(
        codebase="mmocr",
        title=title,
        module=LinkingModule(model).eval(),
        inputs={**inputs, **_drawn_graph(model, inputs["input"])},
        output_names=[FEATURES, LINKS],
        dynamic_axes={},
        predict=partial(_predict, model, how),
        read=lambda outputs: _read(outputs, how, (0, 0)),
        preprocess=prepare,
        other_shape=another_size(title, shape, run) if options.dynamic else None,
        larger_shape=larger_size(shape, run, options),
        texts=how,
        notes=[
            *channel_notes(samples, channels),
            "the file is run twice: it gives maps, and judges the graph that mmonnx predict makes of them",
        ],
    )
    if options.skip_postprocess:
        module = RawModule(model, partial(_features, model)).eval()
        task.texts, task.inputs, task.preprocess, task.notes = None, inputs, picture, task.notes[:-1]
        give_raw(task, module, raw_names(module, task.inputs["input"]))
    name_axes(task, options, (2, 3), maps=True)
    if not options.skip_postprocess:
        _name_graph(task, options)
    return task


def runs(task: Task) -> Callable[[], Any]:
    """What runs a task's model on its sample, of whose graph nothing is built: weights may not yet be any."""
    return partial(task.predict, task.inputs)


def settle_links(model: Any, run: Callable[[], Any]) -> None:
    """Let a model of random weights find components, and take some of them for one text.

    Args:
        model: is changed.
        run: runs it on a sample.
    """
    settle_maps(model.bbox_head, "drrg")
    with torch.no_grad():
        model.bbox_head.out_conv.bias[:2] += torch.tensor(_LIKELY).to(model.bbox_head.out_conv.bias)
    settle(model, 0, run)


def _texts_of(model: Any, title: str) -> Dict[str, Any]:
    """How boundaries are read, see ``runtime.texts``."""
    head = model.bbox_head
    parts = head.graph_test, head.postprocessor
    if not all(is_upstreams(type(one)) for one in parts):
        raise InputError(
            f"{title} has a {' and a '.join(type(one).__name__ for one in parts)} of its own",
            "mmocr's own graphs and post-processing",
            "export its network: give it to mmonnx.export as a plain module",
        )
    found = {name: value for one in parts for name, value in vars(one).items() if isinstance(value, (int, float, str))}
    settings = {**found, "k_at_hops": [int(one) for one in head.graph_test.k_at_hops]}
    return {"how": "drrg", "settings": settings, "downsample": float(head.downsample_ratio)}


def _name_graph(task: Task, options: LoadOptions) -> None:
    """Name the axes of a graph, which no picture's size says."""
    nodes = {0: "num_components"}
    task.dynamic_axes.update(
        {
            "rois": nodes,
            "geometry": nodes,
            "graphs": {**nodes, 1: "num_nodes"},
            "adjacency": {**nodes, 1: "num_nodes", 2: "num_nodes"},
            "neighbours": {**nodes, 1: "num_neighbours"},
            LINKS: {**nodes, 1: "num_neighbours"},
        }
    )
    task.dynamic_axes.pop("context", None)
    if options.dynamic:
        task.dynamic_axes["context"] = {2: "context_height", 3: "context_width"}


def _features(model: Any, image: torch.Tensor) -> torch.Tensor:
    """(N, C, h, w): what components are pooled of; the last six are the maps."""
    features = model.extract_feat(image)
    return torch.cat([features, model.bbox_head.out_conv(features)], 1)


def _links(model: Any, graph: Feeds) -> torch.Tensor:
    """(n, k): how likely each component and its neighbours are of one text."""
    head, around = model.bbox_head, graph["graphs"]
    pooled = head.graph_test.pooling(graph["context"], graph["rois"]).flatten(1)
    nodes = torch.cat([pooled, graph["geometry"]], 1)
    # filled up with differences where upstream has zeros: no other node takes anything of these
    apart = nodes[around] - nodes[:, None]
    scores = head.gcn(apart, graph["adjacency"], graph["neighbours"]).softmax(1)
    return scores[:, 1].reshape(graph["neighbours"].shape)


def _own_graph(model: Any, image: torch.Tensor) -> Optional[Feeds]:
    """The graph that upstream's own inference builds of a picture (1, C, H, W); None where it finds no text."""
    found: Feeds = {}
    with inference(model), _watched(model, found), compat.old_numpy_names():
        model.simple_test(image, [_META], rescale=False)
    return found if "graphs" in found else None


_META = {"filename": "", "scale_factor": np.ones(4, np.float32)}


@contextmanager
def _watched(model: Any, found: Feeds) -> Iterator[None]:
    """Have a detector note the graph that it builds, inside the block, and judge nothing."""
    head, builder = model.bbox_head, model.bbox_head.graph_test
    pool, gather = builder.pooling, builder.generate_local_graphs

    def pooling(features: torch.Tensor, rois: torch.Tensor) -> torch.Tensor:
        found.update(context=features, rois=rois)
        pooled: torch.Tensor = pool(features, rois)
        return pooled

    def generate(order: np.ndarray, nodes: torch.Tensor) -> Any:
        found["geometry"] = nodes[:, -builder.node_geo_feat_dim :]
        return gather(order, nodes)

    def build(maps: torch.Tensor, features: torch.Tensor) -> Any:
        none, graph = builder(maps, features)
        if not none:
            _, adjacency, neighbours, graphs, _ = graph
            found.update(graphs=graphs.to(neighbours.device), adjacency=adjacency, neighbours=neighbours)
        return True, (0,) * 5

    builder.pooling, builder.generate_local_graphs, head.graph_test = pooling, generate, build
    try:
        yield
    finally:
        builder.pooling, head.graph_test = pool, builder
        del builder.generate_local_graphs


def _drawn_graph(model: Any, image: torch.Tensor) -> Feeds:
    """A graph of components that are drawn by lot, on features that are too, for pictures (N, C, H, W)."""
    head, random = model.bbox_head, np.random.RandomState(0)
    height, width = (int(side * head.downsample_ratio) for side in image.shape[2:])
    angles = random.uniform(-1, 1, _DRAWN)
    tall = random.uniform(*_TALL, _DRAWN)
    centres = random.randint(0, width, _DRAWN), random.randint(0, height, _DRAWN)
    attributes = np.stack([*centres, tall, 0.4 * tall, np.cos(angles), np.sin(angles)], 1)
    settings = {**vars(head.graph_test)}
    feeds = {name: torch.from_numpy(value) for name, value in graph_of(attributes, settings).feeds.items()}
    generator = torch.Generator().manual_seed(0)
    context = torch.randn(1, head.in_channels + _OF_MAPS, height, width, generator=generator)
    return {name: value.to(image.device) for name, value in {"context": context, **feeds}.items()}


def _predict(model: Any, how: Dict[str, Any], feeds: Feeds) -> List[TextMaps]:
    """What upstream's own layers give of pictures, and of a graph."""
    height, width = feeds["input"].shape[2:]
    found = {FEATURES: _in_upstreams_inference(model, feeds["input"])}
    with inference(model):
        if set(GRAPH_INPUTS) <= set(feeds):
            found[LINKS] = _links(model, feeds)
    return _read(to_numpy(found), how, (int(height), int(width)))


def _in_upstreams_inference(model: Any, images: torch.Tensor) -> torch.Tensor:
    """The features (N, C, h, w) that upstream's inference hands to what builds graphs."""
    head, builder = model.bbox_head, model.bbox_head.graph_test
    found: List[torch.Tensor] = []

    def keep(maps: torch.Tensor, features: torch.Tensor) -> Any:
        found.append(features)
        return True, (0,) * 5

    head.graph_test = keep
    try:
        with inference(model):
            model.simple_test(images, [_META] * len(images), rescale=False)
    finally:
        head.graph_test = builder
    return found[0]


def _read(outputs: Dict[str, np.ndarray], how: Dict[str, Any], shape: Shape) -> List[TextMaps]:
    """Each picture's features, and the maps that are the last of them; with the first one's the links."""
    rows = [{FEATURES: one, MAPS: one[-_OF_MAPS:]} for one in outputs[FEATURES]]
    if LINKS in outputs:
        rows[0][LINKS] = outputs[LINKS]
    return [TextMaps(one, how, shape) for one in rows]
