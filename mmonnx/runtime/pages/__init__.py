"""What there is to know of a file as one self-contained HTML page: ``mmonnx inspect --html``."""
