"""Make the fixture of a schema: python3 tests/data/schema/make.py PROGRAM

PROGRAM is the last tally that makes databases of that schema.  It is told a small story; its database becomes NNN.sql beside
this file, and what it says of it NNN.json.  Run once when a schema is released, and never again: tests/api/test_migrations.py
asks today's program the same.
"""
import json
import os
import re
import sqlite3
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(HERE)), "api"))
from plain import edited  # noqa: E402
from tally_server import TallyServer, run_tally  # noqa: E402

TIME = 1763884800000
STATES = {
    "per-class": {"name": "per-class", "tp": [3, 4, 0], "fp": [1, 0, 2], "fn": [0, 2, 1], "samples": 12},
    "sparse": {"name": "sparse", "num_classes": 1000, "classes": [[1, 3, 1, 0], [999, 4, 0, 1]], "total": 8},
    "cells": {"name": "cells", "num_classes": 1000, "cells": [[1, 1, 5], [999, 1, 2], [3, 4, 1]]},
    "binary": {"name": "binary", "task": "binary", "confusion": [[5, 1], [2, 4]]},
    "labels": {"name": "labels", "task": "multilabel", "tp": [1, 2], "fp": [0, 1], "fn": [1, 0], "tn": [4, 3]},
    "main": {"confusion": [[3, 0], [1, 2]], "scores": {"thresholds": 3, "pos": [[0, 1, 2], [0, 0, 3]], "neg": [[3, 0, 0], [0, 2, 1]]},
             "calibration": {"bins": 3, "count": [4, 0, 1, 1], "confidence": [0.75, 0, 0.5, 1], "correct": [2, 0, 1, 0]}, "exact": [4, 6],
             "regression": {"n": 6, "mean_target": 1.5, "mean_prediction": 0.25, "m2_target": 3, "m2_prediction": 4.25, "c": 1, "sum_error": -7.25,
                            "sum_abs_error": 8, "sum_squared_error": 9}},
}
EPOCHS = {"train": "accuracy,loss,loss:min,loss:max,loss:last,loss:sum,lr", "val": "accuracy,accuracy.macro,f1.none,kappa@linear,mcc,auroc,ece,exact_match,r2",
          "test": "per-class:f1.macro,sparse:accuracy,cells:accuracy,binary:f1,labels:f1.macro"}
QUESTIONS = ["/api/v1/projects", "/api/v1/runs?sort=id&columns=train/accuracy@last,train/loss@min,config.lr", "/api/v1/runs?q=tag:b&sort=id", "/api/v1/runs/job",
             "/api/v1/runs/other", "/api/v1/runs/gone", "/api/v1/runs/job/batches?stage=train&epoch=1", "/api/v1/runs/job/batches?stage=val",
             "/api/v1/runs/job/classes?stage=val", "/api/v1/runs/job/confusion?stage=val", "/api/v1/runs/job/curves?stage=val",
             "/api/v1/runs/job/calibration?stage=val"] + \
            ["/api/v1/runs/job/epochs?stage=%s&metric=%s" % e for e in EPOCHS.items()] + \
            ["/api/v1/runs/job/epochs?stage=train&metric=accuracy&rank=1", "/api/v1/runs/job/steps?stage=train&metric=accuracy,loss&points=500",
             "/api/v1/runs/job/steps?stage=train&metric=accuracy,loss&points=6", "/api/v1/runs/job/steps?stage=train&metric=accuracy&from=60&to=90"]


