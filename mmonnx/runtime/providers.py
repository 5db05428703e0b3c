"""The execution providers of ONNX Runtime by the names that ``--providers`` takes, with what each needs."""

from typing import Dict, List, NamedTuple, Sequence, Tuple

from ..support import InputError

CPU = "CPUExecutionProvider"


class Provider(NamedTuple):
    """A provider.

    Attributes:
        title: ONNX Runtime's name of it.
        package: what brings it.
        options: what it gets, where the user says nothing else.
        gpu: it runs on a device with memory of its own, where larger batches pay.
        alone: it takes one call at a time.
    """

    title: str
    package: str
    options: Dict[str, str] = {}
    gpu: bool = False
    alone: bool = False


PROVIDERS = {
    "cpu": Provider(CPU, "onnxruntime"),
    "cuda": Provider("CUDAExecutionProvider", "onnxruntime-gpu", gpu=True, alone=True),
    # each new size of picture is built anew, which takes minutes: what was timed for one serves the next
    "tensorrt": Provider(
        "TensorrtExecutionProvider", "onnxruntime-gpu", {"trt_timing_cache_enable": "1"}, gpu=True, alone=True
    ),
    "openvino": Provider("OpenVINOExecutionProvider", "onnxruntime-openvino", {"device_type": "CPU"}, alone=True),
    "coreml": Provider("CoreMLExecutionProvider", "onnxruntime on macOS", alone=True),
    # ONNX Runtime's documentation asks for this much of DirectML's sessions: no calls side by side, no memory patterns
    "directml": Provider("DmlExecutionProvider", "onnxruntime-directml", gpu=True, alone=True),
}


def parse_providers(texts: Sequence[str], available: Sequence[str]) -> List[Tuple[Provider, Dict[str, str]]]:
    """Providers with their options; the CPU's is last in any case, as it takes what the others do not.

    Args:
        texts: each ``NAME`` or ``NAME:KEY=VALUE:KEY=VALUE``.
        available: ONNX Runtime's names of those that it was built with.

    Raises:
        InputError: one is unknown or not there, or an option is no such pair.
    """
    found = [_parsed(text, available) for text in texts]
    cpu = PROVIDERS["cpu"]
    return found if any(one is cpu for one, _ in found) else [*found, (cpu, {})]


def _parsed(text: str, available: Sequence[str]) -> Tuple[Provider, Dict[str, str]]:
    name, *pairs = text.split(":")
    if name not in PROVIDERS:
        raise InputError(f"provider {name!r} is unknown", ", ".join(PROVIDERS), "give some of these")
    provider = PROVIDERS[name]
    if provider.title not in available:
        there = ", ".join(key for key, one in PROVIDERS.items() if one.title in available)
        raise InputError(
            f"provider {name!r} is not in the installed ONNX Runtime, which has {there}",
            f"{provider.package} in the place of onnxruntime",
            "install it, or give another provider",
        )
    wrong = [pair for pair in pairs if "=" not in pair]
    if wrong:
        raise InputError(f"--providers {text!r} has an option {wrong[0]!r} without '='", "KEY=VALUE", "fix it")
    return provider, {**provider.options, **dict(pair.split("=", 1) for pair in pairs)}


def known_provider(title: str) -> Provider:
    """The provider that ONNX Runtime calls so; one that is not listed is taken for a device's."""
    known = {one.title: one for one in PROVIDERS.values()}
    return known.get(title, Provider(title, "onnxruntime", gpu=True, alone=True))
