"""What is odd about an epoch: every count and step by brute force, on random runs and on the golden cases."""
import glob
import json
import os
import random
import unittest

import model
from tally_server import GOLDEN, ApiTest, seed_of

KEYS = {"id", "level", "name", "count", "of", "text", "steps"}


def by_step(batches):
    steps = {}
    for b in batches:
        steps.setdefault(b["step"], []).append(b)
    return dict(sorted(steps.items()))


def added(batches):
    size = len(batches[0]["matrix"])
    return [[sum(b["matrix"][t][p] for b in batches) for p in range(size)] for t in range(size)]


def expected(batches, world_size=None, dataset_size=None):
    """id -> (count, of, steps) of one epoch of multiclass batches, each with a "matrix"."""
    steps = by_step(batches)
    ranks = max(len({b["rank"] for b in batches}), world_size or 0)
    whole = added(batches)
    seen, single, absent, sizes = [], [], [], {}
    for step, group in steps.items():
        matrix = added(group)
        targets = {t for t, row in enumerate(matrix) if sum(row)}
        live = targets | {p for row in matrix for p, n in enumerate(row) if n}
        if sum(b["samples"] for b in group) == 0 and not targets:
            continue
        seen.append(step)
        sizes[step] = sum(map(sum, matrix))
        single += [step] if len(targets) == 1 else []
        absent += [step] if len(live) > len(targets) else []
    out = {}
    if sum(1 for row in whole if sum(row)) > 1:
        out["single-class-steps"] = (len(single), len(seen), single)
        out["absent-classes"] = (len(absent), len(seen), absent)
    if seen:
        counts = list(sizes.values())
        usual = max(set(counts), key=lambda n: (counts.count(n), n))
        others = [s for s in seen if sizes[s] != usual]
        out["ragged-batches"] = (len(others), len(seen), others)
    missing = [s for s, group in steps.items() if len(group) < ranks]
    out["missing-ranks"] = (len(missing), len(steps), missing)
    samples = sum(b["samples"] for b in batches)
    if dataset_size is not None and samples != dataset_size:
        out["dataset-size"] = (abs(samples - dataset_size), dataset_size, [])
    return {k: (count, of, steps[:100]) for k, (count, of, steps) in out.items() if count}


