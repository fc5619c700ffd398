"""What is asked of a server that runs out of memory: every route and method, every kind of record.

A case is sent to a run again and again, each time with another i.  A read is asked of a run that holds all there is.
"""
import gzip
import json

MOMENTS = {"n": 6, "mean_target": 1.5, "mean_prediction": 0.25, "m2_target": 3, "m2_prediction": 4.25, "c": 1, "sum_error": -7.25,
           "sum_abs_error": 8, "sum_squared_error": 9}
# kind of state -> a record of it
RECORDS = {
    "totals": {"stage": "train", "correct": 27, "total": 32},
    "classes": {"stage": "test", "name": "per-class", "tp": [3, 4, 0], "fp": [1, 0, 2], "fn": [0, 2, 1], "samples": 12},
    "classes sparse": {"stage": "test", "name": "sparse", "num_classes": 1000, "classes": [[1, 3, 1, 0], [999, 4, 0, 1]], "total": 8},
    "confusion": {"stage": "val", "confusion": [[5, 1, 0], [0, 4, 2], [1, 1, 6]]},
    "cells": {"stage": "val", "name": "cells", "num_classes": 1000, "cells": [[1, 1, 5], [999, 1, 2], [3, 4, 1]]},
    "binary": {"stage": "val", "name": "binary", "task": "binary", "confusion": [[5, 1], [2, 4]]},
    "multilabel": {"stage": "val", "name": "labels", "task": "multilabel", "tp": [1, 2], "fp": [0, 1], "fn": [1, 0], "tn": [4, 3]},
    "scores": {"stage": "roc", "scores": {"thresholds": 3, "pos": [[0, 1, 2], [0, 0, 3]], "neg": [[3, 0, 0], [0, 2, 1]]}},
    "calibration": {"stage": "roc", "calibration": {"bins": 3, "count": [4, 0, 1, 1], "confidence": [0.75, 0, 0.5, 1], "correct": [2, 0, 1, 0]}},
    "exact": {"stage": "roc", "exact": [4, 6]},
    "regression": {"stage": "reg", "regression": MOMENTS},
    "means": {"stage": "train", "sums": {"loss": [41.25, 32], "a/loss": [1.5, 2, 0.5, 1.0]}, "values": {"lr": 0.001, "bad": "NaN"}},
}
EVERYTHING = {**RECORDS["confusion"], "stage": "all", "sums": {"loss": [4.5, 24]}, "values": {"lr": 0.5},
              **{k: RECORDS[k][k] for k in ("scores", "calibration", "exact", "regression")}}
EVERYTHING.update(confusion=[[3, 0], [1, 2]])


def at(record, step, epoch=0, **more):
    return {**record, "epoch": epoch, "step": step, "time": 1763884800000 + step, **more}


def encode(body):
    return json.dumps(body).encode()


class Case:
    """One request.  path and body take (run, i); before, if there is one, is a request that comes first, never failing."""

    def __init__(self, name, method, path, body=None, status=(200,), before=None, headers=None, again=None, is_read=None):
        self.name, self.method, self.path, self.body, self.status = name, method, path, body, status
        self.before, self.headers, self.again = before, headers or {}, again or status
        self.is_read = method == "GET" if is_read is None else is_read

    def send(self, server, run, i):
        path = self.path.replace("{run}", run).replace("{i}", str(i)).replace("{build}", server.build)
        body = self.body(run, i) if self.body else None
        if path.endswith("/login") and self.method == "POST":
            body = {"token": server.token}
        return server.request(self.method, path, body, headers=self.headers)


def post(name, records, status=(200,), headers=None, before=None, run="{run}"):
    """A POST of batches whose body is made by records(i): a value, or bytes that are sent as they are."""
    return Case(name, "POST", "/api/v1/runs/%s/batches?project=p" % run,
                lambda _, i: records(i) if isinstance(records(i), bytes) else encode(records(i)), status, before, headers)


def batches(server, run, records):
    answer = server.log_batches(run, records)
    if answer.status != 200:
        raise AssertionError("not taken: %r" % answer)


def there(server, run, i):
    """The run exists, with a batch."""
    batches(server, run, at(RECORDS["totals"], 0))


