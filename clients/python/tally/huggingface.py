"""Hugging Face transformers: Trainer(..., callbacks=[TallyCallback("my project")], compute_metrics=callback.count(num_classes=2)).

The callback logs the Trainer's scalars and its arguments; count() makes a compute_metrics that counts predictions against
labels, so the evaluation's metrics are exact on the server.
"""
from __future__ import annotations

from typing import Any, Callable, Dict, Mapping, Optional

from transformers import TrainerCallback

from ._init import init
from ._run import Run

__all__ = ["TallyCallback"]
STAGES = {"eval": "val", "test": "test"}


class TallyCallback(TrainerCallback):
    """Arguments as in tally.init(), or run: a run that is there.  Scalars become series log/<name> of train and val."""

    def __init__(self, project: str = "default", name: Optional[str] = None, *, run: Optional[Run] = None, **options: Any) -> None:
        self.run = run if run is not None else init(project, name, **options)
        self._counts: Dict[int, int] = {}
        self._epoch = 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.run.rank == 0:
            self.run.config({"training_arguments": args.to_dict() if hasattr(args, "to_dict") else dict(vars(args))})
        if state.global_step:  # from a checkpoint
            self.run.resume(int(state.epoch or 0), int(state.global_step) + 1)

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._epoch = int(state.epoch or 0)

    def on_log(self, args: Any, state: Any, control: Any, logs: Optional[Mapping[str, Any]] = None, **kwargs: Any) -> None:
        if self.run.rank or not logs:
            return
        by_stage: Dict[str, Dict[str, float]] = {}
        for name, value in logs.items():
            if isinstance(value, (int, float)) and name != "epoch":
                stage = STAGES.get(name.split("_")[0], "train")
                by_stage.setdefault(stage, {})["log/" + name] = value
        for stage, values in by_stage.items():
            self.run.log(stage, self._epoch, int(state.global_step), values=values)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.run.flush()

    def count(self, num_classes: int, stage: str = "val", ignore_index: Optional[int] = -100,
              then: Optional[Callable[[Any], Dict[str, float]]] = None) -> Callable[..., Dict[str, float]]:
        """A compute_metrics: predictions [N, ..., C] (scores) or [N, ...] against label_ids [N, ...].

        With batch_eval_metrics=True it is called for each batch.  then: a compute_metrics whose answer is returned.
        """
        def compute_metrics(prediction: Any, *args: Any, **kwargs: Any) -> Dict[str, float]:
            scores, labels = prediction.predictions, prediction.label_ids
            scores = scores[0] if isinstance(scores, tuple) else scores
            if scores.ndim == labels.ndim + 1:
                scores = scores.argmax(-1)
            step = self._counts.get(self._epoch, 0)
            self._counts[self._epoch] = step + 1
            if self.run.rank == 0:  # the Trainer has gathered all ranks
                self.run.log_predictions(stage, self._epoch, step, scores, labels, num_classes=num_classes, ignore_index=ignore_index)
            return then(prediction, *args, **kwargs) if then is not None else {}
        return compute_metrics
