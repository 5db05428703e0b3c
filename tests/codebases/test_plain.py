"""Plain PyTorch models: by a callable's name, and as modules in Python."""

import inspect
import subprocess
import sys
import textwrap
from dataclasses import dataclass

import numpy as np
import onnx
import pytest
import torch
from torch import nn
from torch.nn import functional

import mmonnx
from mmonnx import cli, loading
from mmonnx.codebases.plain.distributions import KINDS
from mmonnx.environment import compat
from mmonnx.loading.structure import named_tensors
from mmonnx.runtime.session import Session
from mmonnx.support.errors import FixedSizeError, InputError, NewerOpsetError

BLOCKED = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("mmcv", "mmdet", "mmcls"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocked())
from mmonnx import cli
status = cli.main(sys.argv[1:])
assert not [name for name in sys.modules if name.split(".")[0] in ("mmcv", "mmdet", "mmcls")]
sys.exit(status)
"""


def test_the_guides_script_in_one_line(tmp_path, monkeypatch):
    """The same numbers as the file of the guide's own script, whose model has the same weights."""
    torchvision = pytest.importorskip("torchvision")
    from mmonnx.tracing.tracer import quiet

    torch.manual_seed(0)
    model = torchvision.models.mobilenet_v2().eval()
    checkpoint = tmp_path / "weights.pth"
    torch.save(model.state_dict(), str(checkpoint))
    dummy_input = torch.randn(1, 3, 224, 224)
    dynamic_axes = {"input": {0: "batch", 2: "width", 3: "heitht"}, "probs": {0: "batch"}}
    with quiet():
        torch.onnx.export(
            model,
            dummy_input,
            str(tmp_path / "guide.onnx"),
            input_names=["input"],
            output_names=["probs"],
            do_constant_folding=True,
            opset_version=11,
            dynamic_axes=dynamic_axes,
            **compat.export_kwargs(),
        )
    monkeypatch.chdir(tmp_path)
    command = "export torchvision.models:mobilenet_v2 weights.pth --output-names probs --output-file ours.onnx"
    more = ["--shape", "224", "224", "--dynamic-export", "--simplify", "--verify", "--trust-checkpoint"]
    assert cli.main([*command.split(), *more]) == 0
    ours, guides = Session(str(tmp_path / "ours.onnx")), Session(str(tmp_path / "guide.onnx"))
    for shape in ((1, 3, 224, 224), (2, 3, 96, 160)):
        feeds = {"input": np.random.default_rng(0).normal(size=shape).astype(np.float32)}
        left, right = ours.run(feeds), guides.run(feeds)
        assert list(left) == list(right) == ["probs"]
        np.testing.assert_allclose(left["probs"], right["probs"], atol=1e-6)


