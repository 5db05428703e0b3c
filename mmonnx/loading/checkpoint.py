"""Loading weights, and refusing what is not theirs."""

import io
import pickle
import pickletools
import re
import tarfile
import warnings
import zipfile
from pathlib import Path
from typing import IO, Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import torch
from torch import nn

from ..environment import compat
from ..support import InputError, first_line
from .class_counts import class_counts
from .deploying import is_switched, switch_of
from .weight_sets import choose, find_sets, has_weights, some_key

_MAX_TOLD = 3

_IN_FRONT = re.compile(r"torch\.|copy_?reg\._reconstructor$|(__builtin__|builtins)\.object$")
"""What torch's own pickles of weights ask for, and what stands in front of the name of any class."""


class _ProgramError(pickle.UnpicklingError):
    """A file is of a kind that can run code, whatever is in it."""


class Loaded(NamedTuple):
    """What was loaded.

    Attributes:
        meta: the checkpoint's meta data, may be empty.
        notes: what to tell of it, a line each.
    """

    meta: Dict[str, Any]
    notes: List[str]


def load_weights(
    model: nn.Module, path: str, trust: bool = False, key: Optional[str] = None, config: Any = None
) -> Loaded:
    """Load a checkpoint file into a model.

    Args:
        model: the built model.
        path: the checkpoint; nothing is ever downloaded.
        trust: see ``compat.load_checkpoint_file``.
        key: which of its sets of weights, see ``weight_sets``; None for the likeliest.
        config: the ``model`` of the config that the model was built from, None for a model without one.

    Raises:
        InputError: the file is missing, broken, no checkpoint, has weights that are no numbers, would run code, or
            belongs to another model or another form of it.
    """
    content = _read(path, trust)
    if not has_weights(content):
        raise InputError(f"checkpoint {path!r} holds no weights", "a state_dict", "give a model's checkpoint")
    own = model.state_dict()
    sets = find_sets(content, own)
    if not sets:
        raise InputError(
            f"checkpoint {path!r} has no key of this model (it has {some_key(content)!r}, ...)",
            f"keys such as {next(iter(own))!r}",
            "give the checkpoint that belongs to the config",
        )
    chosen, others = choose(sets, key, path)
    state = chosen.state
    _check_shapes(path, model, config, {name: (own[name], state[name]) for name in sorted(state)})
    missing = [name for name in own if name not in state and not name.endswith("num_batches_tracked")]
    _check_form(path, model, config, missing, chosen.unknown)
    _check_values(path, {name: (own[name], state[name]) for name in sorted(state)})
    try:
        model.load_state_dict(state, strict=False)
    except Exception as error:  # a quantized or a sparse tensor, for example
        reason = " ".join(str(error).split("\n\t")[1:] or [first_line(error)])[:200]
        raise InputError(
            f"checkpoint {path!r} has weights that cannot be copied ({reason})",
            "dense tensors of numbers",
            "save the model's state_dict again",
        ) from error
    lacks = [f"{Path(path).name} lacks {len(missing)} keys of the model ({missing[0]}, ...)"] if missing else []
    return Loaded(_meta(content.get("meta")), [*([others] if others else []), *lacks])


def _check_shapes(
    path: str, model: nn.Module, config: Any, pairs: Mapping[str, Tuple[torch.Tensor, torch.Tensor]]
) -> None:
    """Refuse weights of other shapes than the model's; by the number of classes where that explains them."""
    wrong = {key: (tuple(own.shape), tuple(given.shape)) for key, (own, given) in pairs.items()}
    wrong = {key: (own, given) for key, (own, given) in wrong.items() if own != given}
    if not wrong:
        return
    told = "; ".join(f"{key!r}: {given}, not {own}" for key, (own, given) in list(wrong.items())[:_MAX_TOLD])
    told += f"; and {len(wrong) - _MAX_TOLD} more" if len(wrong) > _MAX_TOLD else ""
    whose = "config" if config is not None else "model"
    counts = class_counts(model, config, wrong)
    if not counts:
        raise InputError(
            f"checkpoint {path!r} has another shape for {len(wrong)} keys ({told})",
            f"those of the {whose}",
            f"give the checkpoint that belongs to the {whose}",
        )
    keys = " ".join(f"{count.key}={count.given[0] if len(count.given) == 1 else 'N'}" for count in counts)
    numbers = [(f"{count.key}={count.own}", " or ".join(map(str, count.given))) for count in counts]
    raise InputError(
        f"checkpoint {path!r} has a different number of classes ({told})",
        " and ".join(f"{ours}, as in the {whose}, where it has {theirs}" for ours, theirs in numbers),
        f"give the checkpoint that belongs to the {whose}, or "
        + (f"--cfg-options {keys}" if config is not None else f"make the model with {keys}"),
    )


