"""The search for the layers that stay: a planted one is found, and no other is given up for it."""

from functools import partial

import numpy as np
import pytest
from onnx import TensorProto, numpy_helper
from reducible import feeds, two_stages

from mmonnx.precision.eight import METHODS, Quantizer
from mmonnx.precision.half import in_half
from mmonnx.precision.kept import KERNELS
from mmonnx.precision.searching import Noise, best_method, ranked, search
from mmonnx.precision.settings import Loss
from mmonnx.precision.trunk import find_trunk
from mmonnx.runtime import Session
from mmonnx.support import ExportError, LossError

KERNEL = KERNELS["onnxruntime"]
CALM = METHODS[0]


def planted(layer):
    """A model in which one layer's input has one huge channel, which its weights make small again."""
    model = two_stages()
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}

    def scale(name, change):
        values = numpy_helper.to_array(tensors[name]).copy()
        change(values)
        tensors[name].CopyFrom(numpy_helper.from_array(values, name))

    if layer == "body":
        scale("w1", lambda values: values.__setitem__(0, values[0] * 2000))
        scale("w2", lambda values: values.__setitem__((slice(None), 0), values[:, 0] / 2000))
        scale("ws", lambda values: values.__setitem__((slice(None), 0), values[:, 0] / 2000))
        scale("wb", lambda values: values.__setitem__((slice(None), 0), values[:, 0] / 2000))
    return model


class Setup:
    def __init__(self, model, folder):
        self.model, self.trunk = model, find_trunk(model)
        self.quantizer = Quantizer(model, self.trunk, KERNEL, feeds(), str(folder))
        self.noise = Noise(model, self.trunk, feeds(8)[6:])
        self.session = Session(model)

    def loss_of(self, candidate):
        """A stand-in for a metric: how far the classes of all regions move, of a hundred."""
        session, gaps = Session(candidate), []
        for one in feeds(8):
            expected = self.session.run(one)["classes"]
            try:
                actual = session.run(one)["classes"]
            except Exception:  # of boxes that are no numbers
                return Loss("classes", 100.0, 0.0, 8, "here")
            gaps.append(np.abs(expected - actual).mean() / np.abs(expected).mean())
        return Loss("classes", 100.0, 100.0 - 100.0 * float(np.mean(gaps)), 8, "here")

    def search(self, max_loss):
        start = self.quantizer.quantized(CALM, set())
        return search(start, self.reducing, self.ranks, self.loss_of, max_loss, lambda text: None)

    def reducing(self, kept, alone=None):
        return self.quantizer.quantized(CALM, kept, alone)

    def ranks(self):
        return ranked(self.reducing, self.quantizer.layers, self.trunk, self.noise)


def test_nothing_is_left_alone_where_nothing_is_lost(tmp_path):
    found = Setup(two_stages(), tmp_path).search(100.0)
    assert found.kept == () and not found.noise


def test_the_layers_that_cost_are_left_alone_first(tmp_path):
    setup = Setup(planted("body"), tmp_path)
    noise = setup.ranks()
    assert list(noise.values()) == sorted(noise.values(), reverse=True)
    (tmp_path / "calm").mkdir()
    calm = Setup(two_stages(), tmp_path / "calm")
    before = calm.ranks()
    # all that reads or gives the huge channel, and not the layer that sees regions of other images' places
    assert all(noise[name] > before[name] + 10 for name in ("stem", "body", "score", "places"))
    everything = setup.loss_of(setup.quantizer.quantized(CALM, set())).points
    found = setup.search(everything / 2)
    assert 0 < len(found.kept) < len(setup.quantizer.layers) and found.loss.points <= everything / 2
    assert set(found.kept) == set(list(noise)[: len(found.kept)])
    # one fewer would not do
    fewer = setup.loss_of(setup.quantizer.quantized(CALM, set(found.kept[:-1])))
    assert fewer.points > everything / 2


def test_a_loss_that_stays_is_an_error_that_says_how_large_it_is(tmp_path):
    setup = Setup(two_stages(), tmp_path)
    with pytest.raises(LossError, match=r"int8 loses more than is allowed: classes 100.00 to .* --max-loss") as caught:
        setup.search(0.0)
    assert caught.value.status == 1


def test_the_method_is_the_one_with_least_noise(tmp_path):
    setup = Setup(two_stages(), tmp_path)
    method, model = best_method(setup.quantizer, setup.noise, lambda text: None)
    noises = {one.title: setup.noise.of(setup.quantizer.quantized(one, set())) for one in METHODS}
    assert noises[method.title] == min(noises.values()) and max(noises.values()) < -10
    assert setup.noise.of(model) == pytest.approx(noises[method.title])


def test_a_histogram_that_fails_is_passed_over(tmp_path, monkeypatch):
    setup = Setup(two_stages(), tmp_path)
    whole = setup.quantizer.quantized

    def quantized(method, *how):
        if method.name != "Entropy":
            raise ExportError("zero-size array")
        return whole(method, *how)

    monkeypatch.setattr(setup.quantizer, "quantized", quantized)
    method, _ = best_method(setup.quantizer, setup.noise, lambda text: None)
    assert method.title == "entropy"
    monkeypatch.setattr(setup.quantizer, "quantized", lambda *_: quantized(CALM))
    with pytest.raises(ExportError, match="zero-size"):
        best_method(setup.quantizer, setup.noise, lambda text: None)


def huge(model):
    """The same model, of which what two layers give and read is beyond float16."""
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    for name, factor in (("w1", 1e6), ("w2", 1.0), ("ws", 1e-6), ("wb", 1e-6)):
        values = numpy_helper.to_array(tensors[name]) * np.float32(factor)
        tensors[name].CopyFrom(numpy_helper.from_array(values, name))
    return model


def test_layers_beyond_float16_stay_in_float32(tmp_path):
    setup = Setup(huge(two_stages()), tmp_path)
    halving = partial(in_half, setup.model, setup.trunk, KERNEL)
    start = halving()
    assert setup.noise.of(start) > -6, "it is nothing but noise"
    ranks = lambda: ranked(halving, setup.trunk.layers, setup.trunk, setup.noise)  # noqa: E731
    found = search(start, halving, ranks, setup.loss_of, 1.0, lambda text: None, "fp16")
    assert {"stem", "body"} <= set(found.kept) and found.loss.points <= 1.0
    assert setup.noise.of(found.model) < -40
    # what computes with their results stays with them
    cast = {name for node in found.model.graph.node if node.op_type == "Cast" for name in node.output}
    relu = next(node for node in found.model.graph.node if node.name == "relu")
    assert not cast & set(relu.input)
    assert any(tensor.data_type == TensorProto.FLOAT16 for tensor in found.model.graph.initializer)
