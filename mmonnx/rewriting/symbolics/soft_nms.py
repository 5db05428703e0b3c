"""Soft suppression in standard operators: a loop that takes the best box of every class and weakens its neighbours."""

from typing import Any, Tuple

import torch
from torch.autograd import Function as AutogradFunction

from ...environment import compat
from .functions import DOMAIN, Function, register

ABSENT = -1.0
"""The score of a box that is gone; real scores are not negative."""
METHODS = ("naive", "linear", "gaussian")

_DECAY = {
    "naive": """
                over = Greater (iou, iou_threshold)
                weight = Where (over, zero, one)""",
    "linear": """
                over = Greater (iou, iou_threshold)
                less = Sub (one, iou)
                weight = Where (over, less, one)""",
    "gaussian": """
                square = Mul (iou, iou)
                part = Div (square, sigma)
                minus = Sub (zero, part)
                weight = Exp (minus)""",
}

# No Min or Max: PPLNN crashes on those of tensors of this rank. TopK, not ArgMax: it gives the value and its place.
_BODY = """
<domain: "mmonnx", opset_import: ["": {opset}]>
SoftNms_METHOD (boxes, scores, base, number, iou_threshold, sigma, min_score, limit) => (best, place)
{
    zero = Constant <value = float {0.0}> ()
    one = Constant <value = float {1.0}> ()
    gone = Constant <value = float {-1.0}> ()
    alive_from = Constant <value = float {-0.5}> ()
    single = Constant <value = int64[1] {1}> ()
    rows = Constant <value = int64[2] {-1, 4}> ()
    flat = Reshape (boxes, rows)
    turned = Transpose <perm = [0, 2, 1]> (boxes)
    go = Constant <value = bool {1}> ()
    first = Constant <value = int64[1] {0}> ()
    second = Constant <value = int64[1] {1}> ()
    third = Constant <value = int64[1] {2}> ()
    fourth = Constant <value = int64[1] {3}> ()
    x1 = Gather <axis = 1> (turned, first)
    y1 = Gather <axis = 1> (turned, second)
    x2 = Gather <axis = 1> (turned, third)
    y2 = Gather <axis = 1> (turned, fourth)
    width = Sub (x2, x1)
    height = Sub (y2, y1)
    area = Mul (width, height)
    left_scores, best, place = Loop <body = step (int64 turn, bool going, float[b, c, k] state)
        => (bool again, float[b, c, k] next_state, float[b, c, 1] value, int64[b, c, 1] index) {
                value, index = TopK <axis = 2> (state, single)
                row = Add (index, base)
                chosen = Gather <axis = 0> (flat, row)
                i1 = Constant <value = int64 {0}> ()
                i2 = Constant <value = int64 {1}> ()
                i3 = Constant <value = int64 {2}> ()
                i4 = Constant <value = int64 {3}> ()
                cx1 = Gather <axis = 3> (chosen, i1)
                cy1 = Gather <axis = 3> (chosen, i2)
                cx2 = Gather <axis = 3> (chosen, i3)
                cy2 = Gather <axis = 3> (chosen, i4)
                after = Greater (x1, cx1)
                left = Where (after, x1, cx1)
                below = Greater (y1, cy1)
                top = Where (below, y1, cy1)
                before = Less (x2, cx2)
                right = Where (before, x2, cx2)
                above = Less (y2, cy2)
                bottom = Where (above, y2, cy2)
                across = Sub (right, left)
                down = Sub (bottom, top)
                shared_width = Relu (across)
                shared_height = Relu (down)
                shared = Mul (shared_width, shared_height)
                chosen_width = Sub (cx2, cx1)
                chosen_height = Sub (cy2, cy1)
                chosen_area = Mul (chosen_width, chosen_height)
                both = Add (area, chosen_area)
                union = Sub (both, shared)
                extended = Greater (union, zero)
                divisor = Where (extended, union, one)
                iou = Div (shared, divisor)DECAY
                weaker = Mul (state, weight)
                alive = Greater (state, alive_from)
                weak = Less (weaker, min_score)
                strong = Not (weak)
                other = Equal (number, index)
                rest = Not (other)
                stays = And (alive, strong)
                kept = And (stays, rest)
                next_state = Where (kept, weaker, gone)
                greatest = ReduceMax <keepdims = 0> (next_state)
                again = Greater (greatest, alive_from)
        }> (limit, go, scores)
}
"""
for _method in METHODS:
    register(Function(f"SoftNms_{_method}", _BODY.replace("METHOD", _method).replace("DECAY", _DECAY[_method])))


