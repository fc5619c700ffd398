"""PyTorch Lightning: TallyCallback logs counts from every rank, TallyLogger is a Logger for what self.log() says.

    trainer = Trainer(callbacks=[TallyCallback("my project")])

Works with `lightning` and with `pytorch_lightning`, whichever the program has imported.
"""
from __future__ import annotations

import argparse
import sys
from typing import Any, Dict, Mapping, Optional

if "pytorch_lightning" in sys.modules and "lightning.pytorch" not in sys.modules:
    from pytorch_lightning.callbacks import Callback
    from pytorch_lightning.loggers.logger import Logger
    from pytorch_lightning.utilities import rank_zero_only
else:
    from lightning.pytorch.callbacks import Callback
    from lightning.pytorch.loggers.logger import Logger
    from lightning.pytorch.utilities import rank_zero_only

from ._init import init
from ._run import Run
from ._tap import series_name

__all__ = ["TallyCallback", "TallyLogger"]


class TallyCallback(Callback):
    """Logs what every torchmetrics metric of the module gains in every batch, on every rank, and the training loss.

    project, name, options   as in tally.init(); or run: a run that is there.
    loss                     log what training_step returns as the weighted mean "loss".

    Stages are train, val and test; series are named by the attributes of the module (val_acc is "acc").  The sanity check is not logged.
    A second validation within the same epoch counts as the next epoch of val.  Resuming from a checkpoint takes back what will be
    logged again.
    """

    def __init__(self, project: str = "default", name: Optional[str] = None, *, run: Optional[Run] = None, loss: bool = True, **options: Any) -> None:
        self.run = run
        self._init = (project, name, options)
        self._loss = loss
        self._resumed = False
        self._last: Dict[str, int] = {}

    def __getstate__(self) -> Dict[str, Any]:
        return {**self.__dict__, "run": None}  # a process of its own opens it anew

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        if self.run is None or self.run.ended:
            project, name, options = self._init
            for logger in trainer.loggers:
                if isinstance(logger, TallyLogger):
                    self.run = logger.start(trainer.global_rank, trainer.world_size)
            if self.run is None or self.run.ended:
                self.run = init(project, name, **{"rank": trainer.global_rank, "world_size": trainer.world_size, **options})
            if trainer.global_rank == 0 and getattr(pl_module, "hparams", None):
                self.run.config(dict(pl_module.hparams))
        metrics = any(hasattr(module, "_update_count") for module in pl_module.modules())
        if metrics:
            self.run.tap(pl_module)

    # ---- where we are ----
    def on_sanity_check_start(self, trainer: Any, pl_module: Any) -> None:
        if self.run is not None:
            self.run._taps_paused = True

    def on_sanity_check_end(self, trainer: Any, pl_module: Any) -> None:
        if self.run is not None:
            self.run._taps_paused = False

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        if self.run is None:
            return
        if self._resumed:
            self._resumed = False
            self.run.resume(trainer.current_epoch, batch_idx)
        self.run.at("train", trainer.current_epoch, batch_idx)

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
        if self.run is None or not self._loss or loss is None or not hasattr(loss, "detach"):
            return
        n = batch_size(batch)
        self.run.log("train", trainer.current_epoch, batch_idx, sums={"loss": (loss.detach() * n, n)})

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        if not trainer.sanity_checking:
            self._evaluate("val", trainer.current_epoch)

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        if self.run is not None:
            self.run._at_stage = "train"

    def on_test_start(self, trainer: Any, pl_module: Any) -> None:
        self._evaluate("test", trainer.current_epoch)

    def _evaluate(self, stage: str, epoch: int) -> None:
        epoch = self._last[stage] = max(epoch, self._last.get(stage, -1) + 1)
        if self.run is not None:
            self.run.at(stage, epoch)

    # ---- checkpoints and the end ----
    def state_dict(self) -> Dict[str, Any]:
        return {"last": dict(self._last)}

    def load_state_dict(self, state_dict: Dict[str, Any]) -> None:
        self._last = dict(state_dict.get("last", {}))
        self._resumed = True

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        if self.run is not None:
            self.run._end("killed" if isinstance(exception, KeyboardInterrupt) else "failed")


def batch_size(batch: Any) -> int:
    """Samples of a batch: the first dimension of its first tensor."""
    if hasattr(batch, "shape"):
        return int(batch.shape[0]) if len(batch.shape) else 1
    parts = batch.values() if isinstance(batch, Mapping) else batch if isinstance(batch, (list, tuple)) else ()
    for part in parts:
        if hasattr(part, "shape") or isinstance(part, (Mapping, list, tuple)):
            return batch_size(part)
    return 1


class TallyLogger(Logger):
    """A Logger: hyperparameters become the run's config, the scalars of self.log() become series log/<name>.

    They are what Lightning has already averaged; exact values come from TallyCallback, which shares this logger's run.
    """

    def __init__(self, project: str = "default", name: Optional[str] = None, **options: Any) -> None:
        super().__init__()
        self._project, self._name, self._options = project, name, options
        self._run: Optional[Run] = None

    def __getstate__(self) -> Dict[str, Any]:
        return {**self.__dict__, "_run": None}

    def start(self, rank: Optional[int] = None, world_size: Optional[int] = None) -> Run:
        """The run, opened if it is not open."""
        if self._run is None or self._run.ended:
            self._run = init(self._project, self._name, **{"rank": rank, "world_size": world_size, **self._options})
        return self._run

    @property
    def experiment(self) -> Run:
        return self.start()

    @property
    def name(self) -> Optional[str]:
        return self._name or self._project

    @property
    def version(self) -> Optional[str]:
        return self._run.id if self._run is not None else self._options.get("id")

    @rank_zero_only
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        self.start().config(vars(params) if isinstance(params, argparse.Namespace) else dict(params))

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: Optional[int] = None) -> None:
        epoch = int(metrics.get("epoch", 0))
        by_stage: Dict[str, Dict[str, float]] = {}
        for name, value in metrics.items():
            if name != "epoch":
                word = name.split("_")[0].split("/")[0]
                stage = {"val": "val", "valid": "val", "validation": "val", "test": "test"}.get(word, "train")
                by_stage.setdefault(stage, {})["log/" + series_name(name, stage)] = value
        for stage, values in by_stage.items():
            self.start().log(stage, epoch, step or 0, values=values)

    @rank_zero_only
    def finalize(self, status: str) -> None:
        if self._run is None:
            return
        if status == "success":
            self._run.flush()  # the trainer may go on with a test
        else:
            self._run._end("failed")
