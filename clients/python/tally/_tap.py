"""run.tap(): the increments of torchmetrics' states, update by update.

A metric's update() is wrapped in the instance, where torchmetrics itself keeps a wrapper that it leaves out when the metric is
copied or pickled: a clone is not tapped.  The wrapper copies the states before, lets the metric update, and hands the
difference to the sender's thread; all of that is asynchronous on a device.

- forward() with full_state_update calls update() twice, the second time on a state of its own: that call is passed over.
- forward() that reduces states, and reset() at any time: a difference over one update() does not care what was there before.
- MetricCollection with compute groups updates only the first of a group: what it gained is logged for each of them.
"""
from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterator, List, Optional, Tuple

from ._errors import TallyError

if TYPE_CHECKING:
    from ._run import Run

Fields = Dict[str, Any]
COUNTS = ("tp", "fp", "tn", "fn")
MOMENTS = ("MeanSquaredError", "MeanAbsoluteError", "R2Score", "PearsonCorrCoef", "ConcordanceCorrCoef", "ExplainedVariance")
STAGES = ("train", "val", "valid", "validation", "test")  # in names of attributes
OPAQUE = ("BootStrapper", "Running", "MetricTracker", "MultioutputWrapper", "MetricInputTransformer")  # wrappers whose inner metrics are not the model's
ADVICE = {
    "confidences": "it keeps every confidence: log calibration bins with run.log(calibration=...)",
    "preds": "it keeps every prediction: give it thresholds=200 (or another number), which keeps counts instead",
}


class Tap:
    """One metric that is listened to."""

    def __init__(self, run: Run, metric: Any, name: str, stage: Optional[str]) -> None:
        self.run, self.name, self.stage = run, name, stage
        self.convert = converter(metric)
        ignored, top_k = getattr(metric, "ignore_index", None), getattr(metric, "top_k", None)
        self.ignore_index = ignored if isinstance(ignored, int) else None
        self.top_k = top_k if isinstance(top_k, int) and getattr(metric, "average", None) == "macro" else None  # other averages do not care
        self.moments = type(metric).__name__ in MOMENTS
        self.states = () if self.moments else tuple(metric._defaults)
        self.steps: Dict[Tuple[str, int], int] = {}
        self.epoch = 0
        self.has_logged = False
        self.original = metric.update

    def install(self, metric: Any) -> None:
        def tapped(*args: Any, **kwargs: Any) -> Any:
            frame = sys._getframe(1)
            if frame.f_code.co_name == "wrapped_func":  # a wrapper that was put around this one
                frame = frame.f_back or frame
            caller = frame.f_code.co_name
            if self.run._taps_paused or (caller == "_forward_full_state_update" and "cache" in frame.f_locals):
                return self.original(*args, **kwargs)
            updates = frame.f_locals.get("_update_count") if caller == "_forward_reduce_state_update" else None
            fresh = not (metric._update_count if updates is None else updates)
            before = {state: getattr(metric, state).detach().clone() for state in self.states}
            result = self.original(*args, **kwargs)
            try:
                later = moments_of(args, kwargs) if self.moments else self.convert(metric, difference(metric, before))
                for tap in self.group(metric, frame if caller == "update" else None):
                    tap.post(later, fresh)
            except Exception as error:  # never into the training loop
                self.run._fault("tap of %s: %s" % (self.name, error), error)
            return result

        tapped._tally_tap = self  # type: ignore[attr-defined]
        metric.update = tapped

    def group(self, metric: Any, frame: Any) -> List[Tap]:
        """The taps of all metrics that share this one's state, where a collection has updated it for all of them."""
        collection = frame.f_locals.get("self") if frame is not None else None
        if collection is None or collection is metric or not getattr(collection, "_groups_checked", False):
            return [self]
        for names in getattr(collection, "_groups", {}).values():
            members = [getattr(collection, name) for name in names]
            if members and members[0] is metric:
                found = [getattr(m.update, "_tally_tap", None) for m in members]
                return [tap for tap in found if tap is not None]
        return [self]

    def post(self, later: Callable[[], Fields], fresh: bool) -> None:
        run = self.run
        stage = self.stage or run._at_stage
        epoch, step = run._at.get(stage, (None, None))
        if epoch is None:  # nobody says: an epoch ends where the metric is reset
            if fresh and self.has_logged:
                self.epoch += 1
            epoch = self.epoch
        self.has_logged = True
        used = self.steps.get((stage, epoch), -1)
        step = used + 1 if step is None else max(step, used + 1)
        self.steps = {(stage, epoch): step, **{k: v for k, v in self.steps.items() if k[0] != stage}}
        run._tell(stage, self.ignore_index, self.top_k)
        record: Fields = {"stage": stage, "epoch": epoch, "step": step, "_later": lambda: named(later(), self.name)}
        if run.rank:
            record["rank"] = run.rank
        run._put(record, None, 1)


