"""Checkpoints are read without running code, and what is wrong with one is named."""

import datetime
import decimal
import io
import os
import pickle
import tarfile
import warnings
import zipfile

import pytest
import torch

from mmonnx.environment import compat
from mmonnx.loading import checkpoint

COMMAND = ["export", "fuzz_model:make", "x.pth", "--shape", "16", "--output-file", "made/x.onnx"]


class Runs:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def saved(content, **how):
    buffer = io.BytesIO()
    torch.save(content, buffer, **how)
    return buffer.getvalue()


def to(data):
    return lambda folder: (folder / "x.pth").write_bytes(data)


def sound(corpus):
    return torch.load(str(corpus.folder / "good.pth"))["state_dict"]


@pytest.mark.parametrize("new", [True, False], ids=["zip", "legacy"])
def test_code_in_a_checkpoint_runs_only_if_it_is_trusted(corpus, judged, refused, tmp_path, new):
    ran = tmp_path / "it-ran"
    data = saved({"state_dict": sound(corpus), "meta": Runs(str(ran))}, _use_new_zipfile_serialization=new)
    line = refused(COMMAND, to(data))
    assert f"asks for {os.mkdir.__module__}.mkdir)" in line
    assert "could run code" in line and "--trust-checkpoint" in line and not ran.exists()
    assert judged([*COMMAND, "--trust-checkpoint"], to(data)).status == 0 and ran.exists()


@pytest.mark.parametrize("protocol", range(5))
@pytest.mark.parametrize("name", ["os.mkdir", "decimal.Decimal", "datetime.date"])
def test_a_checkpoint_that_holds_more_is_refused_by_the_name_of_it(refused, tmp_path, protocol, name):
    values = {"os.mkdir": Runs(str(tmp_path / "ran")), "decimal.Decimal": decimal.Decimal(2)}
    values["datetime.date"] = datetime.date(2026, 1, 1)
    line = refused(
        COMMAND,
        to(pickle.dumps({"state_dict": {}, "module": name.split(".")[0], "meta": values[name]}, protocol=protocol)),
    )
    told = name.replace("os.", f"{os.mkdir.__module__}.")
    assert f"it asks for {told})" in line and "could run code" in line and "truncated" not in line
    assert not (tmp_path / "ran").exists()


@pytest.mark.skipif(
    compat.TORCH[:2] == (1, 13), reason="this torch ignores pickle_module; it is told weights_only in earnest"
)
@pytest.mark.parametrize("new", [True, False], ids=["zip", "legacy"])
def test_a_torch_that_cannot_tell_weights_from_code_reads_weights_alone_too(
    corpus, judged, refused, monkeypatch, tmp_path, new
):
    monkeypatch.setattr("mmonnx.environment.compat.checkpoints.reads_weights_alone", lambda: False)
    ran = tmp_path / "it-ran"
    content = {"state_dict": sound(corpus), "meta": {"CLASSES": ("one", "two"), "epoch": 1}}
    assert judged(COMMAND, to(saved(content, _use_new_zipfile_serialization=new))).status == 0
    data = saved({**content, "meta": Runs(str(ran))}, _use_new_zipfile_serialization=new)
    line = refused(COMMAND, to(data))
    assert "could run code" in line and "--trust-checkpoint" in line and not ran.exists()
    assert judged([*COMMAND, "--trust-checkpoint"], to(data)).status == 0 and ran.exists()


def test_archives_that_are_programs_are_refused(refused):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is going out of fashion
        script = torch.jit.script(torch.nn.Linear(2, 2))
    buffer = io.BytesIO()
    torch.jit.save(script, buffer)
    assert "TorchScript" in refused(COMMAND, to(buffer.getvalue()))
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in ("sys_info", "pickle", "storages", "tensors"):
            archive.addfile(tarfile.TarInfo(name))
    tar = buffer.getvalue()
    assert "tar file" in refused(COMMAND, to(tar))
    # one that is an archive of both kinds
    with zipfile.ZipFile(buffer, "a") as both:
        both.writestr("archive/data.pkl", b"")
    assert "tar file" in refused(COMMAND, to(buffer.getvalue()))


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
@pytest.mark.parametrize("key", ["0.weight", "1.running_var"])
def test_weights_that_are_no_numbers_are_named(corpus, refused, key, value):
    state = sound(corpus)
    state[key].view(-1)[1] = float(value)
    line = refused(COMMAND, to(saved({"state_dict": state})))
    assert f"'{key}': 1 of {state[key].numel()}, the first is {value}" in line


def test_weights_that_the_models_type_cannot_hold_are_named(corpus, refused):
    state = sound(corpus)
    state["0.bias"] = state["0.bias"].double() + 1e300
    assert "'0.bias': 4 of 4" in refused(COMMAND, to(saved({"state_dict": state})))
    state["0.bias"] = torch.zeros(4, dtype=torch.complex64)
    assert "complex64 for '0.bias'" in refused(COMMAND, to(saved({"state_dict": state})))


def test_an_infinity_that_the_model_has_too_is_taken(tmp_path):
    """That of a mask of attention, for example."""
    model = torch.nn.Linear(2, 2)
    model.register_buffer("mask", torch.tensor([0.0, -float("inf")]))
    torch.save(model.state_dict(), str(tmp_path / "x.pth"))
    assert checkpoint.load_weights(model, str(tmp_path / "x.pth")).notes == []


def test_another_shape_is_named(corpus, refused):
    state = {**sound(corpus), "0.weight": torch.zeros(7, 3, 3, 3)}
    assert "'0.weight': (7, 3, 3, 3)" in refused(COMMAND, to(saved({"state_dict": state})))


def test_damage_is_found_by_the_checksums(corpus, refused):
    """A bit of a weight: torch itself would take it for another weight."""
    data = corpus.checkpoints["zip"]
    weight = sound(corpus)["0.weight"].numpy().tobytes()
    where = data.index(weight) + len(weight) // 2
    assert "checksum" in refused(COMMAND, to(data[:where] + bytes([data[where] ^ 1]) + data[where + 1 :]))


def test_an_archive_that_unpacks_to_more_than_it_is_is_refused(refused):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data/0", bytes(50 << 20))
    assert len(buffer.getvalue()) < 1 << 20
    assert "unpacks to more" in refused(COMMAND, to(buffer.getvalue()))


@pytest.mark.parametrize("name", ["https://host/x.pth", "s3://bucket/x.pth", "open-mmlab://resnet50", "none.pth", "."])
def test_what_is_no_file_is_not_fetched(refused, name):
    line = refused([*COMMAND[:2], name, *COMMAND[3:]])
    assert f"checkpoint '{name}' does not exist" in line and "a file on this machine" in line
