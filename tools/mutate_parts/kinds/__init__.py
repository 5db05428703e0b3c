"""The kinds of faults in a file, each registered by the module that it is in."""

from . import attributes, boxes, constants, levels, rows, shapes, weights

__all__ = ["attributes", "boxes", "constants", "levels", "rows", "shapes", "weights"]
