"""tally export and tally import: what goes out comes back, to the byte, and what is broken comes in not at all."""
import json
import os
import tempfile
import unittest

from tally_server import TallyServer, run_tally

SCORES = {"thresholds": 2, "pos": [[1, 0], [1, 1]], "neg": [[2, 0], [0, 1]]}
EVERY_KIND = [
    {"stage": "train", "epoch": 0, "step": 0, "rank": 1, "correct": 3, "total": 4, "sums": {"loss": [2.5, 4], "a/b": [0.1, 3, -1, 0.7]}, "time": 1000},
    {"stage": "train", "epoch": 0, "step": 0, "rank": 0, "correct": 1, "total": 4, "values": {"lr": 0.1}, "sums": {"loss": ["NaN", 1]}, "time": 999},
    {"stage": "train", "epoch": 9007199254740991, "step": 9007199254740991, "rank": 65535, "correct": 0, "total": 0, "time": 0},
    {"stage": "val", "epoch": 3, "step": 5, "num_classes": 1000, "cells": [[3, 7, 2], [999, 0, 1]], "samples": 8, "time": 5},
    {"stage": "val", "epoch": 3, "step": 5, "name": "head", "task": "binary", "tp": [3], "fp": [1], "fn": [0], "tn": [9], "time": 6},
    {"stage": "val", "epoch": 3, "step": 6, "name": "labels", "task": "multilabel", "tp": [1, 2], "fp": [0, 1], "fn": [1, 0], "tn": [2, 1], "time": 7},
    {"stage": "val", "epoch": 3, "step": 6, "sums": {"loss": [1e300, 0.1]}, "time": 8},
    {"stage": "test", "epoch": 0, "step": 0, "confusion": [[1, 0], [1, 1]], "scores": SCORES, "calibration": {"bins": 1, "count": [3, 0], "confidence": [2, 0], "correct": [2, 0]}, "time": 9},
]
DOCUMENT = {"project": "vision", "name": "Läufer 💡", "notes": "line\nline \"quoted\" \\", "tags": ["b", "a", "ü"],
            "config": {"lr": 1e-3, "deep": {"list": [1, None, {"x": []}], "big": 9007199254740991}, "": "empty"},
            "stages": {"test": {"class_names": ["cat", "dog"], "dataset_size": 10}}}


def read(path):
    with open(path, "rb") as f:
        return f.read()


def nested(depth):
    return {"x": nested(depth - 1)} if depth else 1


