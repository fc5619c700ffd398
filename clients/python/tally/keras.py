"""Keras: model.fit(..., callbacks=[TallyCallback("my project")]).

Keras metrics that are means (loss, accuracy and most others) hold a total and a count; what a batch adds to them is logged as a
weighted mean, so values of an epoch are exact.  The logs that Keras hands to callbacks are running averages and are not used.
"""
from __future__ import annotations

import sys
from typing import Any, Dict, Iterator, List, Optional, Tuple

if "tensorflow" in sys.modules and "keras" not in sys.modules:
    from tensorflow.keras.callbacks import Callback
else:
    from keras.callbacks import Callback

from ._init import init
from ._run import Run
from ._tap import series_name

__all__ = ["TallyCallback"]


class TallyCallback(Callback):
    """Logs stages train, val (the validation of fit) and test (evaluate).  Arguments as in tally.init(), or run: a run that is there."""

    def __init__(self, project: str = "default", name: Optional[str] = None, *, run: Optional[Run] = None, **options: Any) -> None:
        super().__init__()
        self.run = run if run is not None else init(project, name, **options)
        self._in_fit = False
        self._epoch = self._tests = -1
        self._step: Dict[str, int] = {}
        self._before: Dict[str, Tuple[float, float]] = {}

    def on_train_begin(self, logs: Any = None) -> None:
        self._in_fit = True

    def on_train_end(self, logs: Any = None) -> None:
        self._in_fit = False
        self.run.flush()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch = epoch
        self._begin("train")

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._log("train", self._epoch)

    def on_test_begin(self, logs: Any = None) -> None:
        if not self._in_fit:
            self._tests += 1
        self._begin(self._stage())

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        self._log(self._stage(), self._epoch if self._in_fit else self._tests)

    def _stage(self) -> str:
        return "val" if self._in_fit else "test"

    def _begin(self, stage: str) -> None:
        self._step[stage] = 0
        self._before = {}  # Keras has reset its metrics

    def _log(self, stage: str, epoch: int) -> None:
        try:
            now = dict(means(self.model))
            sums = {}
            for name, (total, count) in now.items():
                before = self._before.get(name, (0.0, 0.0))
                if count < before[1]:  # reset in between
                    before = (0.0, 0.0)
                if count > before[1]:
                    sums[series_name(name, stage)] = (total - before[0], count - before[1])
            self._before = now
            if sums:
                self.run.log(stage, epoch, self._step[stage], sums=sums)
            self._step[stage] += 1
        except Exception as error:  # never into the training loop
            self.run._fault("keras: %s" % error, error)


def means(model: Any) -> Iterator[Tuple[str, Tuple[float, float]]]:
    """(name, (total, count)) of the metrics that are means."""
    found: List[Any] = []
    for metric in model.metrics:
        found += getattr(metric, "metrics", None) or [metric]  # Keras 3 keeps the compiled ones in one
    for metric in found:
        if hasattr(metric, "total") and hasattr(metric, "count"):
            yield metric.name, (number(metric.total), number(metric.count))


def number(variable: Any) -> float:
    return float(variable.numpy() if hasattr(variable, "numpy") else variable)
