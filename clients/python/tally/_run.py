"""A run, as a training loop sees it."""
from __future__ import annotations

import os
import sys
import time as clock
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Sequence, Set, Tuple, Union

from . import _exit
from ._counts import put_off
from ._errors import TallyError
from ._record import document, snapshot
from ._segment import BATCH, PATCH, PUT, REWIND
from ._sender import Sender

POSITION_MAX = 2 ** 53 - 1
STATUSES = ("finished", "failed", "killed")


class Run:
    """Made by tally.init().  No method waits for the server but finish() and flush(), and these are bounded.

    id, project, rank, world_size, attempt  what this process logs as.
    url                                     the run's page, to click.
    """

    def __init__(self, sender: Sender, *, id: str, project: str, rank: int, world_size: int, attempt: str, on_error: str, exit_seconds: float) -> None:
        self.id, self.project, self.rank, self.world_size, self.attempt = id, project, rank, world_size, attempt
        self.on_error, self.exit_seconds = on_error, exit_seconds
        self.ended = False
        self._base: Tuple[str, Optional[str]] = (project, None)  # what init() was asked for
        self._sender = sender
        self._pid = os.getpid()
        self._cuts = 0
        self._defaults: Dict[str, Dict[str, int]] = {}  # what stage() says of each stage
        self._decided: Dict[str, Dict[str, int]] = {}  # by stage() or by the first predictions
        self._told: Set[Tuple[str, Optional[int], Optional[int]]] = set()
        self._at: Dict[str, Tuple[int, Optional[int]]] = {}
        self._at_stage = "train"
        self._taps_paused = False  # Lightning's sanity check
        self._has_logged = False
        self._earlier: Callable[[], Iterable[str]] = lambda: ()  # attempts before this one

    @property
    def url(self) -> str:
        return "%s/?run=%s" % (self._sender.api.url, self.id)

    def __repr__(self) -> str:
        return "<tally run %s, rank %d, %s>" % (self.id, self.rank, self.url)

    # ---- logging ----
    def log(self, stage: str, epoch: int, step: int, *, name: str = "main", correct: Any = None, total: Any = None, tp: Any = None, fp: Any = None,
            fn: Any = None, tn: Any = None, confusion: Any = None, cells: Any = None, classes: Any = None, num_classes: Optional[int] = None,
            samples: Any = None, task: Optional[str] = None, scores: Optional[Mapping[str, Any]] = None,
            calibration: Optional[Mapping[str, Any]] = None, exact: Any = None, regression: Optional[Mapping[str, Any]] = None,
            sums: Optional[Mapping[str, Any]] = None, values: Optional[Mapping[str, Any]] = None, time: Optional[float] = None) -> None:
        """Log what this rank saw in one step.  Give counts of the batch, never what was already divided.

        stage       "train", "val", "test" or any name.  epoch, step: whole numbers from 0.
        name        the series of the counts, for models with several heads.
        correct, total   right decisions, decisions: numbers.
        tp, fp, fn, tn   per class, [C] (tn for task "binary", C = 1, and "multilabel").
        confusion   [C, C], confusion[target][predicted]; binary [[tn, fp], [fn, tp]].
        cells       [[target, predicted, count], ...] with num_classes: the same, sparse.
        classes     [[class, tp, fp, fn], ...] with num_classes: per class, sparse.
        samples     what was seen, ignored ones included; default: what the counts say.
        scores, calibration, exact, regression   the states of docs/metrics.md.
        sums        {"loss": (sum, weight)} or (sum, weight, min, max): weighted means.  A mean loss of n samples is (loss * n, n).
        values      {"lr": 0.001}: plain scalars.
        time        seconds since 1970; default now.
        Numbers may be Python's, lists, NumPy arrays or tensors on any device; they are copied, and converted in another thread.
        """
        record: Dict[str, Any] = {"stage": stage, "epoch": epoch, "step": step}
        if self.rank:
            record["rank"] = self.rank
        if name != "main":
            record["name"] = name
        size = 1
        if correct is not None:
            record["correct"] = snapshot(correct)
        if total is not None:
            record["total"] = snapshot(total)
        if tp is not None:
            record["tp"] = snapshot(tp)
            size = len(record["tp"])
        if fp is not None:
            record["fp"] = snapshot(fp)
        if fn is not None:
            record["fn"] = snapshot(fn)
        if tn is not None:
            record["tn"] = snapshot(tn)
        if confusion is not None:
            record["confusion"] = snapshot(confusion)
            size = len(record["confusion"]) ** 2
        if sums is not None:
            record["sums"] = snapshot(sums)
        if values is not None:
            record["values"] = snapshot(values)
        for field, value in (("cells", cells), ("classes", classes), ("num_classes", num_classes), ("samples", samples), ("task", task),
                             ("scores", scores), ("calibration", calibration), ("exact", exact), ("regression", regression)):
            if value is not None:
                record[field] = snapshot(value)
        self._put(record, time, 1 + size // 100)

    def log_predictions(self, stage: str, epoch: int, step: int, predictions: Any, targets: Any, *, num_classes: Optional[int] = None,
                        task: str = "multiclass", top_k: Optional[int] = None, ignore_index: Optional[int] = None, threshold: float = 0.5, name: str = "main",
                        sums: Optional[Mapping[str, Any]] = None, values: Optional[Mapping[str, Any]] = None, time: Optional[float] = None) -> None:
        """Count a batch's predictions against its targets and log the counts.

        predictions   multiclass: scores (floats, logits or probabilities) [N, C, ...], or labels (integers) [N, ...];
                      binary: scores or 0/1 [N, ...]; multilabel: scores or 0/1 [N, C, ...].
        targets       multiclass and binary [N, ...], multilabel [N, C, ...]; integers.
        top_k         multiclass: a sample is right if its target is among the k best scores.  Default: that of stage(), else 1.
        ignore_index  samples (multilabel: entries) with this target are not counted, only seen.  Default: that of stage().
        The first top_k and ignore_index of a stage are declared by themselves; series with others belong in stages of their own.
        threshold     binary and multilabel scores above it are positive.  Where any score lies outside [0, 1] all are logits.
        Lists, NumPy arrays or tensors; a device is not waited for.  sums, values, name, time: as in log().
        """
        try:
            if ignore_index is None or top_k is None:
                defaults = self._defaults.get(stage, {})
                ignore_index = defaults.get("ignore_index") if ignore_index is None else ignore_index
                top_k = defaults.get("top_k", 1) if top_k is None else top_k
            if task == "multiclass":
                self._tell(stage, ignore_index, top_k)
            record: Dict[str, Any] = {"stage": stage, "epoch": epoch, "step": step,
                                      "_later": put_off(predictions, targets, num_classes, task, top_k, ignore_index, threshold)}
        except Exception as error:  # never into the training loop
            self._fault("log_predictions: %s" % error, error)
            return
        if self.rank:
            record["rank"] = self.rank
        if name != "main":
            record["name"] = name
        if sums is not None:
            record["sums"] = snapshot(sums)
        if values is not None:
            record["values"] = snapshot(values)
        self._put(record, time, 1)

    def _put(self, record: Dict[str, Any], time: Optional[float], weight: int) -> None:
        record["time"] = int((clock.time() if time is None else time) * 1000)
        record["attempt"] = self.attempt
        self._has_logged = True
        if self.ended:
            self._fault("log() after finish(): nothing is logged any more")
            return
        if self._sender._failure is not None:
            self._sender.failure()
        self._sender.put(BATCH, record, weight)

    # ---- torchmetrics ----
    def tap(self, thing: Any, stage: Optional[str] = None, *, name: Optional[str] = None) -> List[str]:
        """Log by itself what every update() of a torchmetrics metric adds to its state.

        thing   a metric, a MetricCollection, or a module that holds some (then the series are named by attribute paths).
        stage   where it is logged; default the stage of at().
        name    the series of a single metric (default "main"), or what stands before the names of several.
        Returns the names of the series.  A metric whose state has no sum is refused with what to use instead.
        """
        from . import _tap
        try:
            return _tap.tap(self, thing, stage, name)
        except TallyError as error:
            self._fault("tap: %s" % error, error)
            return []

    def at(self, stage: str, epoch: int, step: Optional[int] = None) -> None:
        """Where taps log from now on.  Without step, the updates of each metric are counted.  Where at() is never called an epoch
        of a tapped metric ends when it is reset."""
        self._at_stage = stage
        self._at[stage] = (int(epoch), None if step is None else int(step))

    # ---- what is known about the run ----
    def stage(self, stage: str, *, class_names: Optional[Sequence[str]] = None, dataset_size: Optional[int] = None,
              ignore_index: Optional[int] = None, top_k: Optional[int] = None) -> None:
        """Declare what counts cannot tell of a stage.

        class_names   C texts.  dataset_size: samples in one epoch, all ranks together; the server says when too many or too few were seen.
        ignore_index  the target that is not counted, top_k: k of the predictions that are counted; log_predictions() takes both from here.
        """
        declared: Dict[str, Any] = {}
        if class_names is not None:
            declared["class_names"] = [str(name) for name in class_names]
        if dataset_size is not None:
            declared["dataset_size"] = int(dataset_size)
        for field, value in (("ignore_index", ignore_index), ("top_k", top_k)):
            if value is not None:
                declared[field] = int(value)
                self._defaults.setdefault(stage, {})[field] = self._decided.setdefault(stage, {})[field] = int(value)
        if self.world_size > 1:
            declared["world_size"] = self.world_size
        self._call(PUT, {"stages": {stage: declared}})

    def _tell(self, stage: str, ignore_index: Optional[int], top_k: Optional[int]) -> None:
        """Declare what a stage's predictions are counted with, once: the server's macro means and Jaccard index depend on it.

        It holds for all series of a stage, so the first that comes decides, and stage() before it.
        """
        if (stage, ignore_index, top_k) in self._told:
            return
        self._told.add((stage, ignore_index, top_k))
        decided, declared = self._decided.setdefault(stage, {}), {}
        if ignore_index is not None and "ignore_index" not in decided:
            declared["ignore_index"] = int(ignore_index)
        if top_k is not None and "top_k" not in decided:
            declared["top_k"] = int(top_k)
        elif top_k is not None and decided["top_k"] != top_k:
            self._sender.warn("top_k " + stage, "stage %s is logged with several top_k; macro means are those of %d. Give each a stage of its own" % (
                stage, decided["top_k"]))
        decided.update(declared)
        if declared.get("top_k") == 1:
            del declared["top_k"]
        if declared and not self.ended:
            self._sender.put(PUT, {"stages": {stage: declared}})

    def config(self, values: Optional[Mapping[str, Any]] = None, **more: Any) -> None:
        """Add to the run's config.  Nested mappings are merged; what JSON does not have becomes text."""
        self._call(PUT, {"config": document({**(dict(values) if values else {}), **more})})

    def tag(self, *tags: str) -> None:
        """Add tags."""
        self._call(PUT, {"tags": [str(tag) for tag in tags]})

    def rewind(self, epoch: int, step: int, stage: Optional[str] = None) -> None:
        """Cut the run: what was logged at or after (epoch, step) of `train`, and at or after the epoch of other stages, is taken
        back; with stage: of that stage at or after (epoch, step).  Every rank calls it; it happens once."""
        self._cuts += 1
        self.attempt = "%s+%d" % (self.attempt.partition("+")[0][:120], self._cuts)
        self._rewind(epoch, step, self.attempt, stage)

    def resume(self, epoch: int, step: int, *, later: Optional[Mapping[str, int]] = None) -> None:
        """Training goes on from a checkpoint, and (epoch, step) is the first position that will be logged again: what was logged from
        there on is taken back, once for all ranks.  The same as init(resume=...), for when the position is known only later.

        later  the first epochs that will be logged again of stages with more epochs than training had (evaluated several times in one).
        """
        if not self._has_logged:
            for attempt in self._earlier():
                self._rewind(POSITION_MAX, POSITION_MAX, attempt)
        cuts = [(epoch, step, "train"), *((first, 0, stage) for stage, first in later.items())] if later else [(epoch, step, None)]
        for cut_epoch, cut_step, stage in cuts:
            if self._has_logged:
                self.rewind(cut_epoch, cut_step, stage)
            else:
                self._rewind(cut_epoch, cut_step, self.attempt, stage)
                self._has_logged = True

    def _rewind(self, epoch: int, step: int, attempt: str, stage: Optional[str] = None) -> None:
        self._call(REWIND, {"epoch": int(epoch), "step": int(step), "attempt": attempt, **({"stage": stage} if stage else {})})

    def heartbeat(self) -> None:
        """Say that the run is alive.  It happens every minute by itself."""
        self._sender.courier.beat()

    def _call(self, kind: bytes, body: Union[Dict[str, Any], Callable[[], Dict[str, Any]]]) -> None:
        if self.ended:
            self._fault("a call after finish(): nothing is sent any more")
        else:
            self._sender.failure()
            self._sender.put(kind, body)

    def _fault(self, text: str, error: Optional[Exception] = None) -> None:
        if self.on_error == "raise":
            raise error if isinstance(error, TallyError) else TallyError(text) from error
        self._sender.warn(text, text)

    # ---- the end ----
    def flush(self, timeout: Optional[float] = None) -> bool:
        """Wait until the server has everything, at most timeout seconds (default: exit_seconds).  False: something remains."""
        done = self._sender.flush(self.exit_seconds if timeout is None else timeout)
        self._sender.failure()
        return done

    def finish(self, status: str = "finished") -> bool:
        """End the run: "finished", "failed" or "killed".  Waits up to exit_seconds; True if the server has everything."""
        if status not in STATUSES:
            self._fault("status is one of %s" % ", ".join(STATUSES))
            status = "finished"
        done = self._end(status)
        self._sender.failure()
        return done

    def _end(self, status: Optional[str], seconds: Optional[float] = None) -> bool:
        if self.ended:
            return True
        self.ended = True
        _exit.forget(self)
        sender = self._sender
        if status is not None and self._pid == os.getpid() and (self.rank == 0 or status != "finished"):
            sender.put(PATCH, {"status": status})
        done = sender.flush(self.exit_seconds if seconds is None else seconds)
        left = sender.remaining()
        sender.stop()
        if left and sender.spool is not None and self.on_error != "ignore":
            if sender.spool.folder:
                text = "they are kept, send them with: tally-client sync %s" % sender.spool.folder
            else:
                text = "they are lost, since the spool could not be written"
            try:
                print("tally: %d records of run %s have not reached %s; %s" % (left, self.id, sender.api.url, text), file=sys.stderr, flush=True)
            except (RuntimeError, OSError, ValueError):
                pass  # below a signal handler that came while somebody printed, or nobody reads any more
        return done

    def _after_fork(self) -> None:
        self._sender.after_fork()
        util = sys.modules.get("multiprocessing.util")
        if util is not None:
            self._sender.on_start = lambda: util.Finalize(None, _exit.at_child_end, exitpriority=100)

    def __enter__(self) -> Run:
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if kind is None or (kind is SystemExit and not error.code):
            status = "finished"
        else:
            status = "killed" if kind is KeyboardInterrupt else "failed"
        if kind is None:
            self.finish(status)
        else:
            self._end(status)
