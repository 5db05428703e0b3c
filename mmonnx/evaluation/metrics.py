"""Metrics of OpenMMLab 2.x: those of a config's ``test_evaluator``, told what a model has found."""

import contextlib
import copy
import inspect
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Optional, Sequence, Tuple

from ..environment import compat
from ..support import InputError, type_and_line
from .distributed import merged
from .sets import Batch, Tally

if TYPE_CHECKING:  # it knows the sets of its generation
    from .second_generation import SampleEvaluator

_OLD_NAMES = {"jsonfile_prefix": "outfile_prefix"}
"""What the first generation calls an option."""


class MetricTally(Tally):
    """See ``Tally``.

    Args:
        evaluator: mmengine's, which has the metrics.
        dump: the metric that keeps the results.
        names: what is evaluated.
        options: what the metrics are told.
        formatting: whether they write files, and evaluate nothing.
    """

    def __init__(
        self, evaluator: Any, dump: Any, names: Sequence[str], options: Dict[str, Any], formatting: bool
    ) -> None:
        self.metrics, self.options, self.results = () if formatting else names, options, []
        self._evaluator, self._dump, self._count, self._names = evaluator, dump, 0, names

    def add(self, batch: Batch, found: List[Any]) -> None:
        """See ``Tally.add``."""
        with _blamed(self._names):
            self._evaluator.process(data_samples=found, data_batch=batch.content)
            self._dump.process(batch.content, [sample.to_dict() for sample in found])

    @property
    def part(self) -> Any:
        """See ``Tally.part``."""
        return [metric.results for metric in (*self._evaluator.metrics, self._dump)]

    def join(self, parts: List[Any], count: int) -> None:
        """See ``Tally.join``."""
        self._count = count
        for metric, each in zip((*self._evaluator.metrics, self._dump), zip(*parts)):
            # a metric that keeps something else than an item an image does not mind the order
            whole = sum(map(len, each)) == count
            metric.results = merged(list(each), count) if whole else [item for part in each for item in part]
        self.results = self._dump.results

    def limit(self) -> None:
        """See ``Tally.limit``: mmdet's COCO metric takes all images of its annotations."""
        for metric in self._evaluator.metrics:
            if getattr(metric, "img_ids", ()) is None:
                metric.img_ids = [found["img_id"] for _, found in metric.results]

    def format(self) -> None:
        """See ``Tally.format``."""
        self.score()

    def score(self) -> Tuple[Dict[str, Any], str]:
        """See ``Tally.score``."""
        from .second_generation import quiet_log

        with _blamed(self._names), quiet_log() as said:
            found = self._evaluator.evaluate(self._count)
        return dict(found), said.getvalue()


def build(evaluator: "SampleEvaluator", config: Any, dataset: Any, asked: Any) -> MetricTally:
    """The metrics of a config, or those that are asked for; inside its scope of names.

    Args:
        evaluator: what the codebase does differently.
        config: the model's.
        dataset: the test set.
        asked: the ``EvaluationSettings``.

    Raises:
        InputError: a metric or an option is unknown.
    """
    from mmengine.registry import EVALUATOR, METRICS

    given: Any = config.get("test_evaluator") or ()
    whole = isinstance(given, dict) and "metrics" in given
    own = [copy.deepcopy(dict(one)) for one in _listed(given["metrics"] if whole else given)]
    chosen = _chosen(evaluator, own, asked.metrics)
    _tell(chosen, asked.options)
    if asked.format_only:
        chosen = _formatting(chosen)
    formatting = bool(chosen) and all(one.get("format_only") for one in chosen)
    names = [name for one in chosen for name in _names(one)]
    kind = {"type": "Evaluator", **(given if whole else {}), "metrics": copy.deepcopy(chosen)}
    with _blamed(names):
        metrics = EVALUATOR.build(kind)
        metrics.dataset_meta = getattr(dataset, "metainfo", None)
        dump = METRICS.build({"type": evaluator.dump, "out_file_path": "results.pkl"})
    options = {name: value for one in chosen for name, value in one.items() if name != "type"}
    return MetricTally(metrics, dump, names, options, formatting)


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else [value]