NDJSON, GZIP = {"Content-Type": "application/x-ndjson"}, {"Content-Encoding": "gzip"}
WRITES = [post(kind, lambda i, r=record: at(r, i)) for kind, record in RECORDS.items()] + [
    post("all kinds", lambda i: at(EVERYTHING, i)),
    post("array", lambda i: [at(r, i) for r in RECORDS.values()]),
    post("ranks and epochs", lambda i: [at(RECORDS["totals"], i + s, e, rank=r) for e in (i, i + 1) for s in (0, 1) for r in (0, 3)]),
    post("many steps", lambda i: [at(RECORDS["confusion"], 40 * i + s) for s in range(40)]),
    post("lines", lambda i: b"\n".join(encode(at(r, i)) for r in RECORDS.values()), headers=NDJSON),
    post("gzip", lambda i: gzip.compress(encode([at(r, i) for r in RECORDS.values()])), headers=GZIP),
    post("gzip lines", lambda i: gzip.compress(b"\n".join(encode(at(r, i)) for r in RECORDS.values())), headers={**NDJSON, **GZIP}),
    post("new run", lambda i: [at(EVERYTHING, s) for s in range(3)], run="{run}-{i}"),
    post("new series", lambda i: at({"stage": "s%d" % i, "correct": 1, "total": 2, "values": {"v%d" % i: 1}}, 0)),
    post("attempt", lambda i: at(RECORDS["totals"], i, attempt="a%d" % i)),
    post("late batches", lambda i: at(RECORDS["confusion"], 10000 - i)),
    post("conflict", lambda i: [at(RECORDS["totals"], i), at({**RECORDS["totals"], "correct": 1}, 0)], (409,),
         before=there),
    post("other shape", lambda i: [at(RECORDS["confusion"], i + 1), at({"stage": "train", "confusion": [[1, 0], [0, 1]]}, i)], (409,),
         before=there),
    post("bad value", lambda i: at({"stage": "train", "correct": 33, "total": 32}, i), (422,)),
    post("bad JSON", lambda i: b'[{"stage":"train"', (400,)),
    Case("create", "PUT", "/api/v1/runs/{run}-{i}", lambda _, i: {"project": "p", "name": "n", "notes": "x", "config": {"lr": 0.1, "deep": {"a": [1, 2]}},
         "tags": ["b", "a"], "stages": {"test": {"class_names": ["cat", "dog"]}}}, (201,), again=(200, 201)),
    Case("merge", "PUT", "/api/v1/runs/{run}", lambda _, i: {"project": "p", "config": {"k%d" % i: i, "deep": {"b": None}}, "tags": ["t%d" % (i % 7)]}, (200, 201)),
    Case("patch", "PATCH", "/api/v1/runs/{run}", lambda _, i: {"status": ("finished", "running")[i % 2], "name": "n%d" % i, "notes": "n", "tags": ["x", "y"],
         "config": {"a": {"b": i}}, "project": ("p", "q")[i % 2], "stages": {"val": {"class_names": ["a", "b", "c"]}}}, before=there),
    Case("heartbeat", "PATCH", "/api/v1/runs/{run}", lambda _, i: {}, before=there),
    Case("rewind", "POST", "/api/v1/runs/{run}/rewind", lambda _, i: {"epoch": i, "step": 2, "attempt": "r%d" % i},
         before=lambda s, run, i: batches(s, run, [at(r, step, i) for step in range(5) for r in (RECORDS["totals"], RECORDS["confusion"], RECORDS["means"])])),
    Case("rewind a stage", "POST", "/api/v1/runs/{run}/rewind", lambda _, i: {"epoch": i, "step": 1, "stage": "val", "attempt": "r%d" % i},
         before=lambda s, run, i: batches(s, run, [at(r, step, i) for step in range(3) for r in (RECORDS["totals"], RECORDS["confusion"])])),
    Case("delete", "DELETE", "/api/v1/runs/{run}-{i}", None, (204,), again=(204, 404),
         before=lambda s, run, i: batches(s, "%s-%d" % (run, i), [at(EVERYTHING, 0), at(RECORDS["totals"], 1)])),
]


