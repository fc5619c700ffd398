"""Charts: offsets, widths, windows, ranks; random runs against a brute-force model."""
import random
import unittest

import model
from tally_server import ApiTest, seed_of

METRICS = ("accuracy", "accuracy.macro", "f1.macro", "recall.none", "kappa@quadratic", "loss")


class Steps(ApiTest):
    def random_stage(self, rng, way):
        """Batches of several epochs.  way: rising (steps go on), restarting (from 0 each epoch), or sparse and wild."""
        batches, at = [], rng.randint(0, 50)
        for epoch in sorted(rng.sample(range(12), rng.randint(1, 5))):
            if way == "restarting":
                at = 0
            elif way == "wild":
                at = rng.choice([0, at, rng.randint(0, 500)])
            for _ in range(rng.randint(1, 25)):
                for rank in range(3):
                    if rng.random() < 0.7 or rank == 0:
                        batches.append(model.random_batch(rng, epoch, at, rank))
                at += 1 if rng.random() < 0.8 else rng.randint(1, 40)
        return batches

    def check(self, run, stage, where, **query):
        asked = {"points": query.get("points", 1000), "start": query.get("from"), "end": query.get("to"), "rank": query.get("rank"), "window": query.get("window")}
        width, want = stage.steps(**asked)
        got = self.ask(run, "steps", stage="train", metric=",".join(METRICS), **query)
        where = (where, query)
        self.assertEqual((got["run"], got["stage"]), (run, "train"))
        self.assertEqual(got["over"], width is None, where)
        if width is not None:
            self.assertEqual(got["width"], width, where)
        self.assertEqual(got["x_from"], stage.x_from, where)
        for column in ("x", "epoch", "step", "time", "samples", "batches"):
            self.assertEqual(got[column], [e[column] for e in want], (where, column))
        self.assertTrue(all(a < b for a, b in zip(got["x"], got["x"][1:])), where)
        for metric in METRICS:
            self.assertEqual(set(got["metrics"][metric]), {"value", "min", "max"}, where)
            for column in got["metrics"][metric].values():
                self.assertEqual(len(column), len(want), (where, metric))
        for i, entry in enumerate(want):
            values = model.pooled(entry["seen"])
            values["accuracy"] = values["accuracy.micro"]
            values["loss"] = model.mean_of([b["loss"][:2] for b in entry["seen"]])
            ranges = {"accuracy": model.accuracy_range(entry["own"]), "loss": model.loss_range(entry["own"])}
            for metric in METRICS:
                column = got["metrics"][metric]
                self.assert_close(column["value"][i], values[metric], where="%s %s[%d]" % (where, metric, i))
                low, high = ranges.get(metric, (None, None))
                self.assert_close([column["min"][i], column["max"][i]], [low, high], where="%s %s[%d] range" % (where, metric, i))
        return got

    def test_random_runs_equal_the_model(self):
        rng = random.Random(seed_of("steps"))
        for round_ in range(9):
            way = ("rising", "restarting", "wild")[round_ % 3]
            batches, run = self.random_stage(rng, way), self.new_run(way)
            records = [model.record_of(b, form=rng.choice(["confusion", "cells"])) for b in batches]
            rng.shuffle(records)
            for i in range(0, len(records), 50):
                self.log_ok(run, records[i:i + 50])
            stage = model.Stage(batches)
            xs = sorted({stage.x(b) for b in batches})
            self.check(run, stage, (round_, way))
            for points in (1, 2, 3, len(stage.epochs), 10, 37):
                self.check(run, stage, (round_, way), points=points)
            for window in (1, 2, 7, 1000):
                self.check(run, stage, (round_, way), window=window, points=rng.choice([5, 1000]))
            for rank in (0, 1, 2, 9):
                self.check(run, stage, (round_, way), rank=rank, points=rng.choice([4, 1000]))
            for _ in range(6):
                low, high = sorted((rng.choice(xs), rng.choice(xs)))
                query = {"from": low, "to": high, "points": rng.choice([2, 5, 20, 1000])}
                if rng.random() < 0.4:
                    query["window"] = rng.randint(1, 30)
                query.pop(rng.choice(["from", "to", "points"]))
                self.check(run, stage, (round_, way), **query)

    def test_offsets(self):
        for epochs, xs, x_from in (([(0, [0, 1, 2]), (1, [3, 4])], [0, 1, 2, 3, 4], "step"),
                                   ([(0, [0, 1, 2]), (1, [0, 1])], [0, 1, 2, 3, 4], "counted"),
                                   ([(0, [5, 6]), (2, [100])], [5, 6, 100], "step"),
                                   ([(0, [5, 6]), (2, [6, 8])], [5, 6, 7, 9], "counted"),
                                   ([(3, [10]), (4, [0]), (5, [1])], [10, 11, 12], "counted")):
            run = self.new_run()
            self.log_ok(run, [{"stage": "t", "epoch": e, "step": s, "correct": 1, "total": 2} for e, steps in epochs for s in steps])
            got = self.ask(run, "steps", metric="accuracy")
            self.assertEqual((got["x"], got["x_from"]), (xs, x_from), epochs)
            self.assertEqual(got["epoch"], [e for e, steps in epochs for _ in steps])
            self.assertEqual(got["step"], [s for _, steps in epochs for s in steps])

    def test_positions_come_from_all_series_and_ranks(self):
        run = self.new_run()
        self.log_ok(run, [{"stage": "t", "epoch": 0, "step": s, "rank": 1, "values": {"lr": 1.0}} for s in range(10)])
        self.log_ok(run, [{"stage": "t", "epoch": e, "step": 0, "rank": 0, "correct": 1, "total": 2} for e in range(2)])
        got = self.ask(run, "steps", metric="accuracy", rank=0)
        self.assertEqual((got["x"], got["epoch"]), ([0, 10], [0, 1]))

    def test_a_bucket_is_the_metric_of_its_summed_counts(self):
        run = self.new_run()
        self.log_ok(run, [{"stage": "t", "epoch": 0, "step": 0, "correct": 1, "total": 1}, {"stage": "t", "epoch": 0, "step": 1, "correct": 1, "total": 99},
                          {"stage": "t", "epoch": 0, "step": 2, "correct": 5, "total": 10}])
        got = self.ask(run, "steps", metric="accuracy", points=2)
        self.assertEqual((got["width"], got["x"]), (2, [0, 2]))
        self.assert_close(got["metrics"]["accuracy"]["value"], [2 / 100, 0.5])
        self.assert_close(got["metrics"]["accuracy"]["min"], [1 / 99, 0.5])
        self.assert_close(got["metrics"]["accuracy"]["max"], [1, 0.5])

    def test_a_value_for_each_class(self):
        run = self.new_run()
        self.log_ok(run, [{"stage": "t", "epoch": 0, "step": 0, "confusion": [[3, 1], [0, 4]]}, {"stage": "t", "epoch": 0, "step": 1, "confusion": [[0, 2], [1, 1]]}])
        got = self.ask(run, "steps", metric="recall.none")["metrics"]["recall.none"]
        self.assert_close(got["value"], [[0.75, 1], [0, 0.5]])

    def test_more_epochs_than_points(self):
        run = self.new_run()
        self.log_ok(run, [{"stage": "t", "epoch": e, "step": s, "correct": e, "total": 8} for e in range(6) for s in range(3)])
        got = self.ask(run, "steps", metric="accuracy", points=4)
        self.assertTrue(got["over"])
        self.assertEqual(got["epoch"], [0, 1, 2, 3, 4, 5])
        self.assert_close(got["metrics"]["accuracy"]["value"], [e / 8 for e in range(6)])

    def test_times_default_to_arrival(self):
        import time
        run, before = self.new_run(), int(time.time() * 1000)
        self.log_ok(run, {"stage": "t", "epoch": 0, "step": 0, "correct": 1, "total": 2})
        got = self.ask(run, "steps", metric="accuracy")["time"][0]
        self.assertTrue(before - 2 <= got <= int(time.time() * 1000) + 2, got)

    def test_nonfinite_losses_leave_no_trace_but_their_count(self):
        run = self.new_run()
        self.log_ok(run, [{"stage": "t", "epoch": 0, "step": 0, "sums": {"loss": [8, 8]}}, {"stage": "t", "epoch": 0, "step": 1, "sums": {"loss": ["NaN", 8]}}])
        got = self.ask(run, "steps", metric="loss")
        self.assertEqual(got["metrics"]["loss"], {"value": [1, None], "min": [1, None], "max": [1, None]})

    def test_empty_answers(self):
        run = self.new_run()
        self.log_ok(run, {"stage": "t", "epoch": 0, "step": 5, "correct": 1, "total": 2})
        for query in ({"stage": "other"}, {"stage": "t", "from": 6}, {"stage": "t", "to": 4}, {"stage": "t", "rank": 3}):
            got = self.ask(run, "steps", metric="accuracy", **query)
            self.assertEqual((got["x"], got["metrics"]["accuracy"]["value"] if got["metrics"] else []), ([], []), query)

    def test_bad_parameters_are_named(self):
        run = self.new_run()
        self.log_ok(run, {"stage": "t", "epoch": 0, "step": 5, "correct": 1, "total": 2})
        for name, value in (("points", "0"), ("points", "10001"), ("points", "x"), ("window", "0"), ("window", "-1"), ("from", "-1"), ("to", "1.5"),
                            ("rank", "65536"), ("rank", ""), ("stage", "a b"), ("from", "99999999999999999999")):
            self.assert_problem(self.server.get(self.path(run, "steps"), **{"stage": "t", name: value}), 422, "invalid-value", pointer="?" + name)
        self.assert_problem(self.server.get(self.path(run, "steps"), widnow=3), 422, says="widnow")


if __name__ == "__main__":
    unittest.main()
