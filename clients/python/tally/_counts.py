"""Counts from predictions and targets: lists, NumPy arrays or tensors, scores or labels.

The training thread only reduces scores to labels, with the operations of the array's own library and without waiting for
a device; what is left is counted by the sender's thread.  No library is imported that the program has not imported itself.
"""
from __future__ import annotations

import math
import sys
from typing import Any, Callable, Dict, List, Optional

from ._errors import TallyError
from ._record import plain, snapshot

TASKS = ("multiclass", "binary", "multilabel")
MANY = 65536     # more labels than this in a tensor are counted where they are, if the matrix is small
MATRIX = 65536   # cells of a matrix that is counted so

Fields = Dict[str, Any]


def kind_of(value: Any) -> str:
    """"torch", "numpy" or "list"."""
    torch, numpy = sys.modules.get("torch"), sys.modules.get("numpy")
    if torch is not None and isinstance(value, getattr(torch, "Tensor", ())):
        return "torch"
    if numpy is not None and isinstance(value, getattr(numpy, "ndarray", ())):
        return "numpy"
    return "list"


def put_off(predictions: Any, targets: Any, num_classes: Optional[int], task: str, top_k: int, ignore_index: Optional[int],
            threshold: float) -> Callable[[], Fields]:
    """A function that counts, to be called by the sender's thread.  What it needs is copied here."""
    if task not in TASKS:
        raise TallyError("task is one of %s" % ", ".join(TASKS))
    if task != "binary" and not num_classes:
        raise TallyError("num_classes is needed for a %s task" % task)
    n_classes = 1 if task == "binary" else int(num_classes or 1)
    p, t = kind_of(predictions), kind_of(targets)
    if p == "list" and hasattr(predictions, "numpy"):  # TensorFlow in eager mode
        predictions, p = predictions.numpy(), "numpy"
    if t == "list" and hasattr(targets, "numpy"):
        targets, t = targets.numpy(), "numpy"
    if task == "multiclass":
        labels = multiclass_labels(predictions, targets, p, n_classes, top_k)
        targets = snapshot(targets.long() if t == "torch" else targets)
        if p == t == "torch" and targets.numel() > MANY and n_classes * n_classes <= MATRIX:
            counts = matrix_on_device(labels, targets, n_classes, ignore_index)
            return lambda: matrix_fields(counts, n_classes)
        return lambda: count_multiclass(labels, targets, n_classes, top_k, ignore_index)
    predictions, targets = snapshot(predictions), snapshot(targets)
    return lambda: count_binary(predictions, targets, n_classes, task, ignore_index, threshold)


# ---- several classes that exclude each other ----

def multiclass_labels(predictions: Any, targets: Any, kind: str, n_classes: int, top_k: int) -> Any:
    """Labels of the shape of targets, from scores [N, C, ...] or labels [N, ...].  top_k > 1: the k best, [N, k, ...]."""
    if kind == "torch":
        predictions = predictions.detach()
        if not predictions.is_floating_point():
            return predictions.clone()
        if top_k > 1:
            return predictions.topk(top_k, dim=1).indices
        return predictions.argmax(dim=1)
    if kind == "numpy":
        if predictions.dtype.kind != "f":
            return predictions.copy()
        if top_k > 1:
            return (-predictions).argsort(axis=1, kind="stable")[:, :top_k]
        return predictions.argmax(axis=1)
    return [list(row) if isinstance(row, (list, tuple)) else snapshot(row) for row in predictions]


def count_multiclass(labels: Any, targets: Any, n_classes: int, top_k: int, ignore_index: Optional[int]) -> Fields:
    labels, targets = plain(labels), flat(plain(targets))
    labels = list_labels(labels, n_classes, top_k) if is_scores(labels, targets) or top_k > 1 else flat(labels)
    if len(labels) != len(targets):
        raise TallyError("%d predictions for %d targets" % (len(labels), len(targets)))
    counts: Dict[Any, int] = {}
    for pair in zip(targets, labels):
        counts[pair] = counts.get(pair, 0) + 1
    out: Dict[Any, int] = {}
    for (target, label), n in counts.items():
        if target == ignore_index:
            continue
        if isinstance(label, tuple):  # the k best: the target if it is among them, else the best
            label = target if target in label else label[0]
        if not (0 <= target < n_classes and 0 <= label < n_classes) or target != int(target) or label != int(label):
            raise TallyError("target %r, prediction %r with num_classes=%d" % (target, label, n_classes))
        pair = (int(target), int(label))
        out[pair] = out.get(pair, 0) + n
    fields: Fields = {"num_classes": n_classes, "cells": [[t, p, n] for (t, p), n in sorted(out.items())]}
    if sum(out.values()) != len(targets):
        fields["samples"] = len(targets)
    return fields


def is_scores(labels: Any, targets: List[Any]) -> bool:
    """Nested lists of floats, one row of scores a sample."""
    return bool(labels) and isinstance(labels[0], list) and bool(labels[0]) and (isinstance(labels[0][0], float) or (
        isinstance(labels[0][0], list) and len(flat(labels)) != len(targets)))


