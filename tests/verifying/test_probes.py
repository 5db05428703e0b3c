"""The ends of a model: which layers they are, and how they are found again in its file."""

import numpy as np
import onnx
import torch
from resident import needs_resident, resident
from torch import nn
from torch.nn import functional

from mmonnx.environment import rounding_noise
from mmonnx.graph.parts import part, produced
from mmonnx.tracing.probes import Probe, Recorder, find_ends, probes_of
from mmonnx.verifying.driving import Draw


class RoIAlign(nn.Module):
    def forward(self, maps, places):
        return maps[:, :, :2, :2] + places.sum()


class TwoStages(nn.Module):
    """A head on two levels whose best score chooses where a second head looks."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True))
        self.score = nn.Conv2d(4, 1, 1)
        self.pool = RoIAlign()
        self.head = nn.Sequential(nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 2))
        self.unused = nn.Linear(2, 2)

    def forward(self, input):
        maps = self.stem(input)
        maps += 1  # residual connections write into what layers gave
        levels = [self.score(maps), self.score(functional.max_pool2d(maps, 2))]
        best = torch.cat([level.flatten(1) for level in levels], 1).max(1)[0]
        return self.head(self.pool(maps, best).flatten(1))


def ends(model, *inputs):
    return [probe.name for probe in find_ends(model.eval(), lambda: model(*inputs))]


def test_the_ends_are_what_reaches_no_other_layer_but_by_a_choice():
    model = TwoStages()
    assert ends(model, torch.rand(1, 3, 8, 8)) == ["score.output_0", "score.output_1", "head.2.output_0"]
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert not any(layer._forward_hooks or layer._forward_pre_hooks for layer in model.modules())


def test_a_model_that_keeps_gradients_off_itself_has_the_same_ends():
    class Off(TwoStages):
        @torch.no_grad()
        def forward(self, input):
            with torch.no_grad():
                return super().forward(input)

    model = Off()
    assert ends(model, torch.rand(1, 3, 8, 8)) == ["score.output_0", "score.output_1", "head.2.output_0"]
    assert not any(layer._forward_pre_hooks for layer in model.modules()) and torch.is_grad_enabled()


def test_a_layer_whose_output_is_written_into_is_none():
    class Writing(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, input):
            return self.one(input).sigmoid_(), self.two(input).sigmoid()

    assert ends(Writing(), torch.rand(2, 4)) == ["two.output_0"]


@needs_resident
def test_what_another_layer_takes_is_not_kept():
    """SETR and MAE on sliding windows: all outputs of all layers of all windows were 15 GiB."""

    class Deep(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList(nn.Conv2d(1, 1, 1) for _ in range(12))
            self.after = []

        def forward(self, value):
            for layer in self.layers:
                value = layer(value)
                self.after.append(resident())
            return value

    model, image = Deep(), torch.rand(1, 1, 4096, 4096)
    assert ends(model, image) == ["layers.11.output_0"]
    size = image.numel() * image.element_size()
    assert model.after[-1] - model.after[4] < 4 * size, [value // size for value in model.after]


def test_a_recorder_keeps_what_the_calls_gave_and_lets_it_be_replaced():
    model, image = TwoStages().eval(), torch.rand(1, 3, 8, 8)
    probes = find_ends(model, lambda: model(image))
    recorder = Recorder(model, probes)
    with recorder.recording():
        usual = model(image)
    assert recorder.complete and list(recorder.outputs) == [probe.name for probe in probes]
    assert torch.equal(recorder.outputs["head.2.output_0"], usual)

    def drive(probe, output):
        return torch.full_like(output, 7.0) if probe.name.startswith("score") else None

    with recorder.recording(drive):
        other = model(image)
    assert (recorder.outputs["score.output_1"] == 7).all() and not torch.equal(usual, other)
    with recorder.recording():
        model.score(torch.rand(1, 4, 2, 2))
    assert not recorder.complete, "a layer that is not called as often as in the file cannot be compared"


def test_the_probes_of_a_file_are_read_off_its_names():
    model = TwoStages()
    nodes = [
        onnx.helper.make_node("Relu", ["input"], ["score.output_1"]),
        onnx.helper.make_node("Relu", ["score.output_1"], ["nobody.output_0"]),
        onnx.helper.make_node("Relu", ["nobody.output_0"], ["probs"]),
    ]
    values = [onnx.helper.make_tensor_value_info(name, 1, ["n"]) for name in ("input", "probs")]
    file = onnx.helper.make_model(onnx.helper.make_graph(nodes, "graph", values[:1], values[1:]))
    assert probes_of(file, model) == [Probe("score", 1)]
    wrapper = nn.Module()
    wrapper.model = model
    (probe,) = probes_of(file, wrapper)
    assert probe.module == "model.score" and probe.name == "score.output_1"


def test_a_part_of_a_graph_takes_tensors_and_gives_others():
    weight = onnx.numpy_helper.from_array(np.float32([2.0]), "weight")
    unread = onnx.numpy_helper.from_array(np.float32([3.0]), "unread")
    nodes = [
        onnx.helper.make_node("Mul", ["input", "unread"], ["early"]),
        onnx.helper.make_node("Mul", ["early", "weight"], ["late"]),
        onnx.helper.make_node("Neg", ["late"], ["output"]),
    ]
    values = [onnx.helper.make_tensor_value_info(name, 1, ["n"]) for name in ("input", "output")]
    graph = onnx.helper.make_graph(nodes, "graph", values[:1], values[1:], [weight, unread])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 11)], ir_version=6)
    from mmonnx.runtime.session import Session

    piece = part(model, ["output", "late"], ["early"])
    assert [node.op_type for node in piece.graph.node] == ["Mul", "Neg"]
    assert [tensor.name for tensor in piece.graph.initializer] == ["weight"]
    found = Session(piece).run({"input": np.float32([9.0]), "early": np.float32([5.0])})
    assert found["output"] == -10 and found["late"] == 10
    assert len(model.graph.node) == 3 and len(model.graph.output) == 1, "the model is not changed"
    assert list(produced(model)) == ["early", "late", "output"]


def test_calls_that_the_file_has_lost_count():
    """Of a layer that all layers of a decoder call, the last call is left in the file."""
    model, image = TwoStages().eval(), torch.rand(1, 3, 8, 8)
    nodes = [onnx.helper.make_node("Relu", ["input"], ["score.output_1"])]
    values = [onnx.helper.make_tensor_value_info(name, 1, ["n"]) for name in ("input", "score.output_1")]
    file = onnx.helper.make_model(onnx.helper.make_graph(nodes, "graph", values[:1], values[1:]))
    for traced, complete in (((), False), (["score.output_0", "score.output_1", "head.2.output_0"], True)):
        (probe,) = probes_of(file, model, traced=traced)
        recorder = Recorder(model, [probe])
        with recorder.recording():
            model(image)
        assert list(recorder.outputs) == ["score.output_1"] and recorder.complete == complete
        assert recorder.outputs["score.output_1"].shape[2:] == (4, 4)


def test_what_is_masked_stays_so_when_values_are_drawn():
    output = torch.randn(2, 30, 4)
    output[:, :, 3] = output[1, 5:, 1] = -float("inf")
    found = Draw(0).values(Probe("cls", 0), output, 0, output)
    assert torch.equal(found.isfinite(), output.isfinite()) and not found.isnan().any()
    assert len(found[output.isfinite()].unique()) == output.isfinite().sum()
    noise = rounding_noise(output, torch.Generator().manual_seed(0))
    assert noise.isfinite().all() and 0 < noise.abs().max() < 1e-5