def named(fields: Fields, name: str) -> Fields:
    """Weighted means carry the name themselves, counts and states beside them."""
    if set(fields) <= {"sums"}:
        return {"sums": {name if key == "" else key: pair for key, pair in fields["sums"].items()}}
    return {**fields, "name": name} if name != "main" else fields


def difference(metric: Any, before: Dict[str, Any]) -> Dict[str, Any]:
    out = {}
    for state, old in before.items():
        new = getattr(metric, state).detach()
        if new.is_floating_point() and new.device.type != "mps":  # exact, so that the sum over the epoch is the state
            new, old = new.double(), old.double()
        out[state] = new - old
    return out


# ---- what a metric's state is in a record ----

def converter(metric: Any) -> Callable[[Any, Dict[str, Any]], Callable[[], Fields]]:
    """How the metric's increments become fields.  Raises TallyError where it has no sum that the server knows."""
    kind, states = type(metric).__name__, dict(metric._defaults)
    if getattr(metric, "multidim_average", "global") == "samplewise":
        raise TallyError('%s keeps a value for each sample (multidim_average="samplewise"): use "global"' % kind)
    if kind in MOMENTS:
        if int(getattr(metric, "num_outputs", 1) or 1) != 1:
            raise TallyError("%s with num_outputs > 1: tap a metric for each output" % kind)
        return lambda m, d: lambda: {}
    for state, default in states.items():
        if isinstance(default, list):
            raise TallyError("%s: %s" % (kind, ADVICE.get(state, "its state %r is a list of all batches, which has no sum. Log counts with run.log()" % state)))
    if hasattr(metric, "num_groups"):
        raise TallyError("%s counts by groups: tap a metric for each group" % kind)
    if set(COUNTS) <= set(states):
        return stat_scores
    if "confmat" in states and getattr(metric, "thresholds", None) is not None:
        check_thresholds(metric)
        return curve
    if "confmat" in states and ".nominal" not in type(metric).__module__:  # those are no predictions of targets
        return confusion
    if kind == "MeanMetric" and set(states) == {"mean_value", "weight"}:
        return lambda m, d: lambda: {"sums": {"": [float(d["mean_value"]), float(d["weight"])]}}
    if kind == "SumMetric":
        return lambda m, d: lambda: {"sums": {"": [float(d["sum_value"]), 1]}}
    if kind == "Perplexity":
        return lambda m, d: lambda: {"sums": {"": [float(d["total_log_probs"]), int(d["count"])]}}
    if set(states) == {"correct", "total"}:
        return lambda m, d: lambda: {"exact": [int(d["correct"]), int(d["total"])]}
    raise TallyError("%s is not one of the metrics that can be tapped: StatScores and its kin, ConfusionMatrix and its kin, curves with thresholds, "
                     "MeanMetric, SumMetric, Perplexity, ExactMatch, MSE, MAE, R2, Pearson, concordance, explained variance" % kind)


def task_of(metric: Any) -> str:
    for base in type(metric).__mro__:
        for prefix in ("Binary", "Multilabel", "Multiclass"):
            if base.__name__.startswith(prefix):
                return prefix.lower()
    return "multiclass"


