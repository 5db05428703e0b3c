"""What a verification says that it has exercised."""

import torch
from torch import nn

from mmonnx.codebases.plain.modules import module_task
from mmonnx.pipeline import ExportSettings, final_model
from mmonnx.runtime.session import Session
from mmonnx.terminal.report import Report
from mmonnx.verifying.verification import verify_model


def test_a_plain_model_has_no_goals_that_only_drawn_values_reach():
    task = module_task(nn.Sequential(nn.Linear(3, 4), nn.ReLU()).eval(), (torch.rand(2, 3),))
    found = final_model(task, ExportSettings(""), Report())
    verified = verify_model(found.task, found.model, found.cases, lambda model: Session(model).run)
    assert verified.ok and len(verified.results) > 3
    assert not verified.goals
