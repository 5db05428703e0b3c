"""Checkpoints of mmengine: they hold more than weights, and nothing in one is run. Read in either generation."""

import os
import pickle
import sys
from types import ModuleType
from zipfile import ZipFile

import numpy as np
import pytest
import torch
from torch import nn

from mmonnx.environment import compat
from mmonnx.loading.checkpoint import load_weights
from mmonnx.support import InputError

BUFFER = "mmengine.logging.history_buffer"
META = {"classes": ("cat", "dog"), "palette": [(1, 2, 3), (4, 5, 6)]}


class Planted:
    """What runs a command when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


class HistoryBuffer:
    """As mmengine's: arrays, and in ``__dict__`` its methods, which a pickle asks ``getattr`` for."""

    def __init__(self):
        self.log, self.last, self.methods = np.arange(3.0), np.float64(2), {"mean": HistoryBuffer.mean}

    def mean(self):
        """One of its methods."""


@pytest.fixture
def history(monkeypatch):
    """Such a buffer, of mmengine's module: pickles name it so, and no environment needs it."""
    module = ModuleType(BUFFER)
    module.HistoryBuffer = HistoryBuffer
    for number in range(1, 4):
        name = BUFFER.rsplit(".", 3 - number)[0]
        monkeypatch.setitem(sys.modules, name, module if name == BUFFER else ModuleType(name))
    monkeypatch.setattr(HistoryBuffer, "__module__", BUFFER)
    return HistoryBuffer()


def saved(path, model, **more):
    """A checkpoint as mmengine's runner writes it."""
    content = {
        "meta": {"epoch": 1, "mmengine_version": "0.10.7", "dataset_meta": META},
        "state_dict": model.state_dict(),
        "optimizer": torch.optim.SGD(model.parameters(), lr=0.1).state_dict(),
        **more,
    }
    torch.save(content, str(path))
    return str(path)


def test_what_mmengine_keeps_beside_the_weights_is_passed_over(tmp_path, history, monkeypatch):
    model, other = nn.Linear(3, 2), nn.Linear(3, 2)
    hub = {"log_scalars": {"train/loss": history}, "runtime_info": {"eta": np.float32(3), "seen": {1, 2}}}
    path = saved(tmp_path / "epoch_1.pth", model, message_hub=hub)
    with ZipFile(path) as archive:
        pickled = archive.read(next(name for name in archive.namelist() if name.endswith("data.pkl")))
    for name in (f"{BUFFER}\nHistoryBuffer", "__builtin__\ngetattr", "scalar", "_reconstruct"):
        assert name.encode() in pickled
    monkeypatch.undo()
    loaded = load_weights(other, path)
    assert torch.equal(other.weight, model.weight) and loaded.meta["dataset_meta"] == META
    assert isinstance(compat.load_checkpoint_file(path)["message_hub"]["runtime_info"]["eta"], compat.Unread)


def test_names_and_colours_that_are_none_are_passed_over(tmp_path):
    model = nn.Linear(3, 2)
    meta = {"dataset_meta": {"CLASSES": np.asarray(["cat", "dog"]).tolist(), "palette": np.zeros((2, 3))}}
    assert load_weights(model, saved(tmp_path / "a.pth", model, meta=meta)).meta == {
        "dataset_meta": {"classes": ["cat", "dog"]}
    }


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("place", ["message_hub", "meta", "state_dict"])
def test_a_planted_command_is_refused_by_its_name_and_not_run(tmp_path, history, place, zipped):
    model, made = nn.Linear(3, 2), tmp_path / "made"
    content = {"meta": {"log": history}, "state_dict": dict(model.state_dict()), "message_hub": {"log": history}}
    content[place]["x"] = Planted(made)
    torch.save(content, str(tmp_path / "bad.pth"), _use_new_zipfile_serialization=zipped)
    with pytest.raises(InputError, match=f"more than weights.*{os.mkdir.__module__}.mkdir"):
        load_weights(model, str(tmp_path / "bad.pth"))
    assert not made.exists()
    compat.load_checkpoint_file(str(tmp_path / "bad.pth"), trust=True)
    assert made.exists()  # so it would have


def test_a_program_is_not_handed_to_its_reader(tmp_path):
    path = str(tmp_path / "program.pt")
    torch.jit.save(torch.jit.script(nn.Linear(3, 2)), path)
    with pytest.raises((pickle.UnpicklingError, RuntimeError)):
        compat.load_checkpoint_file(path)


def raw(path, program):
    """A checkpoint whose pickle is a program of one's own."""
    torch.save({"state_dict": {"weight": torch.zeros(2, 3)}}, str(path))
    with ZipFile(str(path)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with ZipFile(str(path), "w") as archive:
        for name, content in members.items():
            archive.writestr(name, program if name.endswith("data.pkl") else content)
    return str(path)


@pytest.mark.parametrize(
    "program",
    [
        b"\x80\x02c__builtin__\neval\nX\x03\x00\x00\x001+1\x85R.",  # a call
        b"\x80\x02(i__builtin__\neval\n.",  # an old instruction's
        b"\x80\x02ctorch\nserialization.os.system\n.",  # what is inside of a module that is known
        b"\x80\x02ctorch.storage\n_load_from_bytes\nC\x00\x85R.",  # torch's own, which reads another pickle
        b"\x80\x02ccollections\nOrderedDict\n}X\x01\x00\x00\x00xK\x01sb.",  # attributes for a class
        b"\x80\x02c__builtin__\ngetattr\nctorch\nSize\nX\x04\x00\x00\x00mainR\x86R.",  # a call of what was not made
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\nN}X\x0c\x00\x00\x00__defaults__Nsb\x86b.",  # and for a function
    ],
)
def test_no_instruction_comes_to_code(tmp_path, program):
    with pytest.raises(Exception) as caught:  # noqa: B017  # it matters that it is none of the code that was asked for
        compat.load_checkpoint_file(raw(tmp_path / "raw.pth", program))
    assert isinstance(caught.value, (pickle.UnpicklingError, RuntimeError, TypeError, IndexError, EOFError))
    with pytest.raises(InputError):
        load_weights(nn.Linear(3, 2), str(tmp_path / "raw.pth"))
