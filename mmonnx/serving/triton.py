"""``mmonnx triton``: an exported file as a model repository, ``NAME/config.pbtxt`` and ``NAME/VERSION/model.onnx``."""

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, List, Optional, Sequence

from ..runtime import Description, external_entries, load_session
from ..support import InputError, check_writable, replacing_many
from .kserve import inference_service
from .pbtxt import Enum, Message, text_of

DEVICES = {"auto": "KIND_AUTO", "cpu": "KIND_CPU", "gpu": "KIND_GPU"}
_TYPES = {
    "float": "TYPE_FP32",
    "double": "TYPE_FP64",
    "float16": "TYPE_FP16",
    "bfloat16": "TYPE_BF16",
    "bool": "TYPE_BOOL",
    "string": "TYPE_STRING",
    **{f"{kind}{bits}": f"TYPE_{kind.upper()}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)},
}
"""ONNX Runtime's names of types, and Triton's."""
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_LABELS = "labels.txt"
_MOST = 1024


@dataclass(frozen=True)
class TritonSettings:
    """What is asked for.

    Attributes:
        file: an ONNX file that mmonnx wrote.
        repository: the folder that the server is started with; other models in it stay.
        name: of the model in it, None for the file's.
        version: of the model, from 1 on.
        max_batch_size: images that the server puts into one batch, at most.
        delay_us: microseconds that it waits for more of them.
        instances: copies of the model that run side by side, on each device.
        device: of ``DEVICES``.
        storage_uri: where KServe finds the repository, such as ``s3://bucket/repository``; None for no file for it.
    """

    file: str
    repository: str
    name: Optional[str] = None
    version: int = 1
    max_batch_size: int = 8
    delay_us: int = 100
    instances: int = 1
    device: str = "auto"
    storage_uri: Optional[str] = None

    @property
    def model_name(self) -> str:
        """The model's name in the repository."""
        return self.name if self.name is not None else os.path.splitext(os.path.basename(self.file))[0]


def write_repository(settings: TritonSettings) -> List[str]:
    """Write the files of a model; they appear together.

    Returns:
        Their paths.

    Raises:
        InputError: the file cannot be served, or a setting or a path is wrong.
    """
    _check(settings)
    session = load_session(settings.file, "cpu")
    about = Description.from_properties(session.properties, settings.file)
    config, classes = config_of(session, about, settings), "".join(f"{name}\n" for name in about.classes)
    folder = Path(settings.repository) / settings.model_name
    texts = {folder / "config.pbtxt": text_of(config)}
    if about.classes:
        texts[folder / _LABELS] = classes
    if settings.storage_uri:
        texts[folder / "inference_service.yaml"] = inference_service(settings.model_name, settings.storage_uri)
    copies = {folder / str(settings.version) / "model.onnx": Path(settings.file)}
    # the file names its weights by their own names, beside it
    for name in sorted({entry["location"] for entry in external_entries(settings.file)}):
        copies[folder / str(settings.version) / name] = Path(settings.file).parent / name
    for path in (*texts, *copies):
        check_writable(path)
    with replacing_many() as place:
        for path, text in texts.items():
            place(path).write_text(text, encoding="utf-8")
        for path, source in copies.items():
            shutil.copyfile(str(source), str(place(path)))
    return [str(path) for path in (*texts, *copies)]


def config_of(session: Any, about: Description, settings: TritonSettings) -> Message:
    """Triton's ``ModelConfig`` of a file.

    Inputs that may be left out are: Triton's backend feeds none, and the picture then fills the input.
    """
    inputs = {name: (session.input_type(name), session.input_shape(name)) for name in session.input_names}
    outputs = {name: (session.output_type(name), session.output_shape(name)) for name in session.output_names}
    batched = all(shape and not isinstance(shape[0], int) for _, shape in (*inputs.values(), *outputs.values()))
    config: Message = {
        "name": settings.model_name,
        "backend": "onnxruntime",
        "max_batch_size": settings.max_batch_size if batched else 0,
        "input": [_tensor(name, *value, batched) for name, value in inputs.items()],
        "output": [_tensor(name, *value, batched) for name, value in outputs.items()],
        "instance_group": [{"count": settings.instances, "kind": Enum(DEVICES[settings.device])}],
    }
    if batched:
        config["dynamic_batching"] = {"max_queue_delay_microseconds": settings.delay_us}
    if about.task == "classification" and about.classes and len(outputs) == 1:  # two are the best classes alone
        config["output"][0]["label_filename"] = _LABELS
    config["parameters"] = [
        {"key": key, "value": {"string_value": value}} for key, value in sorted(about.to_properties().items())
    ]
    return config


def _tensor(name: str, kind: str, shape: Sequence[Any], batched: bool) -> Message:
    """An input or an output: without the batch's axis where the server makes batches, -1 for any length."""
    inner = kind[len("tensor(") : -1]
    if not kind.startswith("tensor(") or inner not in _TYPES:
        raise InputError(f"{name!r} is a {kind}, which Triton does not serve", "a tensor", "export it otherwise")
    dims = [side if isinstance(side, int) else -1 for side in shape[1 if batched else 0 :]]
    return {"name": name, "data_type": Enum(_TYPES[inner]), "dims": dims}


def _check(settings: TritonSettings) -> None:
    if not _NAME.fullmatch(settings.model_name):
        raise InputError(
            f"{settings.model_name!r} is no name of a model", "letters, digits, '_', '-' and '.'", "give --name"
        )
    if settings.device not in DEVICES:
        raise InputError(f"device {settings.device!r} is unknown", ", ".join(DEVICES), "give one of these")
    least = {"version": 1, "max_batch_size": 1, "delay_us": 0, "instances": 1}
    for name, low in least.items():
        value, most = getattr(settings, name), 10**9 if name == "delay_us" else _MOST
        if not low <= value <= most:
            option = {"version": "model-version", "delay_us": "delay"}.get(name, name).replace("_", "-")
            raise InputError(f"--{option} {value} is out of range", f"{low} to {most}", "give such a number")
