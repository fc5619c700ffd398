"""Many runs over one x axis: random runs against a brute-force model, groups, and what cannot be compared."""
import csv
import io
import random
import unittest

import model
from tally_server import ApiTest, seed_of

METRICS = ("accuracy", "accuracy.macro", "f1.macro", "loss")
WILSON_Z = 1.959963984540054


def value_of(batches, metric):
    if metric == "loss":
        return model.mean_of([b["loss"][:2] for b in batches])
    return model.pooled(batches)["accuracy.micro" if metric == "accuracy" else metric]


def cells_of(stage, width, window=None):
    """x of the cell -> the batches that its value is made of."""
    first = {e: min(b["step"] for b in stage.batches if b["epoch"] == e) for e in stage.epochs}
    out = {}
    for b in stage.batches:
        begin = max(b["step"] // width * width, first[b["epoch"]])
        out.setdefault((stage.offset[b["epoch"]] + begin) // width * width, []).append(b)
    if window is None:
        return out
    ends = {x: max((b["epoch"], b["step"]) for b in g) for x, g in out.items()}
    return {x: [b for b in stage.batches if b["epoch"] == e and step - window < b["step"] <= step] for x, (e, step) in ends.items()}


class Compare(ApiTest):
    def compare(self, runs, status=200, **query):
        answer = self.server.get("/api/v1/compare", runs=",".join(runs), **query)
        self.assertEqual(answer.status, status, answer)
        return answer.json()

    def random_run(self, rng):
        batches, at = [], rng.randint(0, 50)
        restarts = rng.random() < 0.4
        for epoch in sorted(rng.sample(range(9), rng.randint(1, 5))):
            at = 0 if restarts else at
            for _ in range(rng.choice((rng.randint(1, 30), 150))):
                for rank in range(2):
                    batches.append(model.random_batch(rng, epoch, at, rank))
                at += rng.choice((1, 1, 1, 2, 17))
        run = self.new_run("compare")
        self.log_ok(run, [model.record_of(b) for b in batches])
        return run, model.Stage(batches)

    def check_steps(self, runs, points, start, end, window):
        query = {k: v for k, v in (("points", points), ("from", start), ("to", end), ("window", window)) if v is not None}
        got = self.compare([run for run, _ in runs], metric=",".join(METRICS), **query)
        positions = [s.x(b) for _, s in runs for b in s.batches]
        low, high = max(min(positions), start or 0), min(max(positions), end if end is not None else max(positions))
        width = 1
        while high // width - low // width + 1 > points:
            width *= 2
        if low > high:
            self.assertEqual(got["x"], [], query)
            return
        self.assertEqual(got["width"], width, query)
        cells = [{x: g for x, g in cells_of(s, width, window).items() if low // width <= x // width <= high // width} for _, s in runs]
        self.assertEqual(got["x"], sorted({x for c in cells for x in c}), query)
        for (run, stage), answer, own in zip(runs, got["runs"], cells):
            self.assertEqual((answer["run"], answer["x_from"]), (run, stage.x_from))
            for metric in METRICS:
                for x, value in zip(got["x"], answer["metrics"][metric]["value"]):
                    want = value_of(own[x], metric) if x in own else None
                    self.assert_close(value, want, where="%s %s at %d %s" % (run, metric, x, query))

    def test_random_runs_by_step_equal_the_model(self):
        rng = random.Random(seed_of("compare"))
        for _ in range(6):
            runs = [self.random_run(rng) for _ in range(rng.randint(1, 4))]
            top = max(s.x(b) for _, s in runs for b in s.batches)
            for _ in range(12):
                start = rng.randint(0, top) if rng.random() < 0.5 else None
                end = rng.randint(start or 0, top + 5) if rng.random() < 0.5 else None
                self.check_steps(runs, rng.choice((1, 2, 3, 7, 40, 1000)), start, end, rng.choice((None, None, 3, 20)))

    def test_epochs_are_those_of_each_run(self):
        rng = random.Random(seed_of("compare-epochs"))
        runs = [self.random_run(rng) for _ in range(4)]
        got = self.compare([r for r, _ in runs], metric=",".join(METRICS), x="epoch")
        self.assertEqual(got["x"], sorted({e for _, s in runs for e in s.epochs}))
        for (run, _), answer in zip(runs, got["runs"]):
            known = {e["epoch"]: e["metrics"] for e in self.ask(run, "epochs", metric=",".join(METRICS))["epochs"]}
            for metric in METRICS:
                column = answer["metrics"][metric]
                self.assertEqual("low" in column, metric == "accuracy", metric)
                for i, epoch in enumerate(got["x"]):
                    want = known.get(epoch, {}).get(metric, {})
                    for key in column:
                        self.assertEqual(column[key][i], want.get(key), (run, metric, epoch, key))
        part = self.compare([r for r, _ in runs], metric="loss", x="epoch", **{"from": got["x"][0] + 1})
        self.assertEqual(part["x"], got["x"][1:])

    def test_a_group_is_one_run_with_all_counts(self):
        runs = [self.new_run("group") for _ in range(5)]
        rng = random.Random(seed_of("compare-groups"))
        batches = []
        for i, run in enumerate(runs):
            self.assertEqual(self.server.put(self.path(run), {"config": {"optimizer": {"lr": [0.1, 0.1, "auto", 0.01][i]}, "seed": i} if i < 4 else {}}).status, 201)
            own = [model.random_batch(rng, epoch, step, 0) for epoch in range(i % 2 + 1) for step in range(7)]
            self.log_ok(run, [model.record_of(b) for b in own])
            batches.append(own)
        got = self.compare(runs, metric="accuracy,f1.macro,loss", x="epoch", group="config.optimizer.lr", config="true")
        self.assertEqual([(g["key"], g["runs"]) for g in got["groups"]], [(0.01, [runs[3]]), (0.1, runs[:2]), ("auto", [runs[2]]), (None, [runs[4]])])
        self.assertEqual(got["runs"][0]["config"], {"optimizer": {"lr": 0.1}, "seed": 0})
        pooled = got["groups"][1]["metrics"]
        for i, epoch in enumerate(got["x"]):
            together = [b for own in batches[:2] for b in own if b["epoch"] == epoch]
            for metric in pooled:
                self.assert_close(pooled[metric]["value"][i], value_of(together, metric), where=metric)
            k, n = sum(sum(b["matrix"][c][c] for c in range(3)) for b in together), sum(sum(map(sum, b["matrix"])) for b in together)
            centre, half = k + WILSON_Z ** 2 / 2, WILSON_Z * (k * (n - k) / n + WILSON_Z ** 2 / 4) ** 0.5
            self.assert_close(pooled["accuracy"]["low"][i], (centre - half) / (n + WILSON_Z ** 2))
            self.assert_close(pooled["accuracy"]["high"][i], (centre + half) / (n + WILSON_Z ** 2))

    def test_runs_of_other_shapes_are_not_added(self):
        a, b = self.new_run(), self.new_run()
        self.log_ok(a, {"stage": "t", "epoch": 0, "step": 0, "confusion": [[1, 0], [0, 1]]})
        self.log_ok(b, {"stage": "t", "epoch": 0, "step": 0, "confusion": [[1, 0, 0], [0, 1, 0], [1, 1, 1]]})
        group, = self.compare([a, b], x="epoch", group="config.none")["groups"]
        self.assertEqual((group["key"], group["metrics"]["accuracy"]["value"]), (None, [None]))

    def test_what_a_run_lacks_is_null_and_what_all_lack_is_said(self):
        a, b, empty = self.new_run(), self.new_run(), self.new_run()
        self.log_ok(a, [{"stage": "train", "epoch": 0, "step": s, "correct": 1, "total": 2, "values": {"lr": 3}} for s in range(2)])
        self.log_ok(b, [{"stage": "train", "epoch": 0, "step": 1, "values": {"lr": 5}}, {"stage": "val", "epoch": 0, "step": 0, "values": {"lr": 5}}])
        self.assertEqual(self.server.put(self.path(empty), {}).status, 201)
        got = self.compare([a, b, empty, a], stage="train", metric="accuracy,lr")
        self.assertEqual([r["run"] for r in got["runs"]], [a, b, empty])
        self.assertEqual([r["metrics"]["lr"]["value"] for r in got["runs"]], [[3, 3], [None, 5], [None, None]])
        self.assertEqual([r["metrics"]["accuracy"]["value"] for r in got["runs"]], [[.5, .5], [None, None], [None, None]])
        self.assertEqual(self.compare([empty])["x"], [])
        self.assertEqual(self.compare([a], stage="none")["x"], [])
        get = self.server.get
        for query, status, code, pointer in (
                ({"runs": a, "metric": "f1.macro"}, 422, "state-lacks", "?metric"), ({"runs": a, "metric": "nix"}, 422, "unknown-metric", "?metric"),
                ({"runs": a + "," + b}, 422, "stage-needed", "?stage"), ({"runs": a + ",nobody"}, 404, "unknown-run", "?runs/1"),
                ({}, 422, "invalid-value", "?runs"), ({"runs": a + ","}, 422, "invalid-value", "?runs"), ({"runs": a, "x": "time"}, 422, "invalid-value", "?x"),
                ({"runs": a, "group": "config.lr"}, 422, "invalid-value", "?group"), ({"runs": a, "x": "epoch", "group": "lr"}, 422, "invalid-value", "?group"),
                ({"runs": a, "x": "epoch", "points": 3}, 422, "invalid-value", "?points"), ({"runs": a, "x": "epoch", "window": 3}, 422, "invalid-value", "?window"),
                ({"runs": a, "from": 3, "to": 2}, 422, "invalid-value", "?from"),
                ({"runs": ",".join("r%d" % i for i in range(201))}, 422, "invalid-value", "?runs")):
            self.assert_problem(get("/api/v1/compare", **query), status, code, pointer)
        c = self.new_run()
        self.log_ok(c, {"stage": "t", "epoch": 0, "step": 0, "confusion": [[1, 0], [0, 1]]})
        self.assert_problem(get("/api/v1/compare", runs=c, metric="recall.none"), 422, "invalid-value", "?metric")

    def test_csv_and_etag(self):
        a, b = self.new_run(), self.new_run()
        for run, correct in ((a, 1), (b, 2)):
            self.log_ok(run, [{"stage": "t", "epoch": e, "step": e, "correct": correct, "total": 4} for e in range(2 if run == a else 1)])
        rows = list(csv.reader(io.StringIO(self.server.get("/api/v1/compare", runs=a + "," + b, format="csv").text)))
        self.assertEqual(rows, [["run", "x", "accuracy"], [a, "0", "0.25"], [a, "1", "0.25"], [b, "0", "0.5"]])
        rows = list(csv.reader(io.StringIO(self.server.get("/api/v1/compare", runs=a, x="epoch", format="csv").text)))
        self.assertEqual(rows[0], ["run", "epoch", "accuracy", "accuracy low", "accuracy high"])
        first = self.server.get("/api/v1/compare", runs=a + "," + b)
        again = self.server.get("/api/v1/compare", headers={"If-None-Match": first.headers["etag"]}, runs=a + "," + b)
        self.assertEqual((again.status, again.body), (304, b""))
        self.log_ok(b, {"stage": "t", "epoch": 1, "step": 1, "correct": 2, "total": 4})
        self.assertEqual(self.server.get("/api/v1/compare", headers={"If-None-Match": first.headers["etag"]}, runs=a + "," + b).status, 200)


if __name__ == "__main__":
    unittest.main()
