"""Bounds: records that are added up keep their totals, and the spool keeps to its size."""
import errno
import json
import logging
import os
import random
import unittest
from fractions import Fraction
from unittest import mock

from client import NOWHERE, ClientTest, TallyServer
from tally import _merge, _segment, _spool
from tally._sender import merge_entries
from tally._segment import BATCH, PUT, Entry
from tally._spool import Spool


def random_record(rng, step, form):
    record = {"stage": "train", "epoch": step // 50, "step": step, "time": step}
    if form == "totals":
        record.update(correct=rng.randrange(5), total=9)
    elif form == "lists":
        record.update(tp=[rng.randrange(9) for _ in range(3)], fp=[1, 2, 0], fn=rng.choice(([0, 2, 1], [2, 1, 0], [1, 1, 1])))
    elif form == "confusion":
        record.update(confusion=[[rng.randrange(9) for _ in range(3)] for _ in range(3)], samples=200)
    elif form == "cells":
        record.update(num_classes=9, cells=[[c, rng.randrange(9), rng.randrange(1, 5)] for c in rng.sample(range(9), 3)])
    elif form == "classes":
        record.update(num_classes=9, classes=[[c, rng.randrange(4), 2, 2] for c in rng.sample(range(9), 3)])
    elif form == "exact":
        record.update(exact=[rng.randrange(3), 3])
    elif form == "scores":
        record.update(task="binary", name="s", scores={"thresholds": 3, "pos": [[rng.randrange(4) for _ in range(3)]], "neg": [[1, 2, 3]]})
    elif form == "calibration":
        record.update(name="c", calibration={"bins": 2, "cells": [[rng.randrange(2), 4, 2.5, 1]]})
    if form in ("totals", "means"):
        record["sums"] = {"loss": [rng.randrange(100) / 8, 4]}
        record["values"] = {"lr": rng.randrange(100) / 64}
    return record


FORMS = ("totals", "lists", "confusion", "cells", "classes", "exact", "scores", "calibration", "means")


class Merge(ClientTest):
    def test_every_form_added_up_gives_the_same_epoch(self):
        rng = random.Random(3)
        metrics = {"totals": "accuracy,loss,loss:sum,lr,lr:sum", "lists": "f1.macro", "confusion": "kappa@linear", "cells": "mcc", "classes": "f1.none", "exact": "exact_match",
                   "scores": "s:auroc", "calibration": "c:ece", "means": "loss,loss:min"}
        for form in FORMS:
            records = [random_record(rng, step, form) for step in range(100)]
            merged = _merge.halve(records)
            self.assertEqual(len(merged), 50, form)
            merged = _merge.halve(_merge.halve(merged))
            self.assertLessEqual(len(merged), 15, form)
            answers = []
            for sent in (records, merged):
                run = self.new_run()
                self.log_ok(run, sent)
                entries = self.ask(run, "epochs", stage="train", metric=metrics[form], mean_of_steps="false")["epochs"]
                answers.append([(e["epoch"], e["samples"], {k: {"value": m["value"]} for k, m in e["metrics"].items()}) for e in entries])
            self.assertEqual(answers[0], answers[1], form)

    def test_moments_add_by_chans_rule(self):
        rng = random.Random(5)
        pairs = [[(Fraction(rng.randrange(1000)), Fraction(rng.randrange(1000))) for _ in range(rng.randrange(0, 6))] for _ in range(40)]

        def moments(samples):
            n = len(samples)
            y, p = (sum(s[i] for s in samples) / n if n else 0 for i in (0, 1))
            return {"n": n, "mean_target": float(y), "mean_prediction": float(p), "m2_target": float(sum((a - y) ** 2 for a, _ in samples)),
                    "m2_prediction": float(sum((b - p) ** 2 for _, b in samples)), "c": float(sum((a - y) * (b - p) for a, b in samples)),
                    "sum_error": float(sum(a - b for a, b in samples)), "sum_abs_error": float(sum(abs(a - b) for a, b in samples)),
                    "sum_squared_error": float(sum((a - b) ** 2 for a, b in samples))}
        total = moments([])
        for samples in pairs:
            total = _merge.add_regression(total, moments(samples))
        want = moments([s for samples in pairs for s in samples])
        for field, value in want.items():
            self.assertAlmostEqual(total[field] / (value or 1), value / (value or 1), 9, field)

    def test_what_has_no_sum_stays_as_it_is(self):
        base = {"stage": "train", "epoch": 0, "correct": 1, "total": 2}
        records = [{**base, "step": 0, "sums": {"loss": ["NaN", 1]}}, {**base, "step": 1, "sums": {"loss": [1.0, 1]}}, {**base, "step": 2, "sums": {"loss": [1.0, 0]}},
                   {**base, "step": 3, "stage": "val"}, {**base, "step": 4, "epoch": 1}, {**base, "step": 5, "rank": 1}, {**base, "step": 6, "attempt": "b"},
                   {**base, "step": 7, "name": "other"}]
        self.assertEqual(_merge.halve(records), records)

    def test_the_same_batch_twice_is_not_added_to_itself(self):
        record = {"stage": "train", "epoch": 0, "step": 0, "correct": 1, "total": 2}
        other = {**record, "correct": 2}
        self.assertEqual(_merge.halve([record, {**record, "time": 9}, other]), [record, other])

    def test_nothing_is_added_across_a_call(self):
        entries = [Entry(BATCH, json.dumps({"stage": "train", "epoch": 0, "step": s, "correct": 1, "total": 2}).encode()) for s in range(4)]
        merged = merge_entries(entries[:2] + [Entry(PUT, b"{}")] + entries[2:])
        self.assertEqual([entry.kind for entry in merged], [BATCH, PUT, BATCH])


class Bounds(ClientTest):
    def test_a_small_spool_keeps_its_size_and_exact_totals(self):
        run = self.init(url=NOWHERE, spool_bytes=60000, exit_seconds=0.1)
        with self.assertLogs("tally", logging.WARNING) as logs:
            for step in range(5000):
                run.log("train", step // 2500, step, tp=[1, 2], fp=[1, 0], fn=[0, 1], values={"lr": 0.5})
                if step % 500 == 499:
                    run._sender.drain()
                    size = sum(os.path.getsize(os.path.join(f, n)) for f, _, names in os.walk(self.spool) for n in names)
                    self.assertLess(size, 90000)
            run.finish()
        self.assertEqual(sum("added up" in line for line in logs.output), 1, logs.output)
        self.sync(self.spool, "--url", self.server.url)
        entries = self.ask(run.id, "epochs", stage="train", metric="accuracy,lr,lr:sum,f1.none")["epochs"]
        self.assertEqual([(e["samples"], e["metrics"]["accuracy"]["value"], e["metrics"]["lr"]["value"], e["metrics"]["lr:sum"]["value"]) for e in entries],
                         [(10000, 0.75, 0.5, 1250)] * 2)
        self.assertLess(entries[0]["batches"], 2500)

    def test_what_was_in_a_request_is_never_added_to(self):
        """The server may have stored it although the answer was lost."""
        with TallyServer() as server:
            listen = "127.0.0.1:%d" % server.port
            run = self.init(url=server.url, spool_bytes=20000)
            with mock.patch.object(_spool.Spool, "ack", side_effect=OSError("the answer is lost")), self.assertLogs("tally", logging.WARNING):
                for step in range(200):
                    run.log("train", 0, step, correct=1, total=2)
                while not server.get(self.path(run.id)).json().get("id"):
                    pass
                run._sender.drain()
            server.stop()
            for step in range(200, 3000):
                run.log("train", 0, step, correct=1, total=2)
            run._sender.drain()
            self.assertLess(run._sender.spool.left, 2800)
            server.listen = listen
            server.start()
            self.assertTrue(run.finish())
            entry = server.get(self.path(run.id, "epochs"), stage="train", metric="accuracy").json()["epochs"][0]
            self.assertEqual(entry["samples"], 6000)
            self.assertFalse(os.path.exists(os.path.join(self.spool, run.id, "rejected-0.ndjson")))

    def test_a_full_queue_adds_up_in_memory(self):
        run = self.init(queue_records=50)
        with run._sender._lock, self.assertLogs("tally", logging.WARNING) as logs:  # the thread cannot drain
            for step in range(500):
                run.log("train", step // 250, step, tp=[1, 0], fp=[0, 1], fn=[0, 1], sums={"loss": (1.0, 2)})
            self.assertLess(run._sender.remaining(), 60)
        self.assertTrue(run.finish())
        self.assertEqual(len(logs.output), 1)
        entries = self.ask(run.id, "epochs", stage="train", metric="accuracy,loss:sum")["epochs"]
        self.assertEqual([(e["samples"], e["metrics"]["loss:sum"]["value"]) for e in entries], [(500, 250)] * 2)

    def test_a_full_disk_moves_the_rest_to_memory(self):
        run, real = self.init(), os.write
        with mock.patch.object(_spool.os, "write", side_effect=lambda fd, data: real(fd, data[:100]) if len(data) > 100 else self.no_space()), \
                self.assertLogs("tally", logging.WARNING) as logs:
            for step in range(300):
                run.log("train", 0, step, correct=1, total=2)
            self.assertTrue(run.finish())
        self.assertIn("cannot be written", logs.output[0])
        self.assertEqual((self.epoch(run)["batches"], self.document(run)["status"]), (300, "finished"))

    def no_space(self):
        raise OSError(errno.ENOSPC, "no space")

    def test_a_folder_that_cannot_be_made_is_no_obstacle(self):
        path = os.path.join(self.spool, "file")
        with open(path, "w", encoding="ascii"):
            pass
        run = self.init(spool_dir=path)
        with self.assertLogs("tally", logging.WARNING):
            run.log("train", 0, 0, correct=1, total=2)
            self.assertTrue(run.finish())
        self.assertEqual(self.epoch(run)["samples"], 2)

    def test_a_merge_that_a_crash_interrupts_counts_nothing_twice(self):
        spool = Spool.create(self.spool, {"url": NOWHERE, "run": "r"}, "s", disk_bytes=40000)
        for step in range(600):
            spool.append([Entry(BATCH, json.dumps({"stage": "train", "epoch": 0, "step": step, "correct": 1, "total": 2}).encode())])
        with mock.patch.object(_segment, "remove_file"):  # what is replaced is still there
            self.assertTrue(spool.shrink(merge_entries))
        spool.close()
        again = Spool.open(spool.folder)
        seen = []
        while True:
            entries, place = again.peek(1000, 1 << 20)
            if place is None:
                break
            seen += [json.loads(e.payload)["total"] for e in entries]
            again.ack(place)
        again.close()
        self.assertEqual(sum(seen), 1200)


if __name__ == "__main__":
    unittest.main()