class _SoftNms(AutogradFunction):
    @staticmethod
    def forward(
        ctx: Any,
        boxes: torch.Tensor,
        scores: torch.Tensor,
        base: torch.Tensor,
        number: torch.Tensor,
        limit: torch.Tensor,
        method: str,
        iou_threshold: float,
        sigma: float,
        min_score: float,
    ) -> Tuple[torch.Tensor, torch.Tensor]:
        flat, sides = boxes.reshape(-1, 4), boxes[:, None]
        area = (sides[..., 2] - sides[..., 0]) * (sides[..., 3] - sides[..., 1])
        state, values, places = scores, [], []
        for _ in range(int(limit)):
            value, index = state.topk(1, dim=2)
            values.append(value)
            places.append(index)
            chosen = flat[index + base]
            low = torch.maximum(sides[..., :2], chosen[..., :2])
            high = torch.minimum(sides[..., 2:], chosen[..., 2:])
            shared = (high - low).clamp(min=0).prod(-1)
            union = area + (chosen[..., 2:] - chosen[..., :2]).prod(-1) - shared
            iou = shared / torch.where(union > 0, union, torch.ones_like(union))
            weaker = state * _decay(iou, method, iou_threshold, sigma)
            kept = (state > ABSENT / 2) & ~(weaker < min_score) & (number != index)
            state = torch.where(kept, weaker, state.new_full((1,), ABSENT))
            if not (state > ABSENT / 2).any():
                break
        return torch.stack(values), torch.stack(places)

    @staticmethod
    def symbolic(
        g: Any,
        boxes: Any,
        scores: Any,
        base: Any,
        number: Any,
        limit: Any,
        method: str,
        iou_threshold: float,
        sigma: float,
        min_score: float,
    ) -> Any:
        numbers = [
            g.op("Constant", value_t=torch.tensor(value, dtype=torch.float32))
            for value in (iou_threshold, sigma, min_score)
        ]
        results = g.op(f"{DOMAIN}::SoftNms_{method}", boxes, scores, base, number, *numbers, limit, outputs=2)
        for result, kind in zip(results, (torch.float32, torch.int64)):
            result.setType(compat.tensor_type(kind, 4))
        return results


def _decay(iou: torch.Tensor, method: str, iou_threshold: float, sigma: float) -> torch.Tensor:
    if method == "gaussian":
        return torch.exp(-iou * iou / sigma)
    weaker = 1 - iou if method == "linear" else torch.zeros_like(iou)
    return torch.where(iou > iou_threshold, weaker, torch.ones_like(iou))


def soft_nms(
    boxes: torch.Tensor,
    scores: torch.Tensor,
    limit: torch.Tensor,
    method: str,
    iou_threshold: float,
    sigma: float,
    min_score: float,
) -> Tuple[torch.Tensor, torch.Tensor]:
    """mmcv's ``soft_nms`` in each batch and each class by itself.

    Args:
        boxes: (B, K, 4) ``(x1, y1, x2, y2)``.
        scores: (B, C, K), ``ABSENT`` where a box takes no part.
        limit: int64 scalar, the greatest number of boxes taken per batch and class.
        method: ``naive``, ``linear`` or ``gaussian``.
        iou_threshold: of the methods naive and linear.
        sigma: of gaussian.
        min_score: boxes that fall below it are dropped.

    Returns:
        values: (T, B, C, 1) the scores with which boxes were taken, one a turn from the best down; ``ABSENT`` where
            none was left; T is 1 or more.
        places: (T, B, C, 1) int64 which box it was.
    """
    base = (torch.arange(boxes.shape[0], device=boxes.device) * boxes.shape[1])[:, None, None]
    number = torch.arange(boxes.shape[1], device=boxes.device)
    return _SoftNms.apply(
        boxes, scores, base, number, limit, str(method), float(iou_threshold), float(sigma), float(min_score)
    )
