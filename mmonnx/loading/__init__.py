"""From what a user names, a config and a checkpoint or a callable, to a Task: a model that can be run and compared.

In: names, paths, ``LoadOptions``. Out: a ``Task``, made by the ``Codebase`` whose the model is; ``codebases/`` has
mmonnx's own. Touched: Python's search path while a config is read; upstream's packages are imported here.
"""

from .about import AUGMENTED, augmentation, config_text, describe, first_test_cfg
from .channels import channel_notes, input_channels
from .codebase import Blame, Codebase, OpenMMLabCodebase, codebases, owner_of
from .config import base_config
from .deploying import Deployed, deployed, same_weights
from .images import find_transform, make_input, photographs, sample_images, second_shape, size_divisor, test_pipeline
from .imports import found_in
from .kinds import NO_KINDS, Kind, Kinds, draw_result
from .load import load, read
from .model import build, check_device, without_sync_bn
from .options import LoadOptions
from .random_weights import CONTEXT, GENERAL, OFFSETS, SPREAD, STEP, Rule, seeded
from .raw import RawModule, flatten, give_raw, raw_names
from .second_generation import first_of, norm_of, test_dataset
from .sizes import another_size, check_size, larger_size, longer, refusal, takes
from .state import Clones, State, as_it_was, written_at
from .structure import named_tensors, refilled
from .task import Feeds, Task, to_numpy

__all__ = [
    "AUGMENTED",
    "Blame",
    "CONTEXT",
    "Clones",
    "Codebase",
    "Deployed",
    "Feeds",
    "GENERAL",
    "Kind",
    "Kinds",
    "NO_KINDS",
    "LoadOptions",
    "OFFSETS",
    "OpenMMLabCodebase",
    "RawModule",
    "Rule",
    "SPREAD",
    "STEP",
    "State",
    "Task",
    "another_size",
    "as_it_was",
    "augmentation",
    "base_config",
    "build",
    "channel_notes",
    "check_device",
    "check_size",
    "codebases",
    "config_text",
    "deployed",
    "describe",
    "draw_result",
    "find_transform",
    "first_of",
    "first_test_cfg",
    "flatten",
    "found_in",
    "give_raw",
    "input_channels",
    "larger_size",
    "load",
    "longer",
    "make_input",
    "named_tensors",
    "norm_of",
    "owner_of",
    "photographs",
    "raw_names",
    "read",
    "refilled",
    "refusal",
    "takes",
    "same_weights",
    "sample_images",
    "second_shape",
    "seeded",
    "size_divisor",
    "test_dataset",
    "test_pipeline",
    "to_numpy",
    "without_sync_bn",
    "written_at",
]
