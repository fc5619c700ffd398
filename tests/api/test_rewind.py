"""Rewind: cutting a run at a position, attempts, stale records, repaired rollups."""
import random
import unittest

import model
from tally_server import ApiTest, seed_of


def totals(stage, epoch, step, correct=1, total=2, **more):
    return {"stage": stage, "epoch": epoch, "step": step, "correct": correct, "total": total, **more}


class Rewind(ApiTest):
    def rewind(self, run, **body):
        body.setdefault("attempt", self.new_run("attempt"))
        answer = self.server.post(self.path(run, "rewind"), body)
        self.assertEqual(answer.status, 200, answer)
        return answer.json()

    def steps(self, run, stage):
        got = self.ask(run, "steps", stage=stage, metric="accuracy")
        return list(zip(got["epoch"], got["step"]))

    def test_without_a_stage_train_is_cut_at_the_step_and_the_others_at_the_epoch(self):
        run = self.new_run()
        for stage in ("train", "val", "test"):
            self.log_ok(run, [totals(stage, e, s) for e in range(3) for s in range(4)])
        answer = self.rewind(run, epoch=1, step=2)
        self.assertEqual(answer["removed"], 6 + 8 + 8)
        self.assertEqual(self.steps(run, "train"), [(0, s) for s in range(4)] + [(1, 0), (1, 1)])
        self.assertEqual(self.steps(run, "val"), [(0, s) for s in range(4)])
        self.assertEqual(answer["revision"], self.server.get(self.path(run)).json()["revision"])

    def test_one_stage(self):
        run = self.new_run()
        for stage in ("train", "val"):
            self.log_ok(run, [totals(stage, 0, s, values={"lr": 1.0}) for s in range(4)])
        self.assertEqual(self.rewind(run, epoch=0, step=1, stage="val")["removed"], 6)
        self.assertEqual(len(self.steps(run, "train")), 4)
        self.assertEqual(self.steps(run, "val"), [(0, 0)])

    def test_an_attempt_is_applied_once(self):
        run = self.new_run()
        self.log_ok(run, [totals("train", 0, s, attempt="a") for s in range(4)])
        self.assertEqual(self.rewind(run, epoch=0, step=2, attempt="b")["removed"], 2)
        self.log_ok(run, [totals("train", 0, s, correct=0, attempt="b") for s in range(2, 6)])
        for step in (2, 0):
            self.assertEqual(self.rewind(run, epoch=0, step=step, attempt="b")["removed"], 0)
        self.assertEqual(len(self.steps(run, "train")), 6)

    def test_records_of_an_earlier_attempt_after_the_cut_are_stale(self):
        run = self.new_run()
        self.log_ok(run, [totals("train", 0, s, attempt="a") for s in range(4)])
        self.rewind(run, epoch=0, step=2, attempt="b")
        self.log_ok(run, [totals("train", 0, 1, attempt="a"), totals("train", 0, 2, attempt="a"), totals("train", 0, 9, attempt="a")],
                    accepted=0, duplicates=1, stale=2)
        self.log_ok(run, totals("train", 0, 2, correct=2, attempt="b"))
        self.log_ok(run, totals("train", 0, 3, correct=2))
        self.log_ok(run, totals("train", 0, 4, correct=2, attempt="never seen"))
        self.assertEqual([s for _, s in self.steps(run, "train")], [0, 1, 2, 3, 4])
        self.assert_close(self.epoch_value(run, "accuracy"), 8 / 10)

    def test_the_same_content_may_be_logged_again_after_a_cut(self):
        run = self.new_run()
        records = [totals("train", 0, s, values={"lr": s}) for s in range(6)]
        self.log_ok(run, records)
        before = self.answers(run, "train", "accuracy,lr,lr:min,lr:max,lr:last")
        self.rewind(run, epoch=0, step=3)
        self.log_ok(run, records, accepted=3, duplicates=3)
        after = self.answers(run, "train", "accuracy,lr,lr:min,lr:max,lr:last")
        for answer in (before, after):
            answer["steps10000"].pop("time"), answer["steps3"].pop("time")
        self.assertEqual(after, before)

    def test_everything_is_as_if_the_cut_part_had_never_been(self):
        rng = random.Random(seed_of("rewind"))
        for _ in range(6):
            batches = [model.random_batch(rng, e, s, r) for e in range(3) for s in sorted(rng.sample(range(30), 8)) for r in range(2)]
            cut = (rng.randrange(3), rng.randrange(30))
            run, twin = self.new_run(), self.new_run()
            self.log_ok(run, [model.record_of(b) for b in batches])
            kept = [b for b in batches if (b["epoch"], b["step"]) < cut]
            answer = self.rewind(run, epoch=cut[0], step=cut[1])
            self.assertEqual(answer["removed"], 2 * (len(batches) - len(kept)), cut)
            if not kept:
                self.assertEqual(self.ask(run, "epochs", stage="train")["epochs"], [])
                continue
            self.log_ok(twin, [model.record_of(b) for b in kept])
            metrics = "accuracy,f1.macro,kappa@linear,loss,loss:min,loss:max,loss:last,loss:sum"
            self.assertEqual(self.answers(run, "train", metrics), self.answers(twin, "train", metrics), cut)
            ends = [{k: s[k] for k in ("stage", "name", "epochs", "batches", "samples", "last_epoch", "last_step")} for r in (run, twin)
                    for s in self.server.get(self.path(r)).json()["series"]]
            self.assertEqual(ends[:2], ends[2:])

    def test_refusals(self):
        run = self.new_run()
        self.log_ok(run, totals("train", 0, 0))
        path = self.path(run, "rewind")
        self.assert_problem(self.server.post(self.path("nobody", "rewind"), {"epoch": 0, "step": 0, "attempt": "a"}), 404, "unknown-run")
        self.assert_problem(self.server.post(path, {"step": 0, "attempt": "a"}), 422, says="epoch")
        self.assert_problem(self.server.post(path, {"epoch": 0, "attempt": "a"}), 422, says="step")
        self.assert_problem(self.server.post(path, {"epoch": 0, "step": 0}), 422, says="attempt")
        self.assert_problem(self.server.post(path, {"epoch": 0, "step": 0, "attempt": ""}), 422, "invalid-value", pointer="/attempt")
        self.assert_problem(self.server.post(path, {"epoch": -1, "step": 0, "attempt": "a"}), 422, "invalid-value", pointer="/epoch")
        self.assert_problem(self.server.post(path, {"epoch": 0, "step": 0, "attempt": "a", "stages": "train"}), 422, "unknown-field", pointer="/stages")
        self.assertEqual(self.steps(run, "train"), [(0, 0)])


if __name__ == "__main__":
    unittest.main()
