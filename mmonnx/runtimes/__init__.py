"""How an ONNX file is run."""
