"""Which evaluation of a running training was the best, by mmcv's own rules."""

import copy
from typing import Any, Optional, Tuple

from mmcv.runner import EvalHook

from ...support import InputError

_EVALUATED = "eval_iter_num"
"""What mmcv's evaluation leaves in the log before its metrics, and its logger takes out again."""


class Best:
    """The best score so far, kept where mmcv keeps its own: in ``runner.meta``, and so in the checkpoints.

    Args:
        key: the metric, ``auto`` for the first one that the evaluation gives.
    """

    def __init__(self, key: str) -> None:
        self.key = key

    def follow_evaluation(self, runner: Any, hook: Any) -> None:
        """Let a hook come after the evaluation, and so between it and the loggers.

        Raises:
            InputError: the runner does not evaluate, or nobody knows whether more of the metric is better.
        """
        evaluation = _evaluation(runner)
        if evaluation is None:
            raise InputError(f"save_best={self.key!r} without an evaluation", "validate=True", "set save_best=False")
        if self.key != "auto":
            self._is_better(evaluation, self.key)
        hooks = [other for other in runner.hooks if other is not hook]
        if runner.hooks.index(hook) < runner.hooks.index(evaluation):
            hooks.insert(hooks.index(evaluation) + 1, hook)
            runner._hooks = hooks  # a new list: the runner is walking the old one now

    def improved(self, runner: Any) -> Optional[Tuple[str, float]]:
        """The metric's name and value if the evaluation that just took place is the best so far, else None.

        Raises:
            InputError: the evaluation has no such metric, or nobody knows whether more of it is better.
        """
        output = runner.log_buffer.output
        if _EVALUATED not in output:
            return None
        names = list(output)[list(output).index(_EVALUATED) + 1 :]
        key = (names or [None])[0] if self.key == "auto" else self.key
        if key is None:  # mmdet gives no metrics where nothing was detected
            return None
        if key not in output:
            raise InputError(f"save_best={self.key!r}", f"a metric of the evaluation: {', '.join(names)}", "take one")
        best = _messages(runner).get("best_onnx_score")
        better = self._is_better(_evaluation(runner), key)
        return (key, output[key]) if best is None or better(output[key], best) else None

    def keep(self, runner: Any, score: float, path: str) -> Optional[str]:
        """Remember the best file; the one that was the best before, None if there was none."""
        messages = _messages(runner)
        former = messages.get("best_onnx")
        messages.update(best_onnx=path, best_onnx_score=score)
        return former

    def _is_better(self, evaluation: Any, key: str) -> Any:
        judge = copy.copy(evaluation)
        own = evaluation.save_best in (key, "auto")
        try:
            judge._init_rule(evaluation.rule if own else None, key)
        except ValueError as error:
            raise InputError(
                f"save_best={key!r}", "a metric of which mmcv knows whether more is better", "name another one"
            ) from error
        return judge.compare_func


def _evaluation(runner: Any) -> Any:
    return next((hook for hook in runner.hooks if isinstance(hook, EvalHook)), None)


def _messages(runner: Any) -> Any:
    if runner.meta is None:
        runner.meta = {}
    return runner.meta.setdefault("hook_msgs", {})
