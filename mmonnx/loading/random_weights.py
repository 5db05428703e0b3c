"""Seeded random weights that behave like trained ones: normalised activations, scores that spread, detections."""

import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Callable, Collection, Dict, Iterator, List, Optional, Pattern, Sequence, Tuple

import torch
from torch import nn

SPREAD = 2.5
"""Standard deviation that class logits get: with 80 classes some scores then pass the usual threshold of 0.05."""
STEP = 0.5
"""The same of what refines boxes."""
_MOVE = 0.2
"""The same of offsets, in pixels: with more, a stack of deformable layers makes chaos of a rounding error."""
_PRESENT = 8
"""The classes that the greatest heats are of: with more, the corners that are found make no pairs."""
_FEW = 4
"""A class head with no more rows than these judges whole images."""
_DIFFERENT = 0.1
"""The share of a class head's deviation that has to be due to the images, for these to be centred."""
_ASLEEP = 1e-3
"""The greatest value of parameters that do nothing; layer scales begin with 1e-5 or so."""
_CASCADE = 3
"""A detector of no more stages than these keeps its boxes inside the image."""
_TAIL = 5.0
"""The greatest score or delta, in deviations: beyond, scores are 1.0 for many classes, and boxes huge."""
_COUNTED = 16
"""The values of a channel, in fewer of which its variance does not show: of what is pooled over whole images, say."""
_STEADY = 0.2
"""The least variance of a channel, as a share of its layer's: few values may hardly vary, and others do by chance."""
_EPS = 1e-12
"""Of a batch norm that looks at its input: configs with 0 are about, and torch 2.14 takes none in training."""
_BRANCH = 0.2
"""The scale that a residual branch gets: it counts, and a stack of many does not blow up."""


@dataclass(frozen=True)
class Rule:
    """What layers of some names get: a scale with which their outputs spread.

    Attributes:
        layers: what their names match, of linear and convolutional layers.
        spread: standard deviation that their outputs get.
        norms: the running statistics of the batch norms are taken again afterwards.
        tail: whether the greatest output counts as well.
        heats: they make heat maps: of all places that are compared, no class is to have all the best.
        stages: the spread is of all stages of a cascade together.
        bias: what the biases are filled with in the end, None for what centres the outputs.
    """

    layers: Pattern[str]
    spread: float
    norms: bool = False
    tail: bool = True
    heats: bool = False
    stages: bool = False
    bias: Optional[float] = None


# what moves the taps of deformable layers
OFFSETS = Rule(re.compile(r"(^|[._])(\w*offset)(_[sl]|_fc\.\d+)?$"), _MOVE, norms=True)
# what chooses the places of global context: a soft choice, as a hard one depends on a rounding error
CONTEXT = Rule(re.compile(r"[._]conv_mask$"), 1.0, norms=True)
GENERAL: Tuple[Rule, ...] = (
    OFFSETS,
    CONTEXT,
    Rule(
        re.compile(
            r"(^|[._])(\w*cls|\w*cls_logits|\w*cls_out|cls_score|classifier)(\.\d+)?$|^head\.(\w+\.)*(fc|head)$"
        ),
        SPREAD,
    ),
    Rule(re.compile(r"(^|[._])(\w*reg|\w*bbox_pred)(\.\d+)?$"), STEP, stages=True),
)
"""Names that layers have everywhere. The order counts: what regions a head sees depends on the scores before it."""


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch inside the block, and put its random state back after it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def revive(model: nn.Module, undrawn: Collection[str] = ()) -> None:
    """Draw anew what an initialisation for training leaves at zero: whole branches do nothing then, and prove nothing.

    Such are the last norms and the layer scales of residual branches, what moves the taps of deformable convolutions
    and attention or the bins of poolings, context blocks, class heads of transformers. Biases may stay at zero.

    Args:
        model: is changed.
        undrawn: modules, by their classes' names, whose weights are what the memory happened to hold: drawn as well.
    """
    for module in model.modules():
        if not set(undrawn).isdisjoint(base.__name__ for base in type(module).__mro__):
            nn.init.zeros_(module.weight)
    for name, parameter in model.named_parameters():
        if name.endswith("bias") or float(parameter.detach().abs().max()) > _ASLEEP:
            continue
        if parameter.dim() < 2:  # one scale for each channel, or for all of them
            nn.init.constant_(parameter, _BRANCH)
        else:
            nn.init.normal_(parameter, std=_BRANCH * parameter[0].numel() ** -0.5)


def calibrate(
    model: nn.Module, run: Callable[[], Any], rules: Sequence[Rule] = GENERAL, undrawn: Collection[str] = ()
) -> None:
    """Scale the random weights of a model by what they do to a real input.

    What is zero is drawn, see :func:`revive`. The running statistics of the batch norms are taken from the input. Then
    the layers of each rule are scaled, rule by rule, so that their outputs spread.

    Args:
        model: in eval mode, which it stays in.
        run: runs the model on a photograph.
        rules: a codebase's, in the order in which its models run these layers.
        undrawn: see :func:`revive`.
    """
    revive(model, undrawn)
    stages = _stages(model)
    long = stages > _CASCADE  # boxes that walk out of the image are more than upstream can paste masks into
    for rule in rules:
        for module in _find(model, rule.layers).values() if rule.stages and long else ():
            module.weight.data.div_(stages)
    _normalise(model, run)
    # stage by stage: what the RoI heads see depends on the proposals
    for rule in rules:
        spread = rule.spread / stages if rule.stages and long else rule.spread
        if _scale(model, rule, spread, run) and rule.norms:
            _normalise(model, run)