def stat_scores(metric: Any, gained: Dict[str, Any]) -> Callable[[], Fields]:
    task = task_of(metric)
    counted = [gained[name].reshape(-1) for name in COUNTS]

    def later() -> Fields:
        tp, fp, tn, fn = (values.tolist() for values in counted)
        if task == "multiclass" and len(tp) == 1:  # micro: the classes are already added up
            return {"correct": tp[0], "total": tp[0] + fn[0]}
        if task == "multiclass":
            return {"tp": tp, "fp": fp, "fn": fn}
        fields = {"task": task, "tp": tp, "fp": fp, "fn": fn, "tn": tn}
        total = sum(tp + fp + tn + fn)
        if total % len(tp):  # labels that were ignored: how many samples there were is not in the state
            fields["samples"] = -(-total // len(tp))
        return fields
    return later


def confusion(metric: Any, gained: Dict[str, Any]) -> Callable[[], Fields]:
    task, counts = task_of(metric), gained["confmat"]

    def later() -> Fields:
        matrix = counts.tolist()
        if task == "binary":
            return {"task": task, "tp": [matrix[1][1]], "fp": [matrix[0][1]], "fn": [matrix[1][0]], "tn": [matrix[0][0]]}
        if task == "multilabel":
            total = sum(sum(map(sum, m)) for m in matrix)
            fields: Fields = {"task": task, "tp": [m[1][1] for m in matrix], "fp": [m[0][1] for m in matrix], "fn": [m[1][0] for m in matrix], "tn": [m[0][0] for m in matrix]}
            if total % len(matrix):
                fields["samples"] = -(-total // len(matrix))
            return fields
        return {"confusion": matrix}
    return later


def check_thresholds(metric: Any) -> None:
    thresholds = metric.thresholds.detach().cpu().double().tolist()
    n = len(thresholds)
    if n < 2 or any(abs(value - i / (n - 1)) > 1e-6 for i, value in enumerate(thresholds)):
        raise TallyError("%s: its thresholds are not evenly spaced from 0 to 1: give their number (thresholds=200)" % type(metric).__name__)


def curve(metric: Any, gained: Dict[str, Any]) -> Callable[[], Fields]:
    """confmat [T, (C,) 2, 2] counts scores >= a threshold; neighbours differ by what lies in the bin between."""
    task, counts = task_of(metric), gained["confmat"]
    if counts.dim() == 3:
        counts = counts.unsqueeze(1)
    positive, negative = counts[:, :, 1, 1], counts[:, :, 0, 1]
    pos, neg = (side.clone() for side in (positive, negative))
    pos[:-1] -= positive[1:]
    neg[:-1] -= negative[1:]

    def later() -> Fields:
        fields: Fields = {"scores": {"thresholds": int(pos.shape[0]), "pos": pos.t().tolist(), "neg": neg.t().tolist()}}
        if task != "multiclass":
            fields["task"] = task
        return fields
    return later


def moments_of(args: Tuple[Any, ...], kwargs: Dict[str, Any]) -> Callable[[], Fields]:
    """Moments about the means of one batch, from what update(preds, target) was given."""
    predictions = kwargs["preds"] if "preds" in kwargs else args[0]
    targets = kwargs["target"] if "target" in kwargs else args[-1]
    wide = predictions.device.type != "mps"
    p, y = (v.detach().reshape(-1).double() if wide else v.detach().reshape(-1).float() for v in (predictions, targets))
    error, dp, dy = y - p, p - p.mean(), y - y.mean()
    numbers = {"mean_target": y.mean(), "mean_prediction": p.mean(), "m2_target": (dy * dy).sum(), "m2_prediction": (dp * dp).sum(), "c": (dy * dp).sum(),
               "sum_error": error.sum(), "sum_abs_error": error.abs().sum(), "sum_squared_error": (error * error).sum()}
    n = int(y.numel())
    return lambda: {"regression": {"n": n, **{name: float(value) if n else 0.0 for name, value in numbers.items()}}}


# ---- what there is to tap ----

def metrics_in(thing: Any) -> Iterator[Tuple[str, Any]]:
    """(path, metric) of a metric ("" as its path), a MetricCollection or any module that holds some."""
    if hasattr(thing, "_defaults") and hasattr(thing, "_update_count"):
        yield "", thing
        return
    if hasattr(thing, "keys") and hasattr(thing, "_groups"):
        for name in thing.keys(keep_base=True):
            for path, metric in metrics_in(getattr(thing, str(name))):
                yield "/".join(part for part in (str(name), path) if part), metric
        return
    for name, child in getattr(thing, "named_children", lambda: ())():
        if type(child).__name__ in OPAQUE:
            continue
        for path, metric in metrics_in(child):
            yield "/".join(part for part in (name, path) if part), metric


def series_name(path: str, stage: Optional[str]) -> str:
    """A path as the name of a series: val_acc is "acc", for the stage is known apart from it."""
    name = re.sub(r"[^A-Za-z0-9._/-]+", "_", path).strip("._/-")
    for end in ("_", "/", "-"):
        for word in (stage,) if stage else STAGES:
            if name.startswith(word + end) and len(name) > len(word) + 1:
                name = name[len(word) + 1:]
    return name[:128] or "main"


def tap(run: Run, thing: Any, stage: Optional[str], name: Optional[str]) -> List[str]:
    """The names of the series that are logged from now on."""
    found, taps = list(metrics_in(thing)), []
    if not found:
        raise TallyError("%s holds no torchmetrics metric" % type(thing).__name__)
    for path, metric in found:
        if getattr(metric.update, "_tally_tap", None) is not None:
            continue
        try:
            one = Tap(run, metric, (name or "main") if not path else series_name("/".join(p for p in (name, path) if p), stage), stage)
        except TallyError as error:
            run._fault("tap: %s%s" % (path + ": " if path else "", error), error)
            continue
        one.install(metric)
        taps.append(one.name)
    return taps
