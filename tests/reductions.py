"""Files of every toolbox in fewer bits, on the few pictures that a test has."""

from mmonnx.precision import PrecisionSettings, QuantizeSettings, Reduced, quantize
from mmonnx.terminal import Report


def reduced(config, file, folder, precision="fp16", **asked) -> Reduced:
    """A file of a config in fewer bits, whatever that loses by the config's own metric."""
    asked = PrecisionSettings(precision, config=config, **{"calibrate": 2, "max_loss": 100.0, **asked})
    return quantize(QuantizeSettings(str(file), str(folder / f"{precision}.onnx"), asked), Report())