def test_without_openmmlab(tmp_path):
    """Nothing of mmcv, mmdet or mmcls is imported, or needed; a model of one's own is found in the current folder."""
    (tmp_path / "mine.py").write_text(
        textwrap.dedent(
            """
            from torch import nn

            def make(width, names):
                assert names == ["a", "b"]
                return nn.Sequential(nn.Conv2d(1, width, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
            """
        )
    )
    command = ["export", "mine:make", "--model-kwargs", "width=5", "names=a,b", "--shape", "32"]
    command = [sys.executable, "-c", BLOCKED, *command, "--dynamic-export", "--verify"]
    done = subprocess.run(command, cwd=str(tmp_path), capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    (output,) = onnx.load(str(tmp_path / "tmp.onnx")).graph.output
    dims = [dim.dim_param or dim.dim_value for dim in output.type.tensor_type.shape.dim]
    assert output.name == "output" and dims == ["batch", 5]


@pytest.mark.parametrize(
    "name,kwargs,words",
    [
        ("no_such_module:x", {}, "no module 'no_such_module'"),
        ("torch.nn:NoSuch", {}, "has no 'NoSuch'"),
        ("torch.nn:functional", {}, "is a module"),
        ("torch.nn:Linear", {}, "missing a required argument"),
        ("torch.nn:ReLU", {"colour": 1}, "unexpected keyword argument"),
        ("builtins:dict", {}, "gives a dict"),
    ],
)
def test_a_wrong_name_or_argument(name, kwargs, words):
    with pytest.raises(InputError, match=words):
        loading.load(name, None, loading.LoadOptions(shape=(32, 32), model_kwargs=kwargs))


def test_a_transformer_of_one_size_refuses_another():
    models = pytest.importorskip("torchvision.models")
    if not hasattr(models, "VisionTransformer"):
        pytest.skip("this torchvision has none")
    kwargs = dict(image_size=32, patch_size=16, num_layers=1, num_heads=2, hidden_dim=16, mlp_dim=16)
    options = loading.LoadOptions(shape=(32, 32), dynamic=True, model_kwargs=kwargs)
    with pytest.raises(FixedSizeError, match="takes images of 32x32 and not of"):
        loading.load("torchvision.models:VisionTransformer", None, options)


@dataclass
class Found:
    first: torch.Tensor
    count: int


def test_names_of_nested_outputs():
    one = torch.zeros(1)
    assert list(named_tensors(one, "output")) == ["output"]
    assert list(named_tensors((one, [one, one]), "output")) == ["output_0", "output_1_0", "output_1_1"]
    assert list(named_tensors({"out": one, "aux": (one, one), "none": None}, "output")) == ["out", "aux_0", "aux_1"]
    assert list(named_tensors([{"boxes": one, "labels": one}], "output")) == ["boxes", "labels"]
    assert list(named_tensors([{"boxes": one}, {"boxes": one}], "output")) == ["boxes_0", "boxes_1"]
    assert list(named_tensors(Found(one, 3), "output")) == ["first"]


class TwoInputs(nn.Module):
    """Takes sequences of numbers, a nest of tensors and a constant; gives a nest."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(7, 4)
        self.drop = nn.Dropout(0.5)

    def forward(self, tokens, more, scale=1.0):
        found = self.drop(self.embedding(tokens)) * scale + more["bias"]
        return {"states": found, "pair": (found.mean(1), tokens * 2)}


ARGUMENTS = (torch.tensor([[0, 1, 2], [3, 4, 6]]), {"bias": torch.randn(4)}, 3.0)


def test_a_module_with_inputs_and_outputs_of_any_structure(tmp_path):
    model, file = TwoInputs(), str(tmp_path / "x.onnx")
    axes = {"tokens": {0: "batch", 1: "length"}}
    done = mmonnx.export(model, ARGUMENTS, file, dynamic_axes=axes, simplify=True, verify=True)
    assert done.ok and str(done.path) == file and model.training and model.drop.training
    names = [result.name for result in done.results]
    sizes = ["batch 3", "length 4", "batch 3, length 4"]
    assert names == ["as given", "other values", *sizes, *KINDS[1:], *(f"{kind}, {sizes[-1]}" for kind in KINDS[1:])]
    outputs = {
        value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in done.model.graph.output
    }
    assert outputs == {"states": ["batch", "length", 4], "pair_0": ["batch", 4], "pair_1": ["batch", "length"]}
    tokens = torch.randint(7, (5, 9))
    got = Session(file).run({"tokens": tokens.numpy(), "more_bias": ARGUMENTS[1]["bias"].numpy()})
    expected = model.eval()(tokens, *ARGUMENTS[1:])
    np.testing.assert_allclose(got["states"], expected["states"].detach().numpy(), atol=1e-6)
    assert (got["pair_1"] == expected["pair"][1].numpy()).all()


class Branching(nn.Module):
    """Adds a map up where it is large, which the trace of a small one knows nothing of."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, x):
        x = self.conv(x)
        return x * 2 if x.shape[2] > 64 else x


def test_a_branch_for_larger_images_is_found_out(tmp_path, monkeypatch, capfd):
    file = tmp_path / "x.onnx"
    axes = {"input": {0: "batch", 2: "height", 3: "width"}}
    settings = dict(dynamic_axes=axes, verify=True, on_mismatch="return")
    done = mmonnx.export(Branching(), torch.randn(1, 3, 64, 64), str(file), **settings)
    larger = "batch 2, height 96, width 96"
    wrong = {result.name for result in done.results if not result.ok}
    assert wrong == {larger, *(f"{kind}, {larger}" for kind in KINDS[1:])}
    (tmp_path / "branching.py").write_text(
        "import torch\nfrom torch import nn\n" + textwrap.dedent(inspect.getsource(Branching))
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    command = ["export", "branching:Branching", "--shape", "64", "64", "--output-file", str(file), "--verify"]
    assert cli.main([*command, "--dynamic-batch"]) == 0
    file.unlink()
    capfd.readouterr()
    assert cli.main([*command, "--dynamic-export"]) == 1 and not file.exists()
    assert "does not agree with PyTorch on photograph 96x128\n" in capfd.readouterr().out


def test_a_dict_of_inputs_and_names_of_ones_own(tmp_path):
    arguments = dict(zip(("tokens", "more", "scale"), ARGUMENTS))
    done = mmonnx.export(
        TwoInputs(),
        arguments,
        str(tmp_path / "x.onnx"),
        input_names=["words", "shift"],
        output_names=["a", "b", "c"],
        dynamic_axes={"words": [0], "a": {0: "lines"}},
        opset=12,
        verify=True,
    )
    assert done.ok and done.model.opset_import[0].version == 12
    assert [value.name for value in done.model.graph.input] == ["words", "shift"]
    assert [value.name for value in done.model.graph.output] == ["a", "b", "c"]


class OneSize(nn.Module):
    def forward(self, x):
        return x + torch.ones(1, 6)


@pytest.mark.parametrize(
    "model,kwargs,words",
    [
        (OneSize(), dict(dynamic_axes={"input": {1: "length"}}), "axis 'length' cannot be dynamic"),
        (OneSize(), dict(dynamic_axes={"input": {4: "length"}}), "names axis 4 of 'input'"),
        (OneSize(), dict(dynamic_axes={"image": {0: "batch"}}), "dynamic_axes names 'image'"),
        (OneSize(), dict(input_names=["a", "b"]), r"2 names \(a, b\) for 1 inputs"),
        (OneSize(), dict(output_names=["a", "b"]), r"2 names \(a, b\) for 1 outputs"),
        (len, {}, "model is a builtin_function"),
    ],
)
def test_what_a_module_cannot_be_exported_with(tmp_path, model, kwargs, words):
    with pytest.raises(InputError, match=words):
        mmonnx.export(model, torch.zeros(2, 6), str(tmp_path / "x.onnx"), **kwargs)
    assert not list(tmp_path.iterdir())


class BakesIn(nn.Module):
    def forward(self, x):
        return x * float(len(x.tolist()))


def test_what_the_tracer_bakes_in_is_found(tmp_path):
    file = tmp_path / "x.onnx"
    settings = dict(dynamic_axes={"input": {0: "batch"}}, verify=True, on_mismatch="return")
    done = mmonnx.export(BakesIn(), torch.ones(2, 6), str(file), **settings)
    assert not done.ok and not file.exists()
    wrong = {result.name for result in done.results if not result.ok}
    assert wrong == {"batch 3", *(f"{kind}, batch 3" for kind in KINDS[1:] if kind != "nothing")}


class Sums(nn.Module):
    """Adds rows by an index that names some twice, in three ways."""

    def forward(self, rows, index):
        full = torch.zeros(4, rows.shape[1])
        wide = index[:, None].expand_as(rows)
        return full.scatter_add(0, wide, rows), full.index_add(0, index, rows, alpha=2), full.index_add_(0, index, rows)


class Bicubic(nn.Module):
    def forward(self, maps, grid):
        return functional.grid_sample(maps, grid, "bicubic", align_corners=False)


NEEDS_MORE = [
    (nn.CELU(0.5), torch.randn(2, 3), 12),
    (Sums(), (torch.randn(5, 3), torch.tensor([1, 3, 1, 0, 1])), 16),
    (Bicubic(), (torch.randn(1, 2, 5, 6), torch.rand(1, 3, 4, 2)), 16),
]


@pytest.mark.parametrize(("model", "inputs", "opset"), NEEDS_MORE)
def test_an_operator_that_opset_11_lacks_gets_the_first_that_has_it(tmp_path, capsys, model, inputs, opset):
    if opset > compat.max_opset():
        pytest.skip("this torch's exporter knows no such opset")
    done = mmonnx.export(model, inputs, str(tmp_path / "x.onnx"), verify=True)
    assert done.ok and done.model.opset_import[0].version == opset
    assert f"warning: the file has opset {opset}: " in capsys.readouterr().out


@pytest.mark.parametrize(("model", "inputs", "opset"), NEEDS_MORE)
def test_an_opset_that_was_asked_for_is_not_raised(tmp_path, model, inputs, opset):
    file = tmp_path / "x.onnx"
    with pytest.raises(NewerOpsetError, match=f"expected opset {opset} or later; give --opset-version {opset}$"):
        mmonnx.export(model, inputs, str(file), opset=11)
    assert not file.exists()
