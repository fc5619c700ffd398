"""Adding records that have not been sent: neighbouring batches of an epoch become one record, and totals stay exact.

Two records are added only where every field of theirs has a sum: the same stage, epoch, rank, name, attempt and form.  The
result stands at the position of the first.  A record that was in a request already is never touched: it may be stored.
"""
from __future__ import annotations

from typing import Any, Dict, Iterable, List, Optional, Tuple

LISTS = ("tp", "fp", "fn", "tn", "exact")
NUMBERS = ("correct", "total", "samples")
SPARSE = {"cells": 2, "classes": 1}  # how many numbers of an item are its key
SAME = ("stage", "epoch", "rank", "name", "attempt", "task", "num_classes")

Record = Dict[str, Any]


def key_of(record: Record) -> Optional[Tuple[Any, ...]]:
    """Records with equal keys can be added.  None: this one cannot be added to any."""
    parts: List[Any] = [record.get(field) for field in SAME]
    parts.append(tuple(sorted(field for field in record if field not in ("sums", "values", "time"))))
    for field in ("tp", "confusion"):
        parts.append(len(record[field]) if field in record else 0)
    for field in ("scores", "calibration"):
        if field in record:
            state = record[field]
            parts.append((field, state.get("thresholds"), state.get("bins"), state.get("num_classes"), tuple(sorted(state)), len(state.get("pos", ()))))
    means = means_of(record)
    if means is None:
        return None
    parts.append(tuple(sorted(means)))
    return tuple(parts)


def means_of(record: Record) -> Optional[Dict[str, List[float]]]:
    """Sums and values alike as [sum, weight, min, max]; None where one is not finite or has no weight (it must stay a batch)."""
    out = {}
    for name, value in record.get("values", {}).items():
        if isinstance(value, str):
            return None
        out[name] = [value, 1, value, value]
    for name, pair in record.get("sums", {}).items():
        if any(isinstance(v, str) for v in pair) or len(pair) not in (2, 4) or not pair[1] > 0:
            return None
        out[name] = list(pair) if len(pair) == 4 else [pair[0], pair[1], pair[0] / pair[1], pair[0] / pair[1]]
    return out


def add(into: Record, more: Record) -> Record:
    """The sum of two records with equal keys, at the position and time of the first.  Neither is changed."""
    out = dict(into)
    for field in NUMBERS:
        if field in into:
            out[field] = into[field] + more[field]
    for field in LISTS:
        if field in into:
            out[field] = [a + b for a, b in zip(into[field], more[field])]
    if "confusion" in into:
        out["confusion"] = [[a + b for a, b in zip(x, y)] for x, y in zip(into["confusion"], more["confusion"])]
    for field, n_keys in SPARSE.items():
        if field in into:
            out[field] = add_items(into[field], more[field], n_keys)
    if "scores" in into:
        out["scores"] = add_scores(into["scores"], more["scores"])
    if "calibration" in into:
        out["calibration"] = add_calibration(into["calibration"], more["calibration"])
    if "regression" in into:
        out["regression"] = add_regression(into["regression"], more["regression"])
    means, others = means_of(into), means_of(more)
    if means:
        assert others is not None
        out.pop("values", None)
        out["sums"] = {name: [a[0] + b[0], a[1] + b[1], min(a[2], b[2]), max(a[3], b[3])]
                       for name, a in means.items() for b in (others[name],)}
    return out


def add_items(a: List[List[Any]], b: List[List[Any]], n_keys: int) -> List[List[Any]]:
    sums = {tuple(item[:n_keys]): item[n_keys:] for item in a}
    for item in b:
        key = tuple(item[:n_keys])
        sums[key] = [x + y for x, y in zip(sums[key], item[n_keys:])] if key in sums else item[n_keys:]
    return [[*key, *counts] for key, counts in sorted(sums.items())]


def add_scores(a: Record, b: Record) -> Record:
    out = dict(a)
    if "cells" in a:
        out["cells"] = add_items(a["cells"], b["cells"], 2)
    for side in ("pos", "neg"):
        if side in a:
            out[side] = [[x + y for x, y in zip(p, q)] for p, q in zip(a[side], b[side])]
    return out


def add_calibration(a: Record, b: Record) -> Record:
    out = dict(a)
    if "cells" in a:
        out["cells"] = add_items(a["cells"], b["cells"], 1)
    for field in ("count", "confidence", "correct"):
        if field in a:
            out[field] = [x + y for x, y in zip(a[field], b[field])]
    return out


def add_regression(a: Record, b: Record) -> Record:
    """Moments about the means add by Chan's rule."""
    n = a["n"] + b["n"]
    if not a["n"] or not b["n"]:
        return a if a["n"] else b
    d_target, d_prediction = b["mean_target"] - a["mean_target"], b["mean_prediction"] - a["mean_prediction"]
    share = a["n"] * b["n"] / n
    out = {field: a[field] + b[field] for field in ("n", "sum_error", "sum_abs_error", "sum_squared_error")}
    out["mean_target"] = a["mean_target"] + d_target * b["n"] / n
    out["mean_prediction"] = a["mean_prediction"] + d_prediction * b["n"] / n
    out["m2_target"] = a["m2_target"] + b["m2_target"] + d_target * d_target * share
    out["m2_prediction"] = a["m2_prediction"] + b["m2_prediction"] + d_prediction * d_prediction * share
    out["c"] = a["c"] + b["c"] + d_target * d_prediction * share
    return out


def halve(records: Iterable[Record], at_most: int = 2) -> List[Record]:
    """Records with neighbours of the same key added, at_most of them to one.

    The same position twice is not added to itself: equal content is the same batch and is kept once, other content is left
    for the server to judge.
    """
    out: List[Optional[Record]] = []
    open_at: Dict[Tuple[Any, ...], Tuple[int, int]] = {}  # where the sum that still grows stands, and how many are in it
    seen: Dict[Tuple[Any, ...], Record] = {}
    for record in records:
        key = key_of(record)
        if key is None:
            out.append(record)
            continue
        before = seen.get((key, record["step"]))
        if before is not None:
            if {**before, "time": 0} != {**record, "time": 0}:
                out.append(record)
            continue
        seen[key, record["step"]] = record
        place, n = open_at.get(key, (-1, at_most))
        if n < at_most:
            held = out[place]
            assert held is not None
            first, second = (held, record) if held["step"] <= record["step"] else (record, held)
            out[place] = add(first, second)
            open_at[key] = (place, n + 1)
        else:
            open_at[key] = (len(out), 1)
            out.append(record)
    return [record for record in out if record is not None]