def story(server):
    """Every kind of series, an epoch of more than one bucket, a rewind, batches that are late, a deleted run."""
    def ok(answer, status=(200, 201, 204)):
        if answer.status not in status:
            raise SystemExit("not taken: %r" % answer)

    ok(server.put("/api/v1/runs/job", {"project": "p", "name": "A job", "notes": "first", "config": {"lr": 0.1, "deep": {"a": [1, None]}}, "tags": ["b", "a"],
                                       "stages": {"val": {"class_names": ["cat", "dog"], "dataset_size": 6}}}))
    for epoch, steps in ((0, range(70)), (1, range(70, 78))):
        ok(server.log_batches("job", [{"stage": "train", "epoch": epoch, "step": s, "rank": r, "correct": (s + r) % 8, "total": 8 - s % 2 * r, "attempt": "one",
                                       "sums": {"loss": [s / 8 + r, 8]}, "values": {"lr": 0.1 if s % 16 else "NaN"}, "time": TIME + s} for s in steps for r in (0, 1)]))
        ok(server.log_batches("job", [{"stage": "val", "epoch": epoch, "step": s, "time": TIME + s, **STATES["main"]} for s in range(3)]))
        ok(server.log_batches("job", [{"stage": "test", "epoch": epoch, "step": s, "time": TIME + s, **STATES[k]} for k in STATES if k != "main" for s in range(2)]))
    ok(server.post("/api/v1/runs/job/rewind", {"epoch": 1, "step": 75, "attempt": "two"}))
    ok(server.log_batches("job", [{"stage": "train", "epoch": 1, "step": s, "correct": 3, "total": 4, "attempt": "two", "sums": {"loss": [1.5, 4]}, "time": TIME + 100} for s in (75, 76)]))
    ok(server.log_batches("job", [{"stage": "train", "epoch": 0, "step": 5, "rank": 2, "correct": 1, "total": 1, "time": TIME + 101}]))  # late
    ok(server.patch("/api/v1/runs/job", {"status": "finished"}))
    ok(server.log_batches("other", {"stage": "train", "epoch": 0, "step": 0, "correct": 1, "total": 2, "time": TIME}))
    ok(server.patch("/api/v1/runs/other", {"status": "failed", "tags": ["b"]}))
    ok(server.put("/api/v1/runs/empty", {"project": "q"}))
    ok(server.patch("/api/v1/runs/empty", {"status": "killed"}))
    ok(server.log_batches("gone", [{"stage": "train", "epoch": 0, "step": s, "correct": 1, "total": 2, "time": TIME} for s in range(9000)]))
    ok(server.delete("/api/v1/runs/gone"))


def ask(server):
    """What it says: path -> (status, JSON or lines)."""
    out = {}
    for path in QUESTIONS:
        answer = server.get(path)
        kind = answer.headers["content-type"]
        out[path] = [answer.status, answer.lines() if "ndjson" in kind else answer.json() if answer.status == 200 else answer.json()["type"]]
    return out


def dump(path):
    """A database as text, one row a line, with what names its owner and version; indexes and triggers last, in order: a copy has another."""
    db = sqlite3.connect(path)
    lines = ["PRAGMA application_id = %d;" % db.execute("PRAGMA application_id").fetchone()[0], "PRAGMA user_version = %d;" % db.execute("PRAGMA user_version").fetchone()[0]]
    rest = list(db.iterdump())
    made = sorted(s for s in rest if re.match("CREATE (UNIQUE INDEX|INDEX|TRIGGER)", s))
    lines += [s for s in rest[:-1] if s not in made] + made + rest[-1:]
    db.close()
    return "\n".join(lines) + "\n"


def main(program):
    with tempfile.TemporaryDirectory() as folder:
        server = TallyServer(folder=folder, program=program)
        for more in (["--scope", "admin", "--name", "first"], ["--scope", "read", "--expires", "1d"], ["--scope", "write", "--name", "revoked"]):
            code, _, err = run_tally("token", "create", "--db", server.db, *more, program=program)
            if code != 0:
                raise SystemExit(err)
        run_tally("token", "revoke", "3", "--db", server.db, program=program)
        server.start()
        story(server)
        server.kill()  # rows of the deleted run are left; some are enough
        server = TallyServer(folder=folder, program=program)
        with edited(server.db) as db:
            if db.execute("DELETE FROM batch WHERE run IN (SELECT run FROM run WHERE hidden = 1) AND step < 8990").rowcount == 0:
                raise SystemExit("the deleted run was gone already: try again")
        text = dump(server.db)
        version = int(re.search(r"user_version = (\d+)", text).group(1))
        server.start()
        answers = ask(server)
        server.stop()
    for name, content in (("sql", text), ("json", "{\n" + ",\n".join("%s: %s" % (json.dumps(k), json.dumps(v)) for k, v in answers.items()) + "\n}\n")):
        with open(os.path.join(HERE, "%03d.%s" % (version, name)), "w", encoding="utf-8") as f:
            f.write(content)


if __name__ == "__main__":
    main(os.path.abspath(sys.argv[1]))
