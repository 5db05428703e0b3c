"""Seeded random weights that behave like trained ones: normalised activations, scores that spread, detections."""

import re
from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterator, List, Tuple

import torch
from torch import nn

_CLASSIFIERS = re.compile(
    r"(^|[._])(cls_convs\.\d+(?=\.\d+$)|\w*cls|\w*cls_logits|\w*cls_out|cls_score|classifier|cls_embed)(\.\d+)?$"
    r"|^head\.(\w+\.)*(fc|head)$"
)
_HEATS = re.compile(r"[._](heatmap_head\.2|(tl|br)_heat\.\d+\.1\.conv)$")
_REGRESSORS = re.compile(r"(^|[._])(\w*reg|\w*bbox_pred|convs_pred)(\.\d+)?$")
_OFFSETS = re.compile(r"(^|[._])(\w*offset)(_[sl]|_fc\.\d+)?$")
_MAPS = re.compile(r"(^|[._])(conv_logits|conv_mask_list(_[xy])?\.\d+|mask_embed\.4)$")
_PEAKS = re.compile(r"(^|[._])deconv2$")
_SHIFTS = re.compile(r"[._](tl|br)_centripetal_shift\.\d+\.1\.conv$")
_WHERE = re.compile(r"[._]conv_mask$")
_EACH_A_MASK = re.compile(r"^mask_head\.conv_cls$")
_RARE = -9.0
"""The bias of class heads that make a mask for every score above the threshold: one in 300 then is."""
_SPREAD = 2.5
"""Standard deviation that class logits get: with 80 classes some scores then pass the usual threshold of 0.05."""
_MOVE = 0.2
"""Standard deviation of offsets, in pixels: with more, a stack of deformable layers makes chaos of a rounding error."""
_HEAT = 1.0
"""The same of heat maps, of which the greatest count: further out, sigmoids of different logits are equal."""
_PRESENT = 8
"""The classes that the greatest heats are of: with more, the corners that are found make no pairs."""
_FEW = 4
"""A class head with no more rows than these judges whole images."""
_DIFFERENT = 0.1
"""The share of a class head's deviation that has to be due to the images, for these to be centred."""
_ASLEEP = 1e-3
"""The greatest value of parameters that do nothing; layer scales begin with 1e-5 or so."""
_UNDRAWN = {"TridentConv"}
"""Upstream's modules that never draw their weights: these are what the memory happened to hold, other in each run."""
_CASCADE = 3
"""A detector of no more stages than these keeps its boxes inside the image."""
_TAIL = 5.0
"""The greatest score or delta, in deviations: beyond, scores are 1.0 for many classes, and boxes huge."""
_WAY = 1.5
"""The mean logarithm of the way from a corner to the centre, in cells: of boxes that corners taken at random make."""
_COUNTED = 16
"""The values of a channel, in fewer of which its variance does not show: of what is pooled over whole images, say."""
_STEADY = 0.2
"""The least variance of a channel, as a share of its layer's: few values may hardly vary, and others do by chance."""
_EPS = 1e-12
"""Of a batch norm that looks at its input: configs with 0 are about, and torch 2.14 takes none in training."""
_BRANCH = 0.2
"""The scale that a residual branch gets: it counts, and a stack of many does not blow up."""


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch inside the block, and put its random state back after it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def revive(model: nn.Module) -> None:
    """Draw anew what an initialisation for training leaves at zero: whole branches do nothing then, and prove nothing.

    Such are the last norms and the layer scales of residual branches, what moves the taps of deformable convolutions
    and attention or the bins of poolings, context blocks, class heads of transformers. Biases may stay at zero.
    What upstream leaves undrawn is drawn as well.
    """
    for module in model.modules():
        if not _UNDRAWN.isdisjoint(base.__name__ for base in type(module).__mro__):
            nn.init.zeros_(module.weight)
    for name, parameter in model.named_parameters():
        if name.endswith("bias") or float(parameter.detach().abs().max()) > _ASLEEP:
            continue
        if parameter.dim() == 1:  # one scale for each channel
            nn.init.constant_(parameter, _BRANCH)
        else:
            nn.init.normal_(parameter, std=_BRANCH * parameter[0].numel() ** -0.5)


def calibrate(model: nn.Module, run: Callable[[], Any]) -> None:
    """Scale the random weights of a model by what they do to a real input.

    What is zero is drawn, see :func:`revive`. The running statistics of the batch norms are taken from the input.
    Offsets of deformable layers are scaled to a part of a pixel, and what chooses the places of global context to a
    soft choice: a hard one hangs on a rounding error. Then the last layers of the classifiers, of the box regressors
    and of what makes maps (masks, grid points) are scaled so that their outputs spread.

    Args:
        model: in eval mode, which it stays in.
        run: runs the model on a photograph.
    """
    revive(model)
    stages = _stages(model)
    for module in _find(model, _REGRESSORS).values() if stages > _CASCADE else ():
        module.weight.data.div_(stages)  # boxes that walk out of the image are more than upstream can paste masks into
    _normalise(model, run)
    for pattern, spread in ((_OFFSETS, _MOVE), (_WHERE, 1.0)):
        if _scale(model, pattern, spread, run):
            _normalise(model, run)
    # stage by stage: what the RoI heads see depends on the proposals
    step = 0.5 / stages if stages > _CASCADE else 0.5
    for pattern, spread in ((_CLASSIFIERS, _SPREAD), (_HEATS, _HEAT), (_REGRESSORS, step), (_MAPS, _SPREAD)):
        _scale(model, pattern, spread, run)
    _scale(model, _PEAKS, 1.0, run)  # where a map is greatest is a grid point: those of saturated maps tie
    _scale(model, _SHIFTS, 0.3, run)
    for module in _find(model, _SHIFTS).values():
        nn.init.constant_(module.bias, _WAY)


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


def _find(model: nn.Module, pattern: Any) -> Dict[str, nn.Module]:
    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)) and pattern.search(name)
    }


def _scale(model: nn.Module, pattern: Any, spread: float, run: Callable[[], Any]) -> bool:
    """Scale the layers of a pattern so that their outputs spread; whether there are any."""
    layers = _find(model, pattern)
    if not layers:
        return False
    seen: Dict[str, List[torch.Tensor]] = {name: [] for name in layers}

    def record(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: Any, output: torch.Tensor) -> None:
            if output.numel() > 1:
                seen[name].append(output.detach().float())

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
            if pattern is not _MAPS and not _EACH_A_MASK.search(name):
                deviation = max(deviation, max(_greatest(module, output) for output in seen[name]) / _TAIL)
            _set_spread(module, spread, deviation, seen[name], heats=pattern is _HEATS)
        if _EACH_A_MASK.search(name) and module.bias is not None:
            module.bias.data.fill_(_RARE)
    return True


def _greatest(module: nn.Module, output: torch.Tensor) -> float:
    """The greatest magnitude of a layer's output but for its bias, which goes: heads for focal loss begin with -4.6."""
    if module.bias is not None:
        axes = 0 if isinstance(module, nn.Linear) else 2  # behind the channels
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
