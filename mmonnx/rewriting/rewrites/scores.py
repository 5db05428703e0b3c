"""Data samples of mmpretrain: a flat batch is one of them, with the rows of all images."""

import importlib
from typing import Any, List

import torch


def as_sample(scores: torch.Tensor) -> List[Any]:
    """The scores (N, num_classes) of a batch as a list of one data sample, which holds them all."""
    sample = importlib.import_module("mmpretrain.structures").DataSample()
    sample.set_field(scores, "pred_score")
    return [sample]
