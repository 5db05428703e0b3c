"""Operators that the tracer does not know: one file each, with its eager body and its symbolic in ONNX."""