class Archive(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def at(self, name):
        return os.path.join(self.folder, name)

    def run_ok(self, *args):
        code, out, err = run_tally(*args)
        self.assertEqual(code, 0, out + err)
        return out

    def fill(self, server):
        def ok(answer):
            self.assertLess(answer.status, 300, answer)
        ok(server.put("/api/v1/runs/rich", DOCUMENT))
        ok(server.log_batches("rich", EVERY_KIND))
        ok(server.patch("/api/v1/runs/rich", {"status": "failed"}))
        ok(server.put("/api/v1/runs/empty", {}))
        ok(server.put("/api/v1/runs/deep", {"config": nested(29)}))
        ok(server.log_batches("big", [{"stage": "t", "epoch": i % 3, "step": i, "rank": i % 2, "correct": i % 5, "total": 5, "attempt": "first"} for i in range(5000)]))
        ok(server.post("/api/v1/runs/big/rewind", {"epoch": 2, "step": 3000, "attempt": "second"}))
        ok(server.log_batches("gone", EVERY_KIND))
        ok(server.delete("/api/v1/runs/gone"))

    def answers(self, server, run):
        """All that can be asked of it, without what a copy may have of its own."""
        document = server.get("/api/v1/runs/" + run).json()
        document.pop("revision")
        out = [document]
        for stage in sorted({s["stage"] for s in document["series"]}):
            names = {s["name"] for s in document["series"] if s["stage"] == stage and s["form"] == "mean"}
            metrics = ["accuracy"] if any(s["name"] == "main" for s in document["series"] if s["stage"] == stage) else []
            for what, query in (("epochs", {}), ("steps", {"points": 50})):
                answer = server.get("/api/v1/runs/%s/%s" % (run, what), stage=stage, metric=",".join(metrics + sorted(names)), **query)
                self.assertEqual(answer.status, 200, answer)
                value = answer.json()
                value.pop("revision")
                out.append(value)
            out.append(server.get("/api/v1/runs/%s/batches" % run, stage=stage).text)
        return out

    def test_a_round_trip_is_exact(self):
        first, second = self.at("first.ndjson"), self.at("second.ndjson")
        with TallyServer() as server:
            self.fill(server)
            self.run_ok("export", "--db", server.db, first)  # beside the server
            self.assertEqual(os.stat(first).st_mode & 0o777, 0o600)
            before = {run: self.answers(server, run) for run in ("big", "deep", "empty", "rich")}
            self.assertEqual(server.stop(), 0)
            self.assertEqual(self.run_ok("export", "--db", server.db, "-").encode(), read(first), "and without it")
        lines = [json.loads(line) for line in read(first).decode().splitlines()]
        self.assertEqual([line["run"]["id"] for line in lines if "run" in line], ["big", "deep", "empty", "rich"])
        self.assertEqual(lines[-1]["end"]["runs"], 4)
        with TallyServer() as copy:
            copy.stop()
            self.run_ok("import", "--db", copy.db, first)
            self.run_ok("export", "--db", copy.db, second)
            self.assertEqual(read(second), read(first))
            copy.check()
            copy.start()
            for run, want in before.items():
                self.assertEqual(self.answers(copy, run), want)
            # a late record of the attempt before the cut is stale in the copy too
            late = {"stage": "t", "epoch": 2, "step": 4001, "correct": 1, "total": 1, "attempt": "first"}
            self.assertEqual(copy.log_batches("big", late).json(), {"accepted": 0, "duplicates": 0, "stale": 1})
            self.assertEqual(copy.post("/api/v1/runs/big/rewind", {"epoch": 0, "step": 0, "attempt": "second"}).json()["removed"], 0)

    def test_one_run_and_standard_input(self):
        with TallyServer() as server:
            self.fill(server)
            text = self.run_ok("export", "--db", server.db, "--run", "rich", "-")
            self.assertEqual(text.count('{"run":'), 1)
            code, out, err = run_tally("export", "--db", server.db, "--run", "nobody", self.at("x"))
            self.assertEqual((code, os.path.exists(self.at("x"))), (1, False), err)
            self.assertEqual(run_tally("import", "--db", server.db, self.at("none"))[0], 1)
            with open(self.at("one"), "w", encoding="utf-8") as f:
                f.write(text)
            code, out, err = run_tally("import", "--db", server.db, self.at("one"))
            self.assertEqual(code, 1)
            self.assertIn("another tally server", err)
            server.stop()
            code, out, err = run_tally("import", "--db", server.db, self.at("one"))
            self.assertEqual(code, 1)
            self.assertIn("line 2: there is a run rich already", err)
            code, out, err = run_tally("export", "--db", server.db, self.at("one"))
            self.assertEqual(code, 1, "a file that is there is left alone")
            self.assertEqual(read(self.at("one")).decode(), text)

    def test_what_is_broken_leaves_no_half_run(self):
        with TallyServer() as server:
            self.fill(server)
            lines = self.run_ok("export", "--db", server.db, "-").splitlines(keepends=True)
        second = next(i for i, line in enumerate(lines) if '"id":"deep"' in line)
        record = next(i for i, line in enumerate(lines) if line.startswith('{"stage"'))
        last_record = max(i for i, line in enumerate(lines) if line.startswith('{"stage"'))
        table = [
            ("ends early", lines[:-1], "ends early", 3),
            ("cut within a run", lines[:record + 5], "ends early", 0),
            ("cut within a line", lines[:record] + [lines[record][:20]], "line %d" % (record + 1), 0),
            ("a record is not JSON", lines[:record + 7] + ["{\"stage\":\n"] + lines[record + 7:], "line %d:" % (record + 8), 0),
            ("a record is refused", lines[:last_record] + [lines[last_record].replace('"stage"', '"stag"', 1)] + lines[last_record + 1:], "stag", 3),
            ("no head", lines[1:], "not an export", 0),
            ("another version", ['{"tally":"export","version":2}\n'] + lines[1:], "later version", 0),
            ("a record without a run", lines[:1] + lines[record:], "without a run", 0),
            ("a run without an id", lines[:second] + [lines[second].replace('"id"', '"ID"')] + lines[second + 1:], "line %d" % (second + 1), 1),
            ("a count is wrong", lines[:-1] + [lines[-1].replace('"runs":4', '"runs":5')], "counts other", 4),
            ("a record too few", lines[:record] + lines[record + 1:], "counts other", 4),
            ("empty", [], "not an export", 0),
        ]
        for name, text, says, runs in table:
            with self.subTest(name):
                path, db = self.at("broken"), self.at("broken.db")
                with open(path, "w", encoding="utf-8") as f:
                    f.write("".join(text))
                code, out, err = run_tally("import", "--db", db, path)
                self.assertEqual(code, 1, name)
                self.assertIn(says, err, name)
                copy = TallyServer(folder=tempfile.mkdtemp(prefix="tally-test-"))
                os.rename(db, copy.db)
                with copy:
                    left = copy.get("/api/v1/runs").json()["runs"]
                    self.assertEqual(len(left), runs, (name, [r["id"] for r in left]))


if __name__ == "__main__":
    unittest.main()