class Diagnosis(ApiTest):
    def findings(self, run, **query):
        answer = self.ask(run, "diagnosis", **query)
        self.assertEqual(set(answer), {"run", "stage", "revision", "epoch", "findings"})
        for f in answer["findings"]:
            self.assertEqual(set(f), KEYS)
            self.assertIn(f["level"], ("info", "warning", "error"))
            self.assertTrue(f["text"].endswith(".") and len(f["text"]) < 470, f)
            self.assertEqual(f["steps"], sorted(set(f["steps"])))
            self.assertLessEqual(len(f["steps"]), 100)
            self.assertLessEqual(len(f["steps"]), max(f["count"], 1))
        return answer["epoch"], answer["findings"]

    def check(self, run, want, where, **query):
        _, findings = self.findings(run, **query)
        got = {f["id"]: (f["count"], f["of"], f["steps"]) for f in findings if f["id"] not in ("duplicates", "nonfinite")}
        self.assertEqual(got, want, where)

    def test_random_runs_equal_the_model(self):
        rng = random.Random(seed_of("diagnosis"))
        for round_ in range(25):
            n_steps, most_ranks, classes = rng.choice([1, 3, 20, 150]), rng.choice([1, 2, 4]), rng.choice([2, 3, 5])
            batches = []
            for step in sorted(rng.sample(range(400), n_steps)):
                for rank in range(most_ranks):
                    if rank == 0 or rng.random() < 0.97:
                        batches.append(model.random_batch(rng, 2, step, rank, classes, rng.choice([1, 2, 6])))
            form = rng.choice(["confusion", "cells", "per_class", "classes"])
            records = [model.record_of(b, "test", form) for b in batches]
            rng.shuffle(records)
            run = self.new_run()
            self.log_ok(run, records)
            self.check(run, expected(batches), (round_, form))
            world, dataset = rng.choice([None, 1, 3]), rng.choice([None, 5, sum(b["samples"] for b in batches)])
            declared = {k: v for k, v in (("world_size", world), ("dataset_size", dataset)) if v is not None}
            self.assertEqual(self.server.put(self.path(run), {"stages": {"test": declared}}).status, 200)
            self.check(run, expected(batches, world, dataset), (round_, form, declared), epoch=2)

    def test_golden_cases_equal_the_model(self):
        n = 0
        for path in sorted(glob.glob(os.path.join(GOLDEN, "*.json"))):
            with open(path, encoding="utf-8") as f:
                doc = json.load(f)
            if os.path.basename(path) == "INDEX.json" or doc["task"] != "multiclass" or "confmat" not in doc["batches"][0]:
                continue
            run = self.new_run(doc["name"])
            batches = [dict(b, matrix=b["confmat"], samples=b["n"]) for b in doc["batches"]]
            self.log_ok(run, [{"stage": "test", "epoch": b["epoch"], "step": b["step"], "rank": b["rank"], "confusion": b["matrix"], "samples": b["n"]} for b in batches])
            for epoch in sorted({b["epoch"] for b in batches}):
                self.check(run, expected([b for b in batches if b["epoch"] == epoch]), (doc["name"], epoch), epoch=epoch)
                n += 1
        self.assertGreaterEqual(n, 20)

    def test_the_article_in_sentences(self):
        """Test data sorted by class: found, explained, and gone once it is shuffled."""
        for name, ids in (("catdog_unshuffled", ["single-class-steps", "absent-classes"]), ("catdog_shuffled", [])):
            with open(os.path.join(GOLDEN, name + ".json"), encoding="utf-8") as f:
                doc = json.load(f)
            run = self.new_run(name)
            self.log_ok(run, [{"stage": "test", "epoch": 0, "step": b["step"], "confusion": b["confmat"]} for b in doc["batches"]])
            _, findings = self.findings(run)
            self.assertEqual([f["id"] for f in findings], ids)
            for f in findings:
                self.assertEqual((f["level"], f["count"], f["of"]), ("warning", 12, 12))
                self.assertIn("0.4141 as the mean of the steps and 0.8281 for the epoch", f["text"])

    def test_epochs_names_stages_and_media(self):
        run = self.new_run()
        self.log_ok(run, [{"stage": "a", "epoch": e, "step": s, "correct": 1, "total": 2 + s, "sums": {"loss": ["NaN", 1]}} for e in (0, 3) for s in (0, 1)])
        self.log_ok(run, {"stage": "b", "epoch": 0, "step": 0, "name": "head", "correct": 1, "total": 2})
        epoch, findings = self.findings(run, stage="a")
        self.assertEqual((epoch, [(f["id"], f["name"]) for f in findings]), (3, [("ragged-batches", "main"), ("nonfinite", "loss")]))
        self.assertEqual(self.findings(run, stage="a", epoch=0)[1], findings)
        self.assertEqual(self.findings(run, stage="a", epoch=9), (9, []))
        self.assertEqual(self.findings(run, stage="b"), (0, []))
        self.assertEqual(self.findings(run, stage="nothing"), (None, []))
        self.assert_problem(self.server.get(self.path(run, "diagnosis")), 422, "stage-needed", says="a, b")
        self.assert_problem(self.server.get(self.path(run, "diagnosis"), stage="a", name="head"), 422, "unknown-metric", says="loss, main")
        self.assert_problem(self.server.get(self.path(run, "diagnosis"), stage="a", format="csv"), 406, "not-acceptable")
        self.assert_problem(self.server.get(self.path(run, "diagnosis"), stage="a", headers={"Accept": "text/csv"}), 406, "not-acceptable")
        for what in ("diagnosis", "curves", "calibration"):
            self.assert_problem(self.server.get(self.path("nobody", what), stage="a"), 404, "unknown-run")
        first = self.server.get(self.path(run, "diagnosis"), stage="a")
        again = self.server.get(self.path(run, "diagnosis"), stage="a", headers={"If-None-Match": first.headers["etag"]})
        self.assertEqual((again.status, again.body), (304, b""))
        self.log_ok(run, {"stage": "a", "epoch": 3, "step": 2, "correct": 1, "total": 2})
        later = self.server.get(self.path(run, "diagnosis"), stage="a", headers={"If-None-Match": first.headers["etag"]})
        self.assertEqual(later.status, 200)


if __name__ == "__main__":
    unittest.main()
