"""Exact epochs: windows, ranks, selectors, intervals, the mean of the steps."""
import random
import unittest

import model
from tally_server import ApiTest, seed_of

METRICS = ["%s.%s" % (m, a) for m in model.PLAIN for a in ("micro", "macro", "weighted", "none")] + [
    "fbeta@2.macro", "fbeta@0.5.weighted", "mcc", "kappa", "kappa@linear", "kappa@quadratic"]


class Epochs(ApiTest):
    def test_random_runs_equal_the_model(self):
        rng = random.Random(seed_of("epochs"))
        for round_ in range(6):
            run, batches = self.new_run(), []
            for epoch in sorted(rng.sample(range(9), rng.randint(1, 3))):
                for step in sorted(rng.sample(range(40), rng.randint(1, 8))):
                    for rank in sorted(rng.sample(range(5), rng.randint(1, 3))):
                        batches.append(model.random_batch(rng, epoch, step, rank, classes=rng.choice([3])))
            records = [model.record_of(b, form=rng.choice(["confusion", "cells"])) for b in batches]
            rng.shuffle(records)
            for i in range(0, len(records), 7):
                self.log_ok(run, records[i:i + 7])
            stage = model.Stage(batches)
            for rank in [None] + [0, 1, 2, 3, 4]:
                got = self.ask(run, "epochs", metric=",".join(METRICS + ["loss", "loss:min", "loss:max", "loss:last", "loss:sum"]), rank=rank)
                want = stage.epoch_entries(rank)
                self.assertEqual([e["epoch"] for e in got["epochs"]], [e["epoch"] for e in want], (round_, rank))
                for g, w in zip(got["epochs"], want):
                    self.check_entry(stage, g, w, (round_, rank, w["epoch"]))
            one = self.ask(run, "epochs", metric="accuracy", epoch=stage.epochs[-1])["epochs"]
            self.assertEqual([e["epoch"] for e in one], stage.epochs[-1:])

    def check_entry(self, stage, got, want, where):
        for key in ("steps", "batches", "samples", "first_step", "last_step", "ranks"):
            self.assertEqual(got[key], want[key], (where, key))
        values = model.pooled(want["own"])
        for name in METRICS:
            metric = got["metrics"][name]
            self.assert_close(metric["value"], values[name], where=(where, name))
            if not name.endswith("none"):
                self.assert_close(metric["mean_of_steps"], stage.mean_of_steps(want, name), where=(where, name, "mean of steps"))
        pairs = [b["loss"] for b in want["own"] if b["loss"]]
        low, high = model.loss_range(want["own"])
        for name, value in (("loss", model.mean_of([p[:2] for p in pairs])), ("loss:min", low), ("loss:max", high),
                            ("loss:last", model.loss_last(want["own"])), ("loss:sum", sum(p[0] for p in pairs))):
            self.assert_close(got["metrics"][name]["value"], value, where=(where, name))

    def test_intervals_are_wilsons(self):
        run = self.new_run()
        self.log_ok(run, [{"stage": "a", "epoch": 0, "step": 0, "correct": 7, "total": 50}, {"stage": "a", "epoch": 1, "step": 0, "correct": 0, "total": 10},
                          {"stage": "a", "epoch": 2, "step": 0, "correct": 1, "total": 1}])
        want = [[0.069508334270163, 0.261861937105855], [0, 0.277532799862889], [0.206549314377237, 1]]
        for entry, (low, high) in zip(self.ask(run, "epochs", metric="accuracy")["epochs"], want):
            self.assert_close([entry["metrics"]["accuracy"]["low"], entry["metrics"]["accuracy"]["high"]], [low, high])

    def test_an_interval_of_each_class_and_none_where_none_is_right(self):
        run = self.new_run()
        self.log_ok(run, {"stage": "a", "epoch": 0, "step": 0, "confusion": [[7, 43], [0, 10]]})
        metrics = self.ask(run, "epochs", metric="recall.none,accuracy.macro,f1.macro,mcc,accuracy.weighted")["epochs"][0]["metrics"]
        self.assert_close(metrics["recall.none"]["low"][0], 0.069508334270163)
        self.assert_close(metrics["recall.none"]["high"], [0.261861937105855, 1.0])
        for name in ("accuracy.macro", "f1.macro", "mcc"):
            self.assertEqual((metrics[name]["low"], metrics[name]["high"]), (None, None), name)

    def test_selectors_come_back_as_sent(self):
        run = self.new_run()
        self.log_ok(run, {"stage": "a", "epoch": 0, "step": 0, "confusion": [[3, 1], [1, 3]], "sums": {"loss": [1, 8], "accuracy": [4, 8]}})
        sent = ["accuracy", "accuracy.micro", "accuracy:mean", "fbeta@0.5.macro", "fbeta@2.0", "main:accuracy", "loss:mean", "kappa@linear"]
        metrics = self.ask(run, "epochs", metric=",".join(sent))["epochs"][0]["metrics"]
        self.assertEqual(list(metrics), sent)
        self.assert_close(metrics["accuracy:mean"]["value"], 0.5)
        self.assert_close(metrics["accuracy"]["value"], 0.75)
        self.assert_close(metrics["main:accuracy"]["value"], 0.75)

    def test_defaults(self):
        run = self.new_run()
        self.log_ok(run, {"stage": "a", "epoch": 0, "step": 0, "correct": 1, "total": 2, "sums": {"loss": [1, 2]}})
        self.assertEqual(list(self.ask(run, "epochs")["epochs"][0]["metrics"]), ["accuracy"])
        other = self.new_run()
        self.log_ok(other, {"stage": "a", "epoch": 0, "step": 0, "sums": {"nll": [1, 2], "loss": [1, 2]}})
        self.assertEqual(list(self.ask(other, "epochs")["epochs"][0]["metrics"]), ["loss"])
        self.assert_problem(self.server.get(self.path(other, "epochs"), metric="accuracy"), 422)
        self.log_ok(run, {"stage": "b", "epoch": 0, "step": 0, "correct": 1, "total": 2})
        self.assert_problem(self.server.get(self.path(run, "epochs")), 422, "stage-needed", says="b")

    def test_an_unknown_stage_has_no_epochs(self):
        run = self.new_run()
        self.log_ok(run, {"stage": "a", "epoch": 0, "step": 0, "correct": 1, "total": 2})
        self.assertEqual(self.ask(run, "epochs", stage="nothing")["epochs"], [])
        self.assertEqual(self.ask(run, "epochs", stage="a", epoch=7)["epochs"], [])
        self.assertEqual(self.ask(run, "epochs", stage="a", rank=7)["epochs"], [])
        self.assert_problem(self.server.get(self.path("nobody", "epochs"), stage="a"), 404, "unknown-run")

    def test_mean_of_steps_follows_what_is_logged_later(self):
        run = self.new_run()
        self.log_ok(run, [{"stage": "a", "epoch": 0, "step": s, "correct": c, "total": 4} for s, c in ((0, 4), (1, 2))])
        for step, correct, mean in ((2, 0, 0.5), (3, 0, 0.375)):
            self.log_ok(run, {"stage": "a", "epoch": 0, "step": step, "correct": correct, "total": 4})
            metric = self.ask(run, "epochs", metric="accuracy")["epochs"][0]["metrics"]["accuracy"]
            self.assert_close(metric["mean_of_steps"], mean)
        self.log_ok(run, {"stage": "a", "epoch": 0, "step": 3, "rank": 1, "correct": 4, "total": 4})
        metric = self.ask(run, "epochs", metric="accuracy")["epochs"][0]["metrics"]["accuracy"]
        self.assert_close(metric["mean_of_steps"], (1 + 0.5 + 0 + 0.5) / 4)
        without = self.ask(run, "epochs", metric="accuracy", mean_of_steps="false")["epochs"][0]["metrics"]["accuracy"]
        self.assertEqual(set(without), {"value", "low", "high"})

    def test_mean_of_steps_of_each_class(self):
        run = self.new_run()
        self.log_ok(run, [{"stage": "a", "epoch": 0, "step": 0, "confusion": [[3, 1], [0, 0]]}, {"stage": "a", "epoch": 0, "step": 1, "confusion": [[0, 0], [1, 1]]}])
        metric = self.ask(run, "epochs", metric="recall.none")["epochs"][0]["metrics"]["recall.none"]
        self.assert_close(metric["value"], [0.75, 0.5])
        self.assert_close(metric["mean_of_steps"], [0.375, 0.25])

    def test_what_the_stored_state_cannot_give(self):
        run = self.new_run()
        self.log_ok(run, {"stage": "a", "epoch": 0, "step": 0, "correct": 1, "total": 2})
        self.log_ok(run, {"stage": "b", "epoch": 0, "step": 0, "tp": [1, 1, 1], "fp": [0, 0, 0], "fn": [0, 0, 0]})
        self.assert_problem(self.server.get(self.path(run, "epochs"), stage="a", metric="f1.macro"), 422, "state-lacks", says="tp")
        self.assert_problem(self.server.get(self.path(run, "epochs"), stage="b", metric="kappa@linear"), 422, "state-lacks", says="confusion")

    def test_kappa_of_one_class_is_null(self):
        run = self.new_run()
        self.log_ok(run, {"stage": "a", "epoch": 0, "step": 0, "confusion": [[5, 0], [0, 0]]})
        metrics = self.ask(run, "epochs", metric="kappa,mcc")["epochs"][0]["metrics"]
        self.assertIsNone(metrics["kappa"]["value"])
        self.assertIsNone(metrics["kappa"]["mean_of_steps"])
        self.assertEqual(metrics["mcc"]["value"], 1)


if __name__ == "__main__":
    unittest.main()