def _check_form(path: str, model: nn.Module, config: Any, missing: Sequence[str], unknown: Sequence[str]) -> None:
    """Refuse weights of a module's form for training in a model that has its form for deployment, or the reverse."""
    for name, part in model.named_modules():
        start = f"{name}." if name else ""
        lacks = next((key for key in missing if key.startswith(start)), None)
        has = next((key for key in unknown if key.startswith(start)), None)
        if switch_of(part) and lacks and has:
            forms = ["deployment", "training"] if is_switched(part) else ["training", "deployment"]
            flag = f"deploy={not is_switched(part)}"
            change = f"--cfg-options model.{start}{flag}" if config is not None else f"make the model with {flag}"
            raise InputError(
                f"checkpoint {path!r} has {name or 'the model'!r} ({type(part).__name__}) in its form for {forms[1]} "
                f"({has!r}, not {lacks!r})",
                f"that for {forms[0]}, which the {'config' if config is not None else 'model'} asks for",
                f"{change}, or give the checkpoint of that form",
            )


def _meta(found: Any) -> Dict[str, Any]:
    """The meta data of a checkpoint; class names and colours that are none are left out."""
    meta = dict(found) if isinstance(found, Mapping) else {}
    if not _are_names(meta.get("CLASSES")):
        meta.pop("CLASSES", None)
    of_dataset = meta.pop("dataset_meta", None)  # of mmengine
    if isinstance(of_dataset, Mapping):
        known = {str(name).lower(): value for name, value in of_dataset.items()}
        kept = {"classes": _are_names, "palette": _are_colors}
        meta["dataset_meta"] = {name: known[name] for name, is_one in kept.items() if is_one(known.get(name))}
    return meta


def _are_names(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(name, str) for name in value)


def _are_colors(value: Any) -> bool:
    rows = value if isinstance(value, (list, tuple)) else [None]
    return all(isinstance(row, (list, tuple)) and all(isinstance(one, (int, float)) for one in row) for row in rows)


def _check_values(path: str, pairs: Mapping[str, Tuple[torch.Tensor, torch.Tensor]]) -> None:
    """Refuse numbers that are none, where the model's own are; some models have masks with infinity in them."""
    for key, (own, given) in pairs.items():
        if given.is_complex() != own.is_complex():
            raise InputError(f"checkpoint {path!r} has {given.dtype} for {key!r}", f"{own.dtype}", "give real weights")
        if given.layout != torch.strided or given.is_quantized or not own.is_floating_point():
            continue
        wrong = ~torch.isfinite(given.to(own.dtype))
        if bool(wrong.any()) and bool((wrong & torch.isfinite(own)).any()):
            first = float(given[wrong].flatten()[0])
            raise InputError(
                f"checkpoint {path!r} has weights that are not finite ({key!r}: {int(wrong.sum())} of "
                f"{wrong.numel()}, the first is {first})",
                "those of a training that did not diverge",
                "give an earlier checkpoint",
            )


