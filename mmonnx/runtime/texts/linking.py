"""Which components of texts belong together: the graphs that DRRG's file judges in a second run.

In its first run the file takes pictures and gives ``features``, the last six of which are the maps. In the second it
takes the graphs of one picture's components, and its features as ``context``, and gives ``links``: how likely each
component and each of its neighbours are of one text. What the other run needs is ``idle`` then.
"""

from typing import Any, Callable, Dict, Mapping, NamedTuple, Sequence, Tuple

import numpy as np

from .components import Settings, components_of

FEATURES, LINKS = "features", "links"
GRAPH_INPUTS = ("context", "rois", "geometry", "graphs", "adjacency", "neighbours")
"""What a file takes of one picture's components.

context: (1, C, h, w) float32, its features.
rois: (n, 6) float32 0, x and y of the centre, height, width, and the angle in radians.
geometry: (n, g) float32, what a component's place, size and direction become.
graphs: (n, m) int64, the components around each one, which comes first; those without so many are filled with 0.
adjacency: (n, m, m) float32, which of these are near each other, normalised; 0 where they are filled.
neighbours: (n, k) int64, where in ``graphs`` the nearest components are.
"""
_OF_MAPS = 6
_IDLE_SIDE = 32
"""Of a picture that nobody looks at, in pixels: the least that a network of five steps takes."""
_WAVES = 1000.0
Feeds = Dict[str, np.ndarray]
ShapeOf = Callable[[str], Sequence[Any]]


class Graph(NamedTuple):
    """The graphs of one picture's components.

    Attributes:
        feeds: the file's inputs, without ``context``.
        edges: (n, k) int64, the nearest components to each one.
    """

    feeds: Feeds
    edges: np.ndarray


def idle_graph(shape_of: ShapeOf, count: int) -> Feeds:
    """Inputs beside so many pictures, of as many components that mean nothing."""
    fixed = {name: [axis if isinstance(axis, int) else None for axis in shape_of(name)] for name in GRAPH_INPUTS}
    sizes: Dict[str, Tuple[int, ...]] = {
        "context": tuple(axis or one for axis, one in zip(fixed["context"], (1, 1, _IDLE_SIDE, _IDLE_SIDE))),
        "rois": (count, 6),
        "geometry": (count, int(fixed["geometry"][1] or 0)),
        "graphs": (count, 1),
        "adjacency": (count, 1, 1),
        "neighbours": (count, 1),
    }
    whole = ("graphs", "neighbours")
    return {name: np.zeros(size, np.int64 if name in whole else np.float32) for name, size in sizes.items()}


def idle_pictures(shape: Sequence[Any]) -> np.ndarray:
    """Pictures beside a graph, of which nobody wants anything, as small as a file with such an input takes them."""
    usual = (1, 3, _IDLE_SIDE, _IDLE_SIDE)
    return np.zeros([axis if isinstance(axis, int) else one for axis, one in zip(shape, usual)], np.float32)


def linked(features: np.ndarray, texts: Mapping[str, Any], judge: Callable[[Feeds], np.ndarray]) -> Feeds:
    """What the boundaries of one picture's texts are read of, see ``outlines``.

    Args:
        features: (C, h, w), of the first run.
        texts: the file's, see ``runtime.texts``.
        judge: gives the ``links`` (n, k) of ``GRAPH_INPUTS``: the second run.

    Returns:
        ``components`` (n, 9), ``edges`` (n, k) and ``links`` (n, k); of no component where there is no text.
    """
    settings = texts["settings"]
    found = components_of(features[-_OF_MAPS:], settings)
    if found is None:
        return {"components": np.empty((0, 9)), "edges": np.empty((0, 0), np.int64), LINKS: np.empty((0, 0))}
    graph = graph_of(found.attributes, settings)
    links = judge({"context": features[None].astype(np.float32), **graph.feeds})
    if links.shape != graph.edges.shape:
        raise ValueError(f"links {links.shape} of {graph.edges.shape} edges")
    return {"components": found.corners, "edges": graph.edges, LINKS: links}


def graph_of(attributes: np.ndarray, settings: Settings) -> Graph:
    """The graphs of components.

    Args:
        attributes: (n, 6), two at least, see ``Components``.
        settings: of upstream's ``ProposalLocalGraphs``, by its names.
    """
    centres = attributes[:, :2]
    # in whole numbers, so that this order is that of any way to reckon distances
    order = np.argsort(np.sqrt(((centres[:, None] - centres) ** 2).sum(2)), axis=1)
    first, second = settings["k_at_hops"]
    edges = order[:, 1 : first + 1]
    groups = [_around(node, edges, order[:, 1 : second + 1]) for node in range(len(order))]
    near = _near(order[:, 1 : settings["active_connection"] + 1])
    most = max(map(len, groups))
    graphs = np.zeros((len(groups), most), np.int64)
    adjacency = np.zeros((len(groups), most, most), np.float32)
    neighbours = np.empty(edges.shape, np.int64)
    for node, group in enumerate(groups):
        graphs[node, : len(group)] = group
        adjacency[node, : len(group), : len(group)] = _normalised(near[np.ix_(group, group)])
        places = {one: place for place, one in enumerate(group.tolist())}
        neighbours[node] = [places[one] for one in edges[node].tolist()]
    narrow = attributes.astype(np.float32)
    angles = np.arccos(narrow[:, 4]) * np.sign(narrow[:, 5])
    rois = np.hstack([np.zeros((len(narrow), 1), np.float32), narrow[:, :4], angles[:, None]])
    feeds = {
        "rois": rois,
        "geometry": _embedded(attributes, settings["node_geo_feat_dim"]),
        "graphs": graphs,
        "adjacency": adjacency,
        "neighbours": neighbours,
    }
    return Graph(feeds, edges)


def _around(node: int, nearest: np.ndarray, next_ones: np.ndarray) -> np.ndarray:
    """A component, and those that are near it or near one of these."""
    others = np.unique(np.concatenate([nearest[node], next_ones[nearest[node]].reshape(-1)]))
    return np.concatenate([[node], others[others != node]])


def _near(nearest: np.ndarray) -> np.ndarray:
    """(n, n) 1 where one of two components is among those nearest to the other one."""
    near = np.zeros((len(nearest), len(nearest)))
    np.put_along_axis(near, nearest, 1, 1)
    return np.maximum(near, near.T)


def _normalised(near: np.ndarray) -> np.ndarray:
    """An adjacency with loops, divided by the roots of both ends' degrees."""
    looped = near + np.eye(len(near))
    roots = looped.sum(0) ** -0.5
    return np.asarray(looped * roots * roots[:, None])


def _embedded(attributes: np.ndarray, length: int) -> np.ndarray:
    """(n, length) float32: the attributes in waves, sines of every other component and cosines of the rest."""
    count = length // attributes.shape[1]
    waves = _WAVES ** (2.0 * (np.arange(count) // 2) / count)
    embedded = attributes[:, None] / waves[:, None]
    embedded[0::2], embedded[1::2] = np.sin(embedded[0::2]), np.cos(embedded[1::2])
    return np.asarray(embedded.reshape(len(attributes), -1).astype(np.float32))