def read(path, status=(200,), **headers):
    return Case(path, "GET", path, None, status, headers=headers)


RUN = "/api/v1/runs/{run}"
READS = [
    read(RUN),
    read("/api/v1/runs/none", (404,)),
    read(RUN + "/batches?stage=all"),
    read(RUN + "/batches?stage=all&epoch=0&limit=2"),
    read(RUN + "/batches?stage=train&format=csv", (200, 406)),
    read(RUN + "/epochs?stage=train&metric=accuracy,loss,loss:min,loss:last"),
    read(RUN + "/epochs?stage=val&metric=accuracy.macro,f1.none,kappa@linear,mcc"),
    read(RUN + "/epochs?stage=all&metric=auroc,ece,exact_match,r2,loss&rank=0"),
    read(RUN + "/epochs?stage=val&format=csv"),
    read(RUN + "/epochs?stage=val&metric=nothing", (422,)),
    read(RUN + "/steps?stage=train&metric=accuracy,loss"),
    read(RUN + "/steps?stage=val&metric=accuracy.macro,f1.macro&points=3"),
    read(RUN + "/steps?stage=val&metric=accuracy&window=2&rank=0"),
    read(RUN + "/steps?stage=train&format=csv"),
    read(RUN + "/classes?stage=val"),
    read(RUN + "/classes?stage=val&format=csv"),
    read(RUN + "/confusion?stage=val&normalize=true"),
    read(RUN + "/confusion?stage=val&name=cells&form=sparse"),
    read(RUN + "/confusion?stage=val&format=csv"),
    read(RUN + "/curves?stage=all"),
    read(RUN + "/curves?stage=all&format=csv", (200, 406)),
    read(RUN + "/calibration?stage=all"),
    read(RUN + "/calibration?stage=all&format=csv", (200, 406)),
    read(RUN + "/diagnosis?stage=val"),
    read(RUN + "/diagnosis?stage=val&format=csv", (200, 406)),
    read("/api/v1/runs?project=p&q=id~{run}&sort=-val/accuracy@last,id&columns=val/accuracy.macro@last,config.lr,train/loss@min&limit=1"),
    read("/api/v1/runs?q=id~{run}%20status%3Drunning&format=csv"),
    read("/api/v1/compare?runs={run},{run}-b&stage=val&metric=accuracy,f1.macro"),
    read("/api/v1/compare?runs={run},{run}-b&stage=val&metric=accuracy&x=epoch&group=config.lr"),
    read("/api/v1/compare?runs={run},{run}-b&stage=val&metric=accuracy&format=csv"),
    read("/api/v1/projects"),
    read("/api/v1/metrics"),
    read("/api/v1/limits"),
    read("/api/v1/openapi.yaml", **{"Accept-Encoding": "gzip"}),
    read(RUN + "/steps?stage=val&metric=accuracy,f1.macro,loss", (200, 422), **{"Accept-Encoding": "gzip"}),
    read("/healthz"),
    read("/readyz"),
    read("/metrics"),
    read("/?run={run}"),
    read("/assets/{build}/web/src/app.js", **{"Accept-Encoding": "gzip"}),
    read("/nowhere", (404,)),
]
OTHERS = [
    Case("login", "POST", "/api/v1/login", None, (204,), is_read=True),
    Case("logout", "DELETE", "/api/v1/login", None, (204,), headers={"Cookie": "tally_session=" + "0" * 64}, is_read=True),
    Case("a new connection", "GET", "/api/v1/limits", before=lambda server, run, i: server.hang_up()),
    Case("backup", "POST", "/api/v1/backup", None, (201,), is_read=True),
]


def fill(server, run):
    """A run that holds all there is, and one beside it."""
    for name in (run, run + "-b"):
        server.put("/api/v1/runs/" + name, {"project": "p", "config": {"lr": 0.5}, "tags": ["t"], "stages": {"val": {"class_names": ["a", "b", "c"]}}})
        batches(server, name, [at(r, s, e) for r in list(RECORDS.values()) + [EVERYTHING] for e in range(2) for s in range(4)])
