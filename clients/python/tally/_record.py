"""Records as they travel: from what a training loop handed over to the lines that are stored and sent.

All of this runs in the sender thread.  Arrays and tensors become lists here, so a device is waited for here and never in
the training thread.
"""
from __future__ import annotations

import json
import math
import re
from typing import Any, Dict

from ._errors import TallyError

COUNT_FIELDS = ("correct", "total", "tp", "fp", "fn", "tn", "confusion", "cells", "classes", "samples", "exact")
MEASURES = ("correct", "total", "tp", "fp", "fn", "confusion", "cells", "classes", "scores", "calibration", "exact", "regression", "sums", "values")
STAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}\Z")
SPARSE_CLASSES = 12  # from here on a matrix is looked through for zeros


def snapshot(value: Any) -> Any:
    """What a caller may change or free after the call, copied without waiting for a device."""
    kind = type(value)
    if kind is int or kind is float:
        return value
    if kind is list or kind is tuple:
        if not value or type(value[0]) in (int, float):
            return list(value)
        return [snapshot(item) for item in value]
    if hasattr(value, "detach"):
        return value.detach().clone()
    if hasattr(value, "tolist") and hasattr(value, "copy"):
        return value.copy()
    if isinstance(value, dict):
        return {name: snapshot(item) for name, item in value.items()}
    return value


def plain(value: Any) -> Any:
    """Python's own numbers, lists and dicts of whatever it was."""
    if isinstance(value, (int, float, str)) or value is None:
        return value
    if hasattr(value, "detach"):
        value = value.detach()
    if hasattr(value, "tolist"):
        return value.tolist()
    if hasattr(value, "numpy"):  # TensorFlow
        return value.numpy().tolist()
    if isinstance(value, dict):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "item"):
        return value.item()
    raise TallyError("not a number or a list of numbers: %s" % type(value).__name__)


def whole(value: Any) -> Any:
    """Counts that came as floats (3.0) as integers; anything else is left for the server to refuse."""
    if isinstance(value, list):
        return [item if type(item) is int else whole(item) for item in value]
    if isinstance(value, (bool, float)) and value == int(value if math.isfinite(value) else 0):
        return int(value)
    return value


def number(value: Any) -> Any:
    """A float as JSON has it: what is not finite by its name."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    return value


def materialise(record: Dict[str, Any]) -> Dict[str, Any]:
    """A record of plain Python values.  A callable under "_later" gives further fields (counts that were put off)."""
    out = dict(record)
    later = out.pop("_later", None)
    if later is not None:
        out.update(later())
    for field, value in out.items():
        if field in COUNT_FIELDS:
            if type(value) is not int:
                out[field] = whole(plain(value))
        elif type(value) not in (int, str):
            out[field] = plain(value)
    if not STAGE.match(str(out.get("stage", ""))):
        raise TallyError("not a stage: %r (letters, digits, . _ -)" % out.get("stage"))
    if not any(field in out for field in MEASURES):
        raise TallyError("the record of stage %s, epoch %s, step %s holds no measure" % (out["stage"], out.get("epoch"), out.get("step")))
    for name in ("epoch", "step", "rank", "time"):
        if name in out:
            out[name] = whole(out[name])
    if "sums" in out:
        out["sums"] = {name: [number(v) for v in pair] for name, pair in out["sums"].items()}
    if "values" in out:
        out["values"] = {name: number(v) for name, v in out["values"].items()}
    sparse(out)
    return out


def sparse(record: Dict[str, Any]) -> None:
    """The shorter of the two forms of a matrix or of counts per class; the server stores the same for either."""
    matrix = record.get("confusion")
    if matrix and len(matrix) >= SPARSE_CLASSES and record.get("task", "multiclass") == "multiclass":
        cells = [[t, p, n] for t, row in enumerate(matrix) if any(row) for p, n in enumerate(row) if n]
        if 3 * len(cells) < len(matrix) ** 2:
            del record["confusion"]
            record["num_classes"], record["cells"] = len(matrix), cells
    tp = record.get("tp")
    if tp and len(tp) >= SPARSE_CLASSES and "tn" not in record and record.get("task", "multiclass") == "multiclass":
        classes = [[c, *counts] for c, counts in enumerate(zip(tp, record.get("fp") or (), record.get("fn") or ())) if any(counts)]
        if len(record.get("fp") or ()) == len(record.get("fn") or ()) == len(tp) and 2 * len(classes) < len(tp):
            for field in ("tp", "fp", "fn"):
                del record[field]
            record["num_classes"], record["classes"] = len(tp), classes


def encode(record: Dict[str, Any]) -> bytes:
    """One line of NDJSON, without its end."""
    return json.dumps(record, separators=(",", ":"), allow_nan=False).encode()


def document(value: Any, depth: int = 0) -> Any:
    """Any value as JSON that the server takes: what JSON does not have becomes text.

    None becomes the text "None" in a mapping: null would delete the key (RFC 7396).
    """
    if isinstance(value, (bool, int, str)) or value is None:
        if isinstance(value, str):
            return value.replace("\0", "")
        return value if isinstance(value, bool) or value is None or abs(value) < 2 ** 53 else str(value)
    if isinstance(value, float):
        return number(value)
    if depth > 20:
        return repr(value)[:200]
    if isinstance(value, dict):
        return {str(k).replace("\0", ""): "None" if v is None else document(v, depth + 1) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [document(item, depth + 1) for item in value]
    if hasattr(value, "tolist") and getattr(value, "ndim", 1) == 0:
        return document(value.tolist(), depth + 1)
    if hasattr(value, "__dict__") and type(value).__name__ == "Namespace":
        return document(vars(value), depth)
    return str(value)