def _stages(model: nn.Module) -> int:
    """How often boxes are refined, one stage after the other."""
    return int(getattr(getattr(model, "roi_head", None), "num_stages", 1))


def _normalise(model: nn.Module, run: Callable[[], Any]) -> None:
    """Take the running statistics of the batch norms from what they see."""
    norms = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    settings = [(norm.momentum, norm.eps) for norm in norms]
    handles = [norm.register_forward_pre_hook(_of_few) for norm in norms]
    for norm in norms:
        norm.momentum, norm.eps = 1.0, max(norm.eps, _EPS)
        norm.train()
    try:
        with torch.no_grad():
            run()
    finally:
        for norm, handle, (momentum, eps) in zip(norms, handles, settings):
            handle.remove()
            norm.momentum, norm.eps = momentum, eps
            norm.eval()
            if norm.running_var is not None:
                norm.running_var.clamp_(min=_STEADY * float(norm.running_var.mean()))


def _of_few(norm: nn.Module, inputs: Tuple[torch.Tensor, ...]) -> None:
    """Give a norm that sees few values of each channel the statistics of all channels together.

    Two images hardly differ in the mean of a channel: divided by that, a third would be a hundred deviations off.
    """
    (values,) = inputs
    if norm.running_var is not None and values.numel() < _COUNTED * values.shape[1]:
        norm.eval()
        norm.running_mean.fill_(float(values.mean()))
        norm.running_var.fill_(float(values.var()))


def _find(model: nn.Module, pattern: Pattern[str]) -> Dict[str, nn.Module]:
    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, (nn.Linear, nn.Conv1d, nn.Conv2d, nn.ConvTranspose2d)) and pattern.search(name)
    }


def _scale(model: nn.Module, rule: Rule, spread: float, run: Callable[[], Any]) -> bool:
    """Scale the layers of a rule so that their outputs spread; whether there are any."""
    layers = _find(model, rule.layers)
    if not layers:
        return False
    seen: Dict[str, List[torch.Tensor]] = {name: [] for name in layers}

    def record(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: Any, output: torch.Tensor) -> None:
            if output.numel() > 1:
                seen[name].append(_computed(module, output.detach().float()))

        return hook

    handles = [module.register_forward_hook(record(name)) for name, module in layers.items()]
    try:
        with torch.no_grad():
            run()
    finally:
        for handle in handles:
            handle.remove()
    for name, module in layers.items():
        total = sum(output.numel() for output in seen[name])
        deviation = sum(float(output.std()) * output.numel() for output in seen[name]) / total if total else 0.0
        if deviation > 0:
            if rule.tail:
                deviation = max(deviation, max(_greatest(module, output) for output in seen[name]) / _TAIL)
            _set_spread(module, spread, deviation, seen[name], heats=rule.heats)
        if rule.bias is not None and module.bias is not None:
            nn.init.constant_(module.bias, rule.bias)
    return True


def _computed(module: nn.Module, output: torch.Tensor) -> torch.Tensor:
    """A layer's output without the places that it left out, as masked convolutions do: these are 0, and not the bias.

    Else what is left out would spread, and nothing of what is there.
    """
    if output.dim() != 4 or module.bias is None or not module.bias.any():
        return output
    there = (output != 0).any(1)
    if there.all() or not there.any():
        return output
    return output.transpose(0, 1)[:, there][None, :, :, None]


def _greatest(module: nn.Module, output: torch.Tensor) -> float:
    """The greatest magnitude of a layer's output but for its bias, which goes: heads for focal loss begin with -4.6."""
    if module.bias is not None:
        axes = 0 if isinstance(module, nn.Linear) else module.weight.dim() - 2  # behind the channels
        output = output - module.bias.detach().reshape([-1] + [1] * axes)
    return float(output.abs().max())


def _set_spread(module: nn.Module, spread: float, deviation: float, outputs: List[torch.Tensor], heats: bool) -> None:
    """Scale a layer; centre the first classes of heat maps too, and those of whole images where these differ enough.

    One class would get all otherwise.
    """
    middle: Any = 0.0
    if heats and module.bias is not None:  # of all places that are compared, one class would have all the best
        mean = torch.cat([output.mean((0, 2, 3))[None] for output in outputs]).mean(0)
        centred = torch.cat([(output - mean[:, None, None]).flatten() for output in outputs])
        deviation = max(float(centred.std()), float(centred.abs().max()) / _TAIL)
        middle = mean - module.bias.data
    if module.bias is not None and len(outputs) == 1 and outputs[0].dim() == 2 and len(outputs[0]) <= _FEW:
        mean = outputs[0].mean(0)
        own = float((outputs[0] - mean).std())
        if own > _DIFFERENT * deviation:
            middle, deviation = mean - module.bias.data, own
    module.weight.data.mul_(spread / deviation)
    if module.bias is not None:
        module.bias.data.zero_().sub_(middle * spread / deviation)
        if heats:
            module.bias.data[_PRESENT:] -= spread
