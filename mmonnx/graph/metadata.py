"""Writing into the file where it comes from."""

from typing import Dict

import onnx

_OF_TOOLS = ("onnxsim.",)
"""What simplifiers leave of their own settings, which say nothing of the model."""


def annotate(model: onnx.ModelProto, properties: Dict[str, str], version: str = "") -> onnx.ModelProto:
    """Give a model its metadata; the model that is given is not changed.

    Args:
        model: the model.
        properties: what to record, by name; one that is there already is replaced, a simplifier's own dropped.
        version: mmonnx's own version, for the producer's.
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    result.producer_name, result.producer_version = "mmonnx", version
    known = {entry.key: entry.value for entry in result.metadata_props if not entry.key.startswith(_OF_TOOLS)}
    onnx.helper.set_model_props(result, {**known, **{key: str(value) for key, value in properties.items()}})
    return result
