"""A transformer that writes: at each step the best token, which it reads at the next one. A loop in standard operators.

What upstream computes of all tokens at every step is computed of the last one, beside the keys and values that the
earlier ones had; or of all, where a token makes those before it see what comes behind them (``padding``).
"""

from typing import Any, List, NamedTuple, Tuple

import torch
from torch.nn import functional

from .body import Body, Value
from .functions import DOMAIN
from .operator import Operator

FAR = -3.0e38
"""The score of what is not seen, of which a softmax makes nothing."""
_HALF = 0.5**0.5


class GreedyWeights(NamedTuple):
    """What such a decoder is made of, L layers, D channels, E channels of keys and values, H heads.

    Attributes:
        embedding: (V, D) of the tokens.
        positions: (T, D).
        keys, values: (L, N, H, S, E / H) of what is looked at.
        seen: (N, S) float32, 0 where that is seen, and ``FAR``.
        norms: (3, L, 2, D), weights and biases of the norms of each layer, in the order of their use.
        own: (L, D, 3E), (L, 3E) queries, keys and values of the tokens.
        own_out: (L, E, D), (L, D).
        query: (L, D, E), (L, E) of what is looked at.
        query_out: (L, E, D), (L, D).
        up: (L, D, F), (L, F).
        down: (L, F, D), (L, D).
        last: (2, D) of the last norm.
        classes: (D, K), (K,).
    """

    embedding: torch.Tensor
    positions: torch.Tensor
    keys: torch.Tensor
    values: torch.Tensor
    seen: torch.Tensor
    norms: torch.Tensor
    own: torch.Tensor
    own_bias: torch.Tensor
    own_out: torch.Tensor
    own_out_bias: torch.Tensor
    query: torch.Tensor
    query_bias: torch.Tensor
    query_out: torch.Tensor
    query_out_bias: torch.Tensor
    up: torch.Tensor
    up_bias: torch.Tensor
    down: torch.Tensor
    down_bias: torch.Tensor
    last: torch.Tensor
    classes: torch.Tensor
    classes_bias: torch.Tensor


def _write(
    body: Body,
    *inputs: Value,
    layers: int,
    heads: int,
    width: int,
    steps: int,
    start: int,
    padding: int,
    gelu: int,
    before: int,
    probs: int,
    eps: float,
    last_eps: float,
) -> Value:
    """The loop; attributes as of ``greedy_transformer``."""
    given = _Named(*inputs)
    every = padding >= 0
    parts = [_Layer(body, given, number, heads, width, gelu, before, eps, steps) for number in range(layers)]
    last = [body.column(given.last, number, 0) for number in range(2)]
    count = body.size(given.seen, 0)
    first = body.op("Expand", body.constant([start]), body.dims(count, 1))
    tokens = body.op("Concat", first, body.op("Expand", body.constant([0]), body.dims(count, steps)), axis=1)
    places, mask = body.range(steps), body.unsqueeze(given.seen, 1, 2)

    def step(turn: Value, tokens: Value, *states: Value) -> Tuple[List[Value], List[Any]]:
        later = body.unsqueeze(places > turn, 0, 1, 2)
        if every:
            read = body.slice(tokens, 1, 0, steps)
            x = body.op("Gather", given.embedding, read, axis=0) + body.slice(given.positions, 0, 0, steps)
            blank = body.unsqueeze(body.op("Equal", read, padding), 1, 3)
            behind = body.unsqueeze(body.unsqueeze(places, 0) > body.unsqueeze(places, 1), 0, 1)
            hidden = _Hidden(later, blank, behind, None)
        else:
            here = body.unsqueeze(body.op("Equal", places, turn), 0, 1, 3)
            token = body.op("Gather", tokens, body.unsqueeze(turn, 0), axis=1)
            place = body.op("Gather", given.positions, body.unsqueeze(turn, 0), axis=0)
            x = body.op("Gather", given.embedding, token, axis=0) + place
            hidden = _Hidden(later, None, None, here)
        following: List[Value] = []
        for number, part in enumerate(parts):
            x, kept = part.write(x, states[2 * number : 2 * number + 2], hidden, mask)
            following += kept
        x = _norm(body, x, last[0], last[1], last_eps)
        found = body.op("MatMul", x, given.classes) + given.classes_bias
        if probs:
            found = body.op("Softmax", found, axis=2)
        following += [found] if every else []
        now = body.op("Gather", found, body.unsqueeze(turn, 0), axis=1) if every else found
        best = body.op("ArgMax", body.squeeze(now, 1), axis=1, keepdims=1)
        where = body.unsqueeze(body.op("Equal", body.range(steps + 1), turn + 1), 0)
        written = body.op("Where", where, best, tokens)
        return [written, *following], [] if every else [("float[n, k]", body.squeeze(found, 1))]

    start_state = ("int64[n, t]", tokens)
    if every:  # the last turn has the scores of all steps, of which what comes behind may change those before
        nothing = body.op("Expand", body.constant([0.0]), body.dims(count, steps, body.size(given.classes, 1)))
        return body.loop(body.constant(steps), [start_state, ("float[n, t, k]", nothing)], step)[1]
    cache = body.op("Expand", body.constant([0.0]), body.dims(count, heads, steps, width))
    states = [start_state, *[("float[n, h, t, d]", cache)] * (2 * layers)]
    return body.op("Transpose", body.loop(body.constant(steps), states, step, 1)[-1], perm=[1, 0, 2])