def _read(path: str, trust: bool) -> Any:
    if not Path(path).is_file():
        raise InputError(f"checkpoint {path!r} does not exist", "a file on this machine", "check the path")
    try:
        if not trust:
            _check_archive(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's, of kinds of tensors that are refused below
            return compat.load_checkpoint_file(path, trust)
    except InputError:
        raise
    except pickle.UnpicklingError as error:
        name = None if isinstance(error, _ProgramError) else _foreign(path)
        if name or zipfile.is_zipfile(path) or tarfile.is_tarfile(path) or _begins_as_pickle(path):
            reason = f"it asks for {name}" if name else first_line(error)
            raise InputError(
                f"checkpoint {path!r} holds more than weights, and reading it could run code ({reason[:120]})",
                "tensors and plain values",
                "pass --trust-checkpoint if you trust whoever made it",
            ) from error
        raise _broken(path, error) from error
    except Exception as error:  # zip, pickle, io and unicode errors: all mean the same to the user
        raise _broken(path, error) from error


def _check_archive(path: str) -> None:
    """Look at a file before torch does.

    Torch compares no checksums, and unpacks whatever an archive claims to hold. Before 2.6 it handed TorchScript
    archives and the tar files of its first releases to readers that run code, whatever it was told.

    Raises:
        pickle.UnpicklingError: it is of a kind that can run code.
        InputError: it is damaged.
        Exception: what the zip reader raises on a damaged archive.
    """
    if tarfile.is_tarfile(path):
        raise _ProgramError("it is a tar file, of torch before 0.1.10")
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if any(Path(member.filename).name == "constants.pkl" for member in members):
            raise _ProgramError("it is a TorchScript archive, which is a program")
        if sum(member.file_size for member in members) > Path(path).stat().st_size:
            raise zipfile.BadZipFile("it unpacks to more than there is, and torch does not compress")
        damaged = archive.testzip()
    if damaged is not None:
        raise zipfile.BadZipFile(f"the checksum of {damaged} is wrong")


def _broken(path: str, error: Exception) -> InputError:
    return InputError(
        f"checkpoint {path!r} is truncated, or not a checkpoint ({first_line(error)[:100]})",
        "a file that torch.save wrote",
        "copy or download it again",
    )


def _begins_as_pickle(path: str) -> bool:
    """Whether it starts as torch's files did before they were archives."""
    with open(path, "rb") as file:
        return file.read(2) in (b"\x80\x02", b"\x80\x03", b"\x80\x04")


def _foreign(path: str) -> Optional[str]:
    """The first function or class that a pickle asks for, of any protocol, and no checkpoint needs; None for none."""
    try:
        with io.BytesIO(_pickled(path)) as stream:
            while True:  # torch's older files are several pickles in a row; the end of the last one raises
                name = next((one for one in _globals(stream) if not _is_harmless(one)), None)
                if name is not None:
                    return name
    except Exception:  # it ends early, or is no pickle
        return None


def _is_harmless(name: str) -> bool:
    return name in compat.HARMLESS or _IN_FRONT.match(name) is not None


def _globals(stream: IO[bytes]) -> Iterator[str]:
    """What the next pickle of a stream asks for, by its full name; nothing is run."""
    strings: List[str] = []  # in the order in which they come onto the stack
    memo: List[str] = []  # what protocol 4 keeps: strings, and nothing for all else
    last_is_string = False
    for code, value, _ in pickletools.genops(stream):
        if code.name in ("GLOBAL", "INST"):
            yield str(value).replace(" ", ".")
        elif code.name == "STACK_GLOBAL":
            yield ".".join(strings[-2:])
        elif code.name == "MEMOIZE":
            memo.append(strings[-1] if last_is_string else "")
        elif code.name in ("BINGET", "LONG_BINGET") and isinstance(value, int) and value < len(memo):
            strings.append(memo[value])
        elif isinstance(value, str):
            strings.append(value)
        last_is_string = isinstance(value, str)


def _pickled(path: str) -> bytes:
    """The pickle in a checkpoint; of torch's older files, which hold several, all of them."""
    if not zipfile.is_zipfile(path):
        return Path(path).read_bytes()
    with zipfile.ZipFile(path) as archive:
        return archive.read(next(name for name in archive.namelist() if Path(name).name == "data.pkl"))