def list_labels(scores: Any, n_classes: int, top_k: int) -> List[Any]:
    """The best label of each sample, or a tuple of the k best.  scores: rows [C] or, already reduced, [k]; trailing dimensions are flattened."""
    out: List[Any] = []
    for row in scores:
        if not isinstance(row[0], list):
            columns = [row]
        else:  # [C, d1, ...]: one column a position
            columns = [list(column) for column in zip(*[flat(part) for part in row])]
        for column in columns:
            if top_k > 1 and column and isinstance(column[0], int) and len(column) == top_k:
                out.append(tuple(column))
                continue
            if len(column) != n_classes:
                raise TallyError("%d scores for num_classes=%d" % (len(column), n_classes))
            order = sorted(range(n_classes), key=lambda c: (-column[c], c)) if top_k > 1 else None
            out.append(tuple(order[:top_k]) if order else column.index(max(column)))
    return out


def matrix_on_device(labels: Any, targets: Any, n_classes: int, ignore_index: Optional[int]) -> Any:
    """int64 [C * C + 2]: the matrix, what was ignored, what is no class.  Asynchronous on a device."""
    torch = sys.modules["torch"]
    if labels.dim() == targets.dim() + 1:  # the k best
        hit = (labels == targets.unsqueeze(1)).any(dim=1)
        labels = torch.where(hit, targets, labels[:, 0])
    targets, labels = targets.reshape(-1), labels.reshape(-1).long()
    valid = (targets >= 0) & (targets < n_classes) & (labels >= 0) & (labels < n_classes)
    index = torch.where(valid, targets * n_classes + labels, torch.full_like(targets, n_classes * n_classes + 1))
    if ignore_index is not None:
        index = torch.where(targets == ignore_index, torch.full_like(targets, n_classes * n_classes), index)
    return torch.zeros(n_classes * n_classes + 2, dtype=torch.int64, device=targets.device).scatter_add_(0, index, torch.ones_like(index))


def matrix_fields(counts: Any, n_classes: int) -> Fields:
    numbers = counts.tolist()
    ignored, wrong = numbers[-2:]
    if wrong:
        raise TallyError("%d targets or predictions are not within num_classes=%d" % (wrong, n_classes))
    fields: Fields = {"confusion": [numbers[i * n_classes:(i + 1) * n_classes] for i in range(n_classes)]}
    if ignored:
        fields["samples"] = sum(numbers)
    return fields


# ---- one class, or labels that do not exclude each other ----

def count_binary(predictions: Any, targets: Any, n_classes: int, task: str, ignore_index: Optional[int], threshold: float) -> Fields:
    """tp, fp, fn, tn of the positive class, or of each label.  Floats outside [0, 1] are logits, as torchmetrics has it."""
    predictions, targets = plain(predictions), plain(targets)
    rows_p, rows_t = ([predictions], [targets]) if task == "binary" else (by_label(predictions, n_classes), by_label(targets, n_classes))
    rows_p, rows_t = [flat(row) for row in rows_p], [flat(row) for row in rows_t]
    n_samples = len(rows_t[0])
    if [len(r) for r in rows_p] != [len(r) for r in rows_t]:
        raise TallyError("predictions and targets are not of the same shape")
    logits = any(isinstance(v, float) and not 0.0 <= v <= 1.0 for p, t in zip(rows_p, rows_t) for v, want in zip(p, t) if want != ignore_index)
    limit = math.log(threshold / (1 - threshold)) if logits and 0 < threshold < 1 else threshold
    out: Fields = {"task": task, "tp": [], "fp": [], "fn": [], "tn": []}
    total = 0
    for row_p, row_t in zip(rows_p, rows_t):
        counts = [0, 0, 0, 0]  # by 2 * target + prediction
        for value, target in zip(row_p, row_t):
            if target == ignore_index:
                continue
            if target not in (0, 1):
                raise TallyError("target %r of a %s task is neither 0 nor 1" % (target, task))
            counts[2 * int(target) + (value > limit if isinstance(value, float) else int(value) == 1)] += 1
        total += sum(counts)
        for field, at in (("tn", 0), ("fp", 1), ("fn", 2), ("tp", 3)):
            out[field].append(counts[at])
    if total != n_samples * n_classes:
        out["samples"] = n_samples
    return out


def by_label(rows: List[Any], n_classes: int) -> List[List[Any]]:
    """[N, C, ...] as C lists."""
    out: List[List[Any]] = [[] for _ in range(n_classes)]
    for row in rows:
        if len(row) != n_classes:
            raise TallyError("%d labels for num_classes=%d" % (len(row), n_classes))
        for label, value in zip(out, row):
            label.append(value)
    return out


def flat(value: Any) -> List[Any]:
    if not isinstance(value, (list, tuple)):
        return [value]
    if value and not isinstance(value[0], (list, tuple)):
        return list(value)
    return [item for part in value for item in flat(part)]