def _chosen(evaluator: "SampleEvaluator", own: List[Dict[str, Any]], names: Sequence[str]) -> List[Dict[str, Any]]:
    """The config's metrics, or those of the names: types of metrics, or what a metric's ``metric`` may be."""
    if not names:
        return own
    values: List[str] = []
    typed: Dict[str, Dict[str, Any]] = {}
    for name in names:
        spec = evaluator.metric(name) or ({"type": name} if _kind(name) else None)
        if spec is None:
            values.append(name)
            continue
        base = next((one for one in own if _kind(one.get("type")) is _kind(spec["type"])), {})
        earlier = typed.get(spec["type"], {}).get("items", ())
        more = {"items": (*earlier, *spec["items"])} if "items" in spec else {}
        typed[spec["type"]] = {**base, **spec, **more}
    takers = [{**one, "metric": values} for one in own if "metric" in _parameters(one)] if values else []
    if values and not takers:
        known = _known(own)
        raise InputError(
            f"metric {values[0]!r} is unknown to the config's test_evaluator ({known})",
            "what its metrics take as metric (bbox, segm, ...), or the type of one, such as Accuracy",
            "give one of these with --eval, or leave it out: the config's own are taken then",
        )
    return [*takers, *typed.values()]


def _tell(chosen: List[Dict[str, Any]], options: Dict[str, Any]) -> None:
    """Give each option to the metrics that take it."""
    for given, value in options.items():
        name = _OLD_NAMES.get(given, given)
        takers = [one for one in chosen if name in _parameters(one)]
        if not takers:
            known = _known(chosen)
            raise InputError(
                f"--eval-options {given} is unknown to the metrics ({known})",
                "an argument of one of them",
                "check its name, or leave it out",
            )
        for one in takers:
            one[name] = value


def _formatting(chosen: List[Dict[str, Any]]) -> List[Dict[str, Any]]:
    """The metrics that write what a test server takes, made to."""
    able = [{**one, "format_only": True} for one in chosen if "format_only" in _parameters(one)]
    if not able:
        known = _known(chosen)
        raise InputError(f"the test_evaluator ({known}) knows no --format-only", "a metric that does", "use --out")
    return able


def _names(settings: Dict[str, Any]) -> Sequence[str]:
    """What a metric evaluates."""
    taken = _parameters(settings).get("metric")
    if taken is not None:
        value = settings.get("metric", taken.default)
        return [str(one) for one in _listed(value)]
    return [compat.kind_of(settings.get("type"))]


def _known(metrics: Sequence[Dict[str, Any]]) -> str:
    """What metrics are called in messages."""
    return ", ".join(compat.kind_of(one.get("type")) for one in metrics) or "nothing"


def _kind(name: Any) -> Optional[type]:
    """The class of a metric's type; None for nothing."""
    from mmengine.registry import METRICS

    if not isinstance(name, str):
        return name if isinstance(name, type) else None
    with METRICS.switch_scope_and_registry(None) as registry:
        found = registry.get(name)
    return found if isinstance(found, type) else None


def _parameters(settings: Dict[str, Any]) -> Dict[str, inspect.Parameter]:
    """The arguments of a metric's type, by name."""
    kind = _kind(settings.get("type"))
    found: Dict[str, inspect.Parameter] = {}
    for one in kind.__mro__[:-1] if kind else ():
        taken = inspect.signature(vars(one)["__init__"]).parameters if "__init__" in vars(one) else {}
        found = {**taken, **found}
        if taken and not any(each.kind is each.VAR_KEYWORD for each in taken.values()):
            break
    return found


@contextlib.contextmanager
def _blamed(names: Sequence[str]) -> Iterator[None]:
    """Name the metrics where one raises whatever its own code raises."""
    try:
        yield
    except Exception as error:
        raise InputError(
            f"the test_evaluator cannot evaluate {', '.join(names)} ({type_and_line(error)[:300]})",
            "metrics and options that it takes, and files that it finds",
            "change --eval or --eval-options, or --cfg-options test_evaluator.ann_file=...",
        ) from error