class _Named(NamedTuple):
    """The inputs of the body by their names."""

    embedding: Value
    positions: Value
    keys: Value
    values: Value
    seen: Value
    norms: Value
    own: Value
    own_bias: Value
    own_out: Value
    own_out_bias: Value
    query: Value
    query_bias: Value
    query_out: Value
    query_out_bias: Value
    up: Value
    up_bias: Value
    down: Value
    down_bias: Value
    last: Value
    classes: Value
    classes_bias: Value


class _Hidden(NamedTuple):
    """What tokens do not see, and where the last one is."""

    later: Value
    blank: Any
    behind: Any
    here: Any


class _Layer:
    """One layer, whose weights are taken out of those of all in front of the loop."""

    def __init__(
        self,
        body: Body,
        given: _Named,
        number: int,
        heads: int,
        width: int,
        gelu: int,
        before: int,
        eps: float,
        steps: int,
    ) -> None:
        self._body, self._heads, self._width, self._gelu = body, heads, width, gelu
        self._before, self._eps, self._steps = before, eps, steps
        norms = [body.column(body.column(given.norms, one, 0), number, 0) for one in range(3)]
        self._norms = [(body.column(norm, 0, 0), body.column(norm, 1, 0)) for norm in norms]
        names = ("own", "own_out", "query", "query_out", "up", "down")
        pairs = [(getattr(given, name), getattr(given, f"{name}_bias")) for name in names]
        self._linear = dict(zip(names, [(body.column(a, number, 0), body.column(b, number, 0)) for a, b in pairs]))
        self._keys = body.op("Transpose", body.column(given.keys, number, 0), perm=[0, 1, 3, 2])
        self._values = body.column(given.values, number, 0)

    def write(self, x: Value, caches: Any, hidden: _Hidden, mask: Value) -> Tuple[Value, List[Value]]:
        """The layer on (N, R, D); the next caches."""
        body = self._body
        normed = self._normed(x, 0) if self._before else x
        found = body.op("Split", self._apply("own", normed), *self._thirds(), outputs=3, axis=2, **self._split())
        query, key, value = (self._by_head(one) for one in found)
        if hidden.here is not None:
            key, value = (body.op("Where", hidden.here, new, old) for new, old in zip((key, value), caches))
        scores = body.op("MatMul", query * (self._width**-0.5), body.op("Transpose", key, perm=[0, 1, 3, 2]))
        if hidden.blank is not None:
            scores = body.op("Where", hidden.behind, FAR, scores)
            scores = body.op("Where", hidden.blank, 0.0, scores)
        scores = body.op("Where", hidden.later, FAR, scores)
        x = self._joined(x, self._apply("own_out", self._seen(scores, value)), 0)
        normed = self._normed(x, 1) if self._before else x
        query = self._by_head(self._apply("query", normed))
        scores = body.op("MatMul", query * (self._width**-0.5), self._keys) + mask
        x = self._joined(x, self._apply("query_out", self._seen(scores, self._values)), 1)
        normed = self._normed(x, 2) if self._before else x
        x = self._joined(x, self._apply("down", self._active(self._apply("up", normed))), 2)
        return x, [] if hidden.here is None else [key, value]

    def _split(self) -> Any:
        return {"split": [self._heads * self._width] * 3} if self._body.opset < 13 else {}

    def _thirds(self) -> Any:
        return [] if self._body.opset < 13 else [[self._heads * self._width] * 3]

    def _joined(self, x: Value, more: Value, number: int) -> Value:
        return x + more if self._before else self._normed(x + more, number)

    def _normed(self, x: Value, number: int) -> Value:
        return _norm(self._body, x, *self._norms[number], self._eps)

    def _apply(self, name: str, x: Value) -> Value:
        weight, bias = self._linear[name]
        return self._body.op("MatMul", x, weight) + bias

    def _by_head(self, x: Value) -> Value:
        split = self._body.reshape(x, 0, 0, self._heads, self._width)
        return self._body.op("Transpose", split, perm=[0, 2, 1, 3])

    def _seen(self, scores: Value, value: Value) -> Value:
        body = self._body
        found = body.op("MatMul", body.op("Softmax", scores, axis=3), value)
        return body.reshape(body.op("Transpose", found, perm=[0, 2, 1, 3]), 0, 0, self._heads * self._width)

    def _active(self, x: Value) -> Value:
        if not self._gelu:
            return self._body.op("Relu", x)
        return x * 0.5 * (self._body.op("Erf", x * _HALF) + 1.0)


