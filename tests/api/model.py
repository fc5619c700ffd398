"""The second pair of eyes: what the server must answer, computed by brute force from the records that were posted.

Nothing here knows how the server works; only the contract.  Counts are Python integers, sums of doubles math.fsum, and
the formulas are those of tests/golden/reference.py, which reproduce torchmetrics.
"""
import math
import sys

from tally_server import GOLDEN

sys.path.insert(0, GOLDEN)
import reference  # noqa: E402  (tests/golden)


# ------------------------------------------------------------------ forms of the same counts
def per_class(matrix):
    """tp, fp, fn of a confusion matrix [target][predicted]."""
    n = range(len(matrix))
    tp = [matrix[c][c] for c in n]
    return tp, [sum(matrix[t][c] for t in n) - tp[c] for c in n], [sum(matrix[c]) - tp[c] for c in n]


def forms(matrix):
    """Every way to say one multiclass batch: form name -> fields of a record."""
    n = len(matrix)
    tp, fp, fn = per_class(matrix)
    total, correct = sum(map(sum, matrix)), sum(tp)
    return {
        "totals": {"correct": correct, "total": total},
        "per_class": {"tp": tp, "fp": fp, "fn": fn},
        "per_class_tn": {"tp": tp, "fp": fp, "fn": fn, "tn": [total - a - b - c for a, b, c in zip(tp, fp, fn)]},
        "classes": {"num_classes": n, "total": total,
                    "classes": [[c, tp[c], fp[c], fn[c]] for c in range(n) if tp[c] + fp[c] + fn[c]]},
        "confusion": {"confusion": matrix},
        "confusion_totals": {"confusion": matrix, "correct": correct, "total": total},
        "cells": {"num_classes": n, "cells": [[t, p, matrix[t][p]] for t in range(n) for p in range(n) if matrix[t][p]]},
    }


# ------------------------------------------------------------------ windows of counts
def pooled(batches, ignore_index=None):
    """Catalogue values of a set of multiclass batches, each with a "matrix": selector -> value."""
    size = len(batches[0]["matrix"]) if batches else 0
    matrix = [[sum(b["matrix"][t][p] for b in batches) for p in range(size)] for t in range(size)]
    tp, fp, fn = per_class(matrix)
    total = sum(map(sum, matrix))
    state = {"tp": tp, "fp": fp, "fn": fn, "tn": [total - a - b - c for a, b, c in zip(tp, fp, fn)],
             "correct": sum(tp), "total": total, "confmat": matrix}
    return selectors(reference.classification("multiclass", state, {"top_k": 1, "ignore_index": ignore_index}))


PLAIN = ("accuracy", "precision", "recall", "f1", "specificity", "jaccard", "hamming", "npv")
OF_STATES = ("auroc", "average_precision", "exact_match", "perplexity", "mse", "rmse", "mae", "r2", "explained_variance", "pearson")
RENAMED = {"fbeta2": "fbeta@2", "fbeta05": "fbeta@0.5"}


def selectors(metrics, zero_division=0):
    """The names of golden files and reference.py as selectors of the API.  NaN becomes None.
    zero_division=1: only the values that were computed with it."""
    def clean(v):
        return [clean(x) for x in v] if isinstance(v, list) else None if v is None or v != v else v
    out = {}
    for name, value in metrics.items():
        if name.endswith("_zd1") != bool(zero_division):
            continue
        name = name[:-4] if zero_division else name
        if name in ("kappa", "ece") and isinstance(value, dict):
            out.update({name if argument == "none" else name + "@" + argument: clean(v) for argument, v in value.items()})
        elif name in PLAIN or name in RENAMED or name in OF_STATES or name in ("mcc", "kappa"):
            word = RENAMED.get(name, name)
            if isinstance(value, dict):
                for average, v in value.items():
                    out[word + "." + average] = clean(v)
            else:
                out[word] = clean(value)
    return out


def mean_of(pairs):
    """The weighted mean of [sum, weight] pairs, None without weight."""
    weight = math.fsum(w for _, w in pairs)
    return math.fsum(s for s, _ in pairs) / weight if weight else None


