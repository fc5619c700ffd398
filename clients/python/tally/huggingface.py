"""Hugging Face transformers: Trainer(..., callbacks=[callback], compute_metrics=callback.count(num_classes=2)).

The callback logs the Trainer's scalars and its arguments; count() makes a compute_metrics that counts predictions against
labels, so the evaluation's metrics are exact on the server.
"""
from __future__ import annotations

import re
import sys
from typing import Any, Callable, Dict, List, Mapping, Optional

from transformers import TrainerCallback

from ._init import init
from ._run import Run

__all__ = ["TallyCallback"]
CLOCK = "_runtime"  # ends a key that every evaluation logs: what stands before it is the evaluation's prefix


class TallyCallback(TrainerCallback):
    """Arguments as in tally.init(), or run: a run that is there.

    Stages are train, val (evaluate), test (predict), and val_<name> where eval_dataset is a dict.  Scalars become series log/<name>.
    A second evaluation within the same epoch counts as the next epoch of val.  Resuming from a checkpoint takes back what will be logged
    again.
    """

    def __init__(self, project: str = "default", name: Optional[str] = None, *, run: Optional[Run] = None, **options: Any) -> None:
        self.run = run if run is not None else init(project, name, **options)
        self._epoch = 0
        self._last: Dict[str, int] = {}        # the last epoch of each stage that is evaluated
        self._open: Dict[str, List[int]] = {}  # stages that are being evaluated: epoch, calls of compute_metrics

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.run.rank == 0:
            self.run.config({"training_arguments": args.to_dict() if hasattr(args, "to_dict") else dict(vars(args))})
        if state.global_step:  # from a checkpoint
            self._resume(int(state.epoch or 0), int(state.global_step) + 1, state.log_history)

    def _resume(self, epoch: int, step: int, history: List[Dict[str, Any]]) -> None:
        done: Dict[str, int] = {}  # how often each stage was evaluated before the checkpoint
        for logs in history:
            prefix = prefix_of(logs)
            if prefix is not None:
                done[stage_of(prefix)] = done.get(stage_of(prefix), 0) + 1
        self._epoch = epoch
        self._last = {stage: n - 1 for stage, n in done.items()}
        self.run.resume(epoch, step, later={stage: n for stage, n in done.items() if n > epoch})

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._epoch = int(state.epoch or 0)

    def on_log(self, args: Any, state: Any, control: Any, logs: Optional[Mapping[str, Any]] = None, **kwargs: Any) -> None:
        if self.run.rank or not logs:
            return
        prefix = prefix_of(logs)
        stage = "train" if prefix is None else stage_of(prefix)
        values = {"log/" + name: value for name, value in logs.items() if isinstance(value, (int, float)) and name != "epoch"}
        if values:
            self.run.log(stage, self._epoch if prefix is None else self._evaluation(stage)[0], int(state.global_step), values=values)

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._open.clear()

    def on_predict(self, args: Any, state: Any, control: Any, metrics: Any = None, **kwargs: Any) -> None:
        self._open.clear()

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.run.flush()

    def _evaluation(self, stage: str) -> List[int]:
        if stage not in self._open:
            self._last[stage] = max(self._epoch, self._last.get(stage, -1) + 1)
            self._open[stage] = [self._last[stage], 0]
        return self._open[stage]

    def count(self, num_classes: int, stage: Optional[str] = None, ignore_index: Optional[int] = -100,
              then: Optional[Callable[[Any], Dict[str, float]]] = None) -> Callable[..., Dict[str, float]]:
        """A compute_metrics: predictions [N, ..., C] (scores) or [N, ...] against label_ids [N, ...].

        stage  default: val in evaluate, test in predict.
        then   a compute_metrics whose answer is returned.
        With batch_eval_metrics=True it is called for each batch.
        """
        def compute_metrics(prediction: Any, *args: Any, **kwargs: Any) -> Dict[str, float]:
            scores, labels = prediction.predictions, prediction.label_ids
            scores = scores[0] if isinstance(scores, tuple) else scores
            if scores.ndim == labels.ndim + 1:
                scores = scores.argmax(-1)
            where = stage or stage_of(caller_prefix())
            place = self._evaluation(where)
            if self.run.rank == 0:  # the Trainer has gathered all ranks
                self.run.log_predictions(where, place[0], place[1], scores, labels, num_classes=num_classes, ignore_index=ignore_index)
            place[1] += 1
            return then(prediction, *args, **kwargs) if then is not None else {}
        return compute_metrics


def caller_prefix() -> str:
    """The metric_key_prefix of the evaluation that is under way: the Trainer does not hand it to compute_metrics."""
    frame = sys._getframe(2)
    for _ in range(8):
        prefix = frame.f_locals.get("metric_key_prefix")
        if isinstance(prefix, str):
            return prefix
        if frame.f_back is None:
            break
        frame = frame.f_back
    return "eval"


def prefix_of(logs: Mapping[str, Any]) -> Optional[str]:
    """The prefix of an evaluation's scalars.  None: they are of training."""
    for name in logs:
        if name.endswith(CLOCK) and name != "train" + CLOCK:
            return name[:-len(CLOCK)]
    return None


def stage_of(prefix: str) -> str:
    """eval is val, eval_mnli is val_mnli, anything else a stage of its own name."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", re.sub(r"^eval(?=_|\Z)", "val", prefix)).lstrip("._-")
    return name[:64] or "val"