def _norm(body: Body, x: Value, weight: Value, bias: Value, eps: float) -> Value:
    centred = x - body.unsqueeze(body.reduce("ReduceMean", x, 2), 2)
    variance = body.unsqueeze(body.reduce("ReduceMean", centred * centred, 2), 2)
    return centred / body.op("Sqrt", variance + eps) * weight + bias


def _compute(
    *inputs: torch.Tensor,
    layers: int,
    heads: int,
    width: int,
    steps: int,
    start: int,
    padding: int,
    gelu: int,
    before: int,
    probs: int,
    eps: float,
    last_eps: float,
) -> torch.Tensor:
    """The same in torch, of all tokens at every step."""
    given = GreedyWeights(*inputs)
    count = given.seen.shape[0]
    tokens = torch.full((count, 1), start, dtype=torch.long, device=given.seen.device)
    found: List[torch.Tensor] = []
    for _ in range(steps):
        x = given.embedding[tokens] + given.positions[: tokens.shape[1]]
        hidden = torch.full((tokens.shape[1],) * 2, FAR, device=x.device).triu(1)[None, None]
        if padding >= 0:
            hidden = torch.where((tokens == padding)[:, None, :, None], torch.full_like(hidden, float("nan")), hidden)
        for number in range(layers):
            x = _layer(x, given, number, hidden, heads, gelu, before, eps)
        x = functional.layer_norm(x, x.shape[-1:], given.last[0], given.last[1], last_eps)
        scores = torch.matmul(x, given.classes) + given.classes_bias
        scores = scores.softmax(2) if probs else scores
        found.append(scores[:, -1])
        tokens = torch.cat([tokens, found[-1].argmax(1, keepdim=True)], 1)
    return scores if padding >= 0 else torch.stack(found, 1)


def _layer(
    x: torch.Tensor,
    given: GreedyWeights,
    number: int,
    hidden: torch.Tensor,
    heads: int,
    gelu: int,
    before: int,
    eps: float,
) -> torch.Tensor:
    def normed(value: torch.Tensor, which: int) -> torch.Tensor:
        weight, bias = given.norms[which, number]
        return functional.layer_norm(value, value.shape[-1:], weight, bias, eps)

    def by_head(value: torch.Tensor) -> torch.Tensor:
        return value.unflatten(2, (heads, -1)).transpose(1, 2)

    def seen(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        scores = query @ key.transpose(2, 3) / query.shape[-1] ** 0.5
        scores = torch.where(mask.isnan(), torch.zeros_like(scores), scores + torch.nan_to_num(mask, nan=0.0))
        return (scores.softmax(-1) @ value).transpose(1, 2).flatten(2)

    start = normed(x, 0) if before else x
    parts = (start @ given.own[number] + given.own_bias[number]).chunk(3, 2)
    query, key, value = (by_head(part) for part in parts)
    x = x + seen(query, key, value, hidden) @ given.own_out[number] + given.own_out_bias[number]
    x = x if before else normed(x, 0)
    query = by_head((normed(x, 1) if before else x) @ given.query[number] + given.query_bias[number])
    looked = seen(query, given.keys[number], given.values[number], given.seen[:, None, None])
    x = x + looked @ given.query_out[number] + given.query_out_bias[number]
    x = x if before else normed(x, 1)
    inner = (normed(x, 2) if before else x) @ given.up[number] + given.up_bias[number]
    inner = functional.gelu(inner) if gelu else functional.relu(inner)
    x = x + inner @ given.down[number] + given.down_bias[number]
    return x if before else normed(x, 2)


_GREEDY = Operator(
    "GreedyTransformer", GreedyWeights._fields, _compute, _write, outputs=((torch.float32, 3),), domain=DOMAIN
)


def greedy_transformer(weights: GreedyWeights, **settings: Any) -> torch.Tensor:
    """The scores (N, T, K) of tokens, each of which is read before the next one is chosen.

    Args:
        weights: of the decoder, and what it looks at.
        settings: ``heads``, ``steps`` T, ``start`` the first token, ``padding`` a token whose row of attention sees all
            alike, -1 for none, ``gelu`` or ReLU, ``before``: norms are in front of what they belong to, ``probs``: the
            scores are probabilities, ``eps``, ``last_eps`` of the norms.
    """
    width = int(weights.own.shape[2]) // 3 // int(settings["heads"])
    return _GREEDY(*weights, layers=int(weights.own.shape[0]), width=width, **settings)