# ------------------------------------------------------------------ the chart's arithmetic
class Stage:
    """All batches of one stage: dicts with epoch, step, rank, time, samples, matrix and loss (sum, weight, min, max) or None."""

    def __init__(self, batches):
        self.batches = sorted(batches, key=lambda b: (b["epoch"], b["step"], b["rank"]))
        self.epochs = sorted({b["epoch"] for b in batches})
        self.offset, self.x_from = {}, "step"
        before = None
        for e in self.epochs:
            steps = [b["step"] for b in batches if b["epoch"] == e]
            first, last = min(steps), max(steps)
            if before is None:
                self.offset[e] = 0
            elif first > before[1]:
                self.offset[e] = before[0]
            else:
                self.offset[e] = before[0] + before[1] + 1 - first
                self.x_from = "counted"
            before = (self.offset[e], last)

    def x(self, b):
        return self.offset[b["epoch"]] + b["step"]

    def buckets(self, width, batches):
        """Batches by (epoch, bucket), in order."""
        out = {}
        for b in batches:
            out.setdefault((b["epoch"], b["step"] // width), []).append(b)
        return [out[k] for k in sorted(out)]

    def steps(self, points=1000, start=None, end=None, rank=None, window=None):
        """(width or None when over, list of entries); every entry with the batches its values are made of."""
        mine = [b for b in self.batches if rank is None or b["rank"] == rank]

        def touched(groups):
            return [g for g in groups if any((start is None or self.x(b) >= start) and (end is None or self.x(b) <= end) for b in g)]

        by_epoch = touched([[b for b in mine if b["epoch"] == e] for e in self.epochs])
        over, width = len(by_epoch) > points, 1
        groups = by_epoch
        if not over:
            groups = touched(self.buckets(width, mine))
            while len(groups) > points:
                width *= 2
                groups = touched(self.buckets(width, mine))
        entries = []
        for g in groups:
            last = max(b["step"] for b in g)
            seen = g if window is None else [b for b in mine if b["epoch"] == g[0]["epoch"] and last - window < b["step"] <= last]
            entries.append({"x": min(self.x(b) for b in g), "epoch": g[0]["epoch"], "step": min(b["step"] for b in g),
                            "time": min(b["time"] for b in g), "samples": sum(b["samples"] for b in g), "batches": len(g),
                            "own": g, "seen": seen})
        return (None if over else width), entries

    def epoch_entries(self, rank=None):
        out = []
        for e in self.epochs:
            g = [b for b in self.batches if b["epoch"] == e and (rank is None or b["rank"] == rank)]
            if g:
                out.append({"epoch": e, "steps": len({b["step"] for b in g}), "batches": len(g), "samples": sum(b["samples"] for b in g),
                            "first_step": min(b["step"] for b in g), "last_step": max(b["step"] for b in g),
                            "ranks": len({b["rank"] for b in g}), "own": g})
        return out

    def mean_of_steps(self, entry, selector):
        """The plain mean over the steps that are not empty and have a value."""
        by_step = {}
        for b in entry["own"]:
            by_step.setdefault(b["step"], []).append(b)
        values = [pooled(g)[selector] for g in by_step.values() if sum(b["samples"] for b in g)]
        values = [v for v in values if v is not None]
        return math.fsum(values) / len(values) if values else None


def accuracy_range(batches):
    """min and max of the batches' accuracy, None where no batch has one."""
    values = []
    for b in batches:
        total = sum(map(sum, b["matrix"]))
        if total:
            values.append(sum(b["matrix"][c][c] for c in range(len(b["matrix"]))) / total)
    return (min(values), max(values)) if values else (None, None)


def loss_range(batches):
    low, high = [], []
    for b in batches:
        if b["loss"] and b["loss"][1] > 0:
            mean = b["loss"][0] / b["loss"][1]
            low.append(b["loss"][2] if len(b["loss"]) == 4 else mean)
            high.append(b["loss"][3] if len(b["loss"]) == 4 else mean)
    return (min(low), max(high)) if low else (None, None)


def loss_last(batches):
    """The mean of the batch with the greatest (epoch, step, rank) that has one."""
    ends = [b for b in batches if b["loss"] and b["loss"][1] > 0]
    if not ends:
        return None
    b = max(ends, key=lambda b: (b["epoch"], b["step"], b["rank"]))
    return b["loss"][0] / b["loss"][1]


def record_of(b, stage="train", form="confusion"):
    """The record that logs one batch of a Stage."""
    out = {"stage": stage, "epoch": b["epoch"], "step": b["step"], "rank": b["rank"], "samples": b["samples"], "time": b["time"]}
    out.update(forms(b["matrix"])[form])
    if b["loss"]:
        out["sums"] = {"loss": b["loss"]}
    return out


def random_batch(random, epoch, step, rank, classes=3, most=6):
    """Counts and a loss as a training step would make them: sometimes empty, one class only, or without a range."""
    matrix = [[random.randint(0, most) if random.random() < 0.7 else 0 for _ in range(classes)] for _ in range(classes)]
    kind = random.random()
    if kind < 0.08:
        matrix = [[0] * classes for _ in range(classes)]
    elif kind < 0.3:
        only = random.randrange(classes)
        matrix = [row if c == only else [0] * classes for c, row in enumerate(matrix)]
    total = sum(map(sum, matrix))
    losses = [random.uniform(0.01, 3) for _ in range(total)]
    loss = [math.fsum(losses), total] + ([min(losses), max(losses)] if random.random() < 0.5 else []) if total else [0, 0]
    return {"epoch": epoch, "step": step, "rank": rank, "time": 1763884800000 + random.randrange(10 ** 6),
            "samples": total + random.randrange(2) * random.randrange(3), "matrix": matrix, "loss": loss}
