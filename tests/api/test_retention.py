"""`--keep-steps`: batches of old epochs go, every epoch value stays what it was, and nothing can be counted twice."""
import json
import os
import random
import sqlite3
import tempfile
import threading
import time
import unittest

from plain import edited
from tally_server import ApiTest, TallyServer, run_tally, seed_of, wait_until

KEEP = ("--keep-steps", "1s")
WIDTH = 64
# the means of the steps that outlive the batches: docs/operations.md
KEPT = {"accuracy", "balanced_accuracy", "precision", "recall", "f1", "mcc", "kappa"}


def figure(server, name):
    for line in server.get("/metrics").text.splitlines():
        if line.startswith(name + " "):
            return float(line.split()[1])
    raise AssertionError("no figure " + name)


def sealed_in(path):
    """(sealed epochs of a series, batches left of them), read beside the server."""
    db = sqlite3.connect("file:%s?mode=ro" % path, uri=True)
    try:
        sealed = db.execute("SELECT count(*) FROM seal").fetchone()[0]
        left = db.execute("SELECT count(*) FROM seal s JOIN batch b USING (run, series, epoch)").fetchone()[0]
        open_ = db.execute("SELECT count(*) FROM seal WHERE thinned = 0").fetchone()[0]
    finally:
        db.close()
    return sealed, left, open_


def wait_for_seals(server, n):
    def done():
        return sealed_in(server.db) == (n, 0, 0)
    wait_until(done, what="thinning of %d epochs of a series" % n)


def restart(server, *options):
    assert server.stop() == 0
    server.options = list(options)
    server.start()


def rich_records(rng, epochs=3):
    """All kinds, several names and stages, two ranks, epochs of many and of few steps, gaps between steps."""
    out = []
    for epoch in range(epochs):
        step = 0
        for _ in range(230 if epoch != 1 else 20):
            step += rng.choice((1, 1, 1, 1, 2, 70 if rng.random() < 0.02 else 1))
            for rank in range(2):
                n = [[rng.randrange(4) for _ in range(3)] for _ in range(3)]
                out.append({"stage": "train", "epoch": epoch, "step": step, "rank": rank, "confusion": n,
                            "sums": {"loss": [rng.random() * 10, rng.randrange(1, 9)], "nll": [rng.random() * 5, 7]}, "values": {"lr": rng.random()},
                            "time": 1000000 + step * 10 + rank})
                out.append({"stage": "train", "epoch": epoch, "step": step, "rank": rank, "name": "head", "tp": [rng.randrange(5) for _ in range(3)],
                            "fp": [rng.randrange(5) for _ in range(3)], "fn": [rng.randrange(5) for _ in range(3)], "tn": [rng.randrange(5) for _ in range(3)], "task": "multilabel", "samples": 20})
        for step in range(70):
            out.append({"stage": "val", "epoch": epoch, "step": step, "task": "binary", "confusion": [[rng.randrange(5), rng.randrange(5)], [rng.randrange(5), rng.randrange(5)]],
                        "scores": {"thresholds": 5, "pos": [[rng.randrange(3) for _ in range(5)]], "neg": [[rng.randrange(3) for _ in range(5)]]}})
            out.append({"stage": "val", "epoch": epoch, "step": step, "name": "seq", "exact": [rng.randrange(3), 3]})
    return out


def post_all(server, run, records):
    for first in range(0, len(records), 500):
        answer = server.log_batches(run, records[first:first + 500])
        assert answer.status == 200, answer


def selectors(server, run, stage):
    """Every metric that the stage can give, as selectors."""
    out = []
    names = {s["name"] for s in server.get("/api/v1/runs/" + run).json()["series"] if s["stage"] == stage}
    for metric in server.get("/api/v1/metrics").json()["metrics"]:
        for average in metric["averages"] or [None]:
            for name in sorted(names):
                text = "%s:%s%s%s" % (name, metric["name"], "@0.5" if metric["name"] == "fbeta" else "", "." + average if average else "")
                if server.get("/api/v1/runs/%s/epochs" % run, stage=stage, metric=text, epoch=0, mean_of_steps="false").status == 200:
                    out.append(text)
    return out + (["loss", "loss:min", "loss:max", "loss:last", "loss:sum", "lr"] if "loss" in names else [])


def without(answer, *keys):
    return {k: v for k, v in answer.items() if k not in ("revision", "run") + keys}


class Values(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.rng = random.Random(seed_of("retention"))
        cls.server = TallyServer().start()
        post_all(cls.server, "r", rich_records(cls.rng))
        cls.server.patch("/api/v1/runs/r", {"status": "finished"})
        cls.selectors = {stage: selectors(cls.server, "r", stage) for stage in ("train", "val")}
        cls.before = cls.ask_all()
        cls.sealed = 3 * len(cls.server.get("/api/v1/runs/r").json()["series"])
        restart(cls.server, *KEEP)
        wait_for_seals(cls.server, cls.sealed)

    @classmethod
    def tearDownClass(cls):
        cls.server.close()

    @classmethod
    def ask(cls, what, **query):
        answer = cls.server.get("/api/v1/runs/r/" + what if what else "/api/v1/runs/r", **query)
        assert answer.status == 200, (what, query, answer)
        return answer.json()

    @classmethod
    def ask_all(cls):
        """Everything that must not change, by question."""
        out = {"run": without(cls.ask(""), "updated_at")}
        for stage, words in cls.selectors.items():
            numbers = [w for w in words if not w.endswith(".none")]
            for i in range(0, len(words), 20):
                key = words[i:i + 20]
                out["epochs", stage, i] = cls.ask("epochs", stage=stage, metric=",".join(key))["epochs"]
            for points in (1, 2, 3, 5, 8, 11):
                out["steps", stage, points] = cls.ask("steps", stage=stage, metric=",".join(numbers[:30]), points=points)
            for window in (1, 64, 128, 1000):
                out["window", stage, window] = cls.ask("steps", stage=stage, metric=numbers[0], points=12, window=window)
            for epoch in range(3):
                for what in ("classes", "confusion"):
                    out[what, stage, epoch] = without(cls.ask(what, stage=stage, epoch=epoch))
            out["columns", stage] = [r["columns"] for r in cls.server.get("/api/v1/runs", columns=",".join(
                "%s/%s@%s" % (stage, numbers[0], which) for which in ("last", "best", "min", "max", "1"))).json()["runs"]]
            out["compare", stage] = without(cls.server.get("/api/v1/compare", runs="r", stage=stage, metric=numbers[0], x="step", points=6).json(), "runs")
        out["curves"] = without(cls.ask("curves", stage="val"))
        return out

    def test_every_value_of_an_epoch_is_what_it_was(self):
        asked = 0
        for stage, words in self.selectors.items():
            for i in range(0, len(words), 20):
                key = words[i:i + 20]
                now = self.ask("epochs", stage=stage, metric=",".join(key))["epochs"]
                for was, new in zip(self.before["epochs", stage, i], now):
                    self.assertIs(new.pop("thinned"), True)
                    self.assertEqual(without(new, "metrics"), without(was, "metrics"))
                    for word in key:
                        a, b = dict(was["metrics"][word]), dict(new["metrics"][word])
                        name, average = word.split(":")[-1].split("@")[0].split(".")[0], word.split(".")[-1]
                        if "mean_of_steps" in a:
                            binary = stage == "val" and not word.startswith("seq")
                            kept = (average != "none" or binary) and (name in KEPT or word.split(":")[0] == "seq" or name in ("auroc", "average_precision", "perplexity"))
                            if kept:
                                self.assertNotIn("mean_of_steps_lost", b, word)
                            else:
                                self.assertIsNone(b["mean_of_steps"], word)
                                self.assertEqual(b.pop("mean_of_steps_lost"), "thinned", word)
                                a.pop("mean_of_steps"), b.pop("mean_of_steps"), a.pop("gap", None), b.pop("gap", None)
                        self.assertEqual(b, a, word)
                        asked += 1
        self.assertGreater(asked, 150)

    def test_what_is_summed_over_an_epoch_is_what_it_was(self):
        now = self.ask_all()
        for key, was in self.before.items():
            if key[0] in ("classes", "confusion", "columns") or key in ("curves", "run"):
                self.assertEqual(now[key], was, key)

    def test_charts_are_what_they_were_at_every_width_that_is_kept(self):
        compared = 0
        now = self.ask_all()
        for key, was in self.before.items():
            if key[0] != "steps":
                continue
            new = dict(now[key])
            thinned = new.pop("thinned")
            self.assertEqual(thinned, {"epochs": 3, "width": WIDTH})
            if was["width"] >= WIDTH or was["over"]:
                self.assertEqual(without(new), without(was), key)
                compared += 1
            else:
                self.assertEqual(new["width"], WIDTH, key)
        self.assertGreater(compared, 3)
        wide = self.ask("steps", stage="train", metric="accuracy", points=10000)
        self.assertEqual((wide["width"], wide["thinned"]["width"]), (WIDTH, WIDTH))
        self.assertEqual(sum(wide["samples"]), sum(e["samples"] for e in self.ask("epochs", stage="train", metric="accuracy")["epochs"]))

    def test_a_comparison_is_what_it_was_at_every_width_that_is_kept(self):
        now = self.ask_all()
        for stage in ("train", "val"):
            was, new = self.before["compare", stage], dict(now["compare", stage])
            self.assertNotIn("thinned", was)
            self.assertEqual(new.pop("thinned"), {"epochs": 3, "width": WIDTH})
            if was["width"] >= WIDTH:
                self.assertEqual(new, was)
            else:
                self.assertEqual(new["width"], WIDTH)

    def test_a_comparison_says_how_many_epochs_of_all_its_runs_have_no_steps_left(self):
        post_all(self.server, "young", [{"stage": "train", "epoch": 0, "step": step, "correct": 1, "total": 2} for step in range(9)])
        self.addCleanup(self.server.delete, "/api/v1/runs/young")

        def compare(runs, **query):
            answer = self.server.get("/api/v1/compare", runs=runs, stage="train", metric="accuracy", **query)
            self.assertEqual(answer.status, 200, answer)
            return answer.json()

        thinned = {"epochs": 3, "width": WIDTH}
        both = compare("young,r", points=10000)
        self.assertEqual((both["width"], both["thinned"]), (WIDTH, thinned))
        wide = compare("r,young", points=1)
        self.assertGreater(wide["width"], WIDTH)
        self.assertEqual(wide["thinned"], thinned)
        epochs = self.ask("steps", stage="train", metric="accuracy", points=10000)
        second = epochs["x"][epochs["epoch"].index(1)]
        self.assertEqual(compare("r", to=second - 1)["thinned"]["epochs"], 1)
        self.assertEqual(compare("r,young", **{"from": second})["thinned"]["epochs"], 2)
        alone = compare("young")
        self.assertEqual(alone["width"], 1)
        self.assertNotIn("thinned", alone)
        self.assertNotIn("thinned", compare("r,young", x="epoch"))

    def test_a_range_gives_the_buckets_that_it_cuts_whole(self):
        whole = self.ask("steps", stage="train", metric="accuracy,loss", points=10000)
        for low, high in ((0, 3), (10, 20), (63, 64), (100, 130), (200, 10 ** 6)):
            part = self.ask("steps", stage="train", metric="accuracy,loss", points=10000, **{"from": low, "to": high})
            self.assertEqual(part["width"], WIDTH)
            at = [i for i, x in enumerate(whole["x"]) if x in part["x"]]
            self.assertEqual([whole["samples"][i] for i in at], part["samples"])
            self.assertEqual([whole["metrics"]["loss"]["value"][i] for i in at], part["metrics"]["loss"]["value"])
            self.assertLessEqual(set(x for x in whole["x"] if low <= x <= high), set(part["x"]))

    def test_a_window_has_its_value_where_it_can_be_had_and_null_elsewhere(self):
        """Against the values before, at the same ends."""
        now = self.ask_all()
        had = 0
        for key, was in self.before.items():
            if key[0] != "window" or was["width"] < WIDTH:
                continue
            new = now[key]
            self.assertEqual(new["x"], was["x"])
            (selector,) = was["metrics"]
            for a, b in zip(was["metrics"][selector]["value"], new["metrics"][selector]["value"]):
                if b is not None:
                    self.assertEqual(a, b, key)
                    had += 1
            if key[2] == 1000:  # longer than any epoch: all of it up to there
                self.assertEqual(new["metrics"][selector]["value"], was["metrics"][selector]["value"])
        self.assertGreater(had, 10)

    def test_one_rank_of_a_thinned_epoch_is_unknown_and_says_so(self):
        for entry in self.ask("epochs", stage="train", metric="accuracy", rank=1)["epochs"]:
            self.assertIs(entry["thinned"], True)
            self.assertEqual([entry[k] for k in ("steps", "batches", "samples", "first_step", "last_step")], [None] * 5)
            self.assertIsNone(entry["metrics"]["accuracy"]["value"])
        self.assertEqual(self.ask("epochs", stage="train", metric="accuracy", rank=7)["epochs"], [])
        chart = self.ask("steps", stage="train", metric="accuracy", rank=1)
        self.assertEqual((chart["x"], chart["thinned"]), ([], {"epochs": 3, "width": None}))
        text = self.server.get("/api/v1/runs/r/epochs", stage="train", metric="accuracy", rank=1, format="csv").text.splitlines()
        self.assertEqual(text[1].split(",")[:7], ["0"] + [""] * 6)

    def test_the_batches_are_said_to_be_gone(self):
        for query in ({"epoch": 0}, {}, {"epoch": 1, "name": "loss"}):
            answer = self.server.get("/api/v1/runs/r/batches", stage="train", **query)
            self.assertEqual((answer.status, answer.json()["type"]), (410, "urn:tally:problem:thinned"), answer)
        self.assertEqual(self.server.get("/api/v1/runs/r/batches", stage="train", epoch=99).text, "")

    def test_the_diagnosis_says_what_the_sum_alone_tells(self):
        answer = self.ask("diagnosis", stage="train", epoch=0)
        self.assertIs(answer["thinned"], True)
        self.assertEqual(answer["findings"], [])

    def test_other_options_than_those_of_the_seal_are_not_answered_from_it(self):
        answer = self.ask("epochs", stage="train", metric="precision.macro,accuracy.macro", zero_division=1, epoch=0)["epochs"][0]["metrics"]
        self.assertEqual(answer["precision.macro"]["mean_of_steps_lost"], "thinned")
        self.assertNotIn("mean_of_steps_lost", answer["accuracy.macro"])

    def test_csv_leaves_what_is_lost_empty(self):
        text = self.server.get("/api/v1/runs/r/epochs", stage="train", metric="specificity.macro", epoch=0, format="csv").text.splitlines()
        self.assertEqual(text[1].split(",")[-1], "")
        self.assertEqual(len(text[0].split(",")), len(text[1].split(",")))

    def test_a_late_duplicate_is_refused_whole_and_named(self):
        before = self.ask("epochs", stage="train", metric="accuracy,loss")
        late = {"stage": "train", "epoch": 0, "step": 3, "rank": 0, "sums": {"loss": [1, 2]}}
        fresh = {"stage": "train", "epoch": 50, "step": 0, "rank": 0, "sums": {"loss": [1, 2]}}
        answer = self.server.log_batches("r", [fresh, late])
        self.assertEqual((answer.status, answer.json()["type"]), (409, "urn:tally:problem:epoch-sealed"), answer)
        self.assertEqual(answer.json()["errors"][0]["pointer"], "/1")
        self.assertIn("epoch 0", answer.json()["detail"])
        self.assertEqual(self.ask("epochs", stage="train", metric="accuracy,loss"), before)

    def test_a_rewind_into_a_sealed_epoch_is_refused_and_leaves_no_trace(self):
        before = self.ask("")
        for body in ({"epoch": 1, "step": 3}, {"epoch": 0, "step": 0}, {"epoch": 2, "step": 1, "stage": "val"}):
            answer = self.server.post("/api/v1/runs/r/rewind", dict(body, attempt="x"))
            self.assertEqual((answer.status, answer.json()["type"]), (409, "urn:tally:problem:epoch-sealed"), answer)
        self.assertEqual(self.ask(""), before)
        # the attempt was not used up: a cut after everything is taken
        answer = self.server.post("/api/v1/runs/r/rewind", {"epoch": 9, "step": 0, "attempt": "x"})
        self.assertEqual((answer.status, answer.json()["removed"]), (200, 0), answer)

    def test_a_copy_by_export_is_the_same_and_exports_the_same(self):
        with tempfile.TemporaryDirectory(prefix="tally-test-") as folder, TallyServer() as copy:
            first, second = os.path.join(folder, "1"), os.path.join(folder, "2")
            code, _, err = run_tally("export", "--db", self.server.db, first)
            self.assertEqual(code, 0, err)
            self.assertIn("%d thinned epochs" % self.sealed, err)
            self.assertEqual(copy.stop(), 0)
            self.assertEqual(run_tally("import", "--db", copy.db, first)[0], 0)
            self.assertEqual(run_tally("export", "--db", copy.db, second)[0], 0)
            with open(first, "rb") as a, open(second, "rb") as b:
                text = a.read()
                self.assertEqual(text, b.read())
            code, out, _ = run_tally("check", "--db", copy.db)
            self.assertEqual(code, 0, out)
            self.assertIn("%d thinned epochs: all agree" % self.sealed, out)
            copy.start()
            for stage in ("train", "val"):
                for what, query in (("epochs", {}), ("steps", {"points": 7}), ("confusion", {"epoch": 1}), ("diagnosis", {"epoch": 0})):
                    a = self.server.get("/api/v1/runs/r/" + what, stage=stage, **query).json()
                    b = copy.get("/api/v1/runs/r/" + what, stage=stage, **query).json()
                    self.assertEqual(without(a), without(b), what)
            answer = copy.log_batches("r", {"stage": "train", "epoch": 0, "step": 3, "sums": {"loss": [1, 2]}})
            self.assertEqual(answer.status, 409, answer)
            lines = text.decode().splitlines(keepends=True)
            self.refuse_broken(folder, lines)

    def refuse_broken(self, folder, lines):
        sums = [i for i, line in enumerate(lines) if line.startswith('{"sum"')]
        sealed = [i for i, line in enumerate(lines) if line.startswith('{"sealed"')]
        whole, part = json.loads(lines[sums[0]]), json.loads(lines[sums[1]])

        def with_line(i, line):
            return lines[:i] + [line if isinstance(line, str) else json.dumps(line, separators=(",", ":")) + "\n"] + lines[i + 1:]

        def changed(value, **change):
            return {"sum": dict(value["sum"], **change)}
        head = json.loads(lines[sealed[0]])
        table = [
            ("a sum of other samples", with_line(sums[0], changed(whole, samples="1")), "do not agree"),
            ("a part with a step more", with_line(sums[1], changed(part, steps=part["sum"]["steps"] + 1)), "do not agree"),
            ("a state that is cut", with_line(sums[1], changed(part, state=part["sum"]["state"][:-2])), "do not agree"),
            ("ranks that are none", with_line(sums[0], changed(whole, ranks="ffffff")), "do not agree"),
            ("a sum too few", lines[:sums[1]] + lines[sums[1] + 1:], "line"),
            ("a sum that is no sum", with_line(sums[1], '{"sum":{"level":6}}\n'), "not a sum"),
            ("a head that is none", with_line(sealed[0], '{"sealed":{"stage":"train"}}\n'), "not a thinned epoch"),
            ("a shape of another kind", with_line(sealed[0], {"sealed": dict(head["sealed"], kind="scores")}), "not a thinned epoch"),
            ("the epoch again", lines[:sealed[1]] + lines[sealed[0]:sealed[1]] + lines[sealed[1]:], "come before"),
            ("a record afterwards", lines[:-1] + ['{"stage":"train","epoch":99,"step":0,"correct":1,"total":1}\n'] + lines[-1:], "after the thinned"),
            ("a count of them that is wrong", with_line(len(lines) - 1, lines[-1].replace('"sealed":', '"sealed":1')), "counts other"),
            ("cut within them", lines[:sums[2]], "ends early"),
        ]
        for name, text, says in table:
            path, db = os.path.join(folder, "broken"), os.path.join(folder, name.replace(" ", "_") + ".db")
            with open(path, "w", encoding="utf-8") as f:
                f.write("".join(text))
            code, _, err = run_tally("import", "--db", db, path)
            self.assertEqual(code, 1, name)
            self.assertIn(says, err, name)
            code, out, _ = run_tally("check", "--db", db)
            self.assertEqual(code, 0, (name, out))
            if "count" not in name:
                self.assertTrue(out.startswith("0 runs"), (name, out))

    def test_check_finds_what_was_changed_by_hand(self):
        with tempfile.TemporaryDirectory(prefix="tally-test-") as folder:
            copy = os.path.join(folder, "t.db")
            self.assertEqual(run_tally("backup", copy, "--db", self.server.db)[0], 0)
            code, out, err = run_tally("check", "--db", copy)
            self.assertEqual((code, err), (0, ""), out)
            self.assertIn("epochs from 0 to 2 are thinned", out)
            with open(copy, "rb") as f:
                sound = f.read()
            of = "run = 1 AND series = (SELECT series FROM series WHERE stage = 'train' AND name = 'main') AND epoch = 0"
            for change, says in (
                    ("UPDATE rollup SET samples = samples + 1 WHERE %s AND level = 0" % of, "its buckets say"),
                    ("UPDATE rollup SET correct = correct + 1 WHERE %s AND level = 6 AND bucket = 0" % of, "correct"),
                    ("UPDATE rollup SET primary_max = 0.99 WHERE %s AND level = 8" % of, "primary_max"),
                    ("DELETE FROM rollup WHERE %s AND level = 6 AND bucket = 0" % of, "its buckets say"),
                    ("UPDATE rollup SET closed = 64 WHERE %s AND level = 0" % of, "its buckets end before its steps"),
                    ("UPDATE rollup SET ranks = x'ffff' WHERE %s AND level = 0" % of, "ranks"),
                    ("UPDATE seal SET means = x'05' WHERE %s" % of, "means of its steps are damaged"),
                    ("DELETE FROM seal WHERE %s" % of, "do not belong together"),
                    ("UPDATE rollup SET sealed_at = 0 WHERE %s AND level = 0" % of, "do not belong together"),
                    ("INSERT INTO batch SELECT run, series, epoch, 1, 0, 1, 1, 1, state FROM rollup WHERE %s AND level = 0" % of, "batches are left"),
                    ("UPDATE series SET batches = batches + 1 WHERE stage = 'train'", "batches is")):
                with open(copy, "wb") as f:
                    f.write(sound)
                with edited(copy) as db:
                    self.assertGreater(db.execute(change).rowcount, 0, change)
                code, out, err = run_tally("check", "--db", copy)
                self.assertEqual((code, err), (1, ""), (change, out))
                self.assertIn(says, out, change)


class When(unittest.TestCase):
    def log(self, server, run, epoch, steps=3, first=0, **more):
        answer = server.log_batches(run, [dict({"stage": "t", "epoch": epoch, "step": s, "correct": 1, "total": 2}, **more) for s in range(first, first + steps)])
        self.assertEqual(answer.status, 200, answer)

    def test_the_last_epoch_of_a_running_run_is_kept_until_it_ends(self):
        with TallyServer(*KEEP) as server:
            for epoch in range(3):
                self.log(server, "r", epoch)
            wait_for_seals(server, 2)
            time.sleep(1.2)
            self.assertEqual(sealed_in(server.db)[0], 2)
            self.log(server, "r", 2, first=3)  # it may still be written
            self.assertEqual(server.patch("/api/v1/runs/r", {"status": "finished"}).status, 200)
            wait_for_seals(server, 3)
            self.assertEqual(server.log_batches("r", {"stage": "t", "epoch": 2, "step": 9, "correct": 1, "total": 2}).status, 409)
            self.log(server, "r", 3)  # a new epoch is open
            entry = server.get("/api/v1/runs/r").json()
            self.assertEqual(entry["series"][0]["batches"], 15)

    def test_age_is_the_servers_and_not_what_the_client_says(self):
        with TallyServer("--keep-steps", "1h") as server:
            self.log(server, "old", 0, time=1)
            self.log(server, "old", 1, time=1)
            time.sleep(0.5)
            self.assertEqual(sealed_in(server.db)[0], 0)
            restart(server, *KEEP)
            self.log(server, "new", 0, time=4102444800000)  # the year 2100
            self.log(server, "new", 1, time=4102444800000)
            wait_for_seals(server, 2)

    def test_a_late_batch_makes_its_epoch_young_again_and_all_series_of_the_stage_wait(self):
        with TallyServer("--keep-steps", "2s") as server:
            self.log(server, "r", 0)
            self.log(server, "r", 1)
            deadline = time.monotonic() + 3
            step = 0
            while time.monotonic() < deadline:
                step += 1
                self.assertEqual(server.log_batches("r", {"stage": "t", "epoch": 0, "step": step, "sums": {"loss": [1, 1]}}).status, 200)
                time.sleep(0.1)
            self.assertEqual(sealed_in(server.db)[0], 0)
            wait_for_seals(server, 2)

    def test_a_series_that_the_epoch_did_not_have_may_still_come(self):
        with TallyServer(*KEEP) as server:
            self.log(server, "r", 0)
            self.log(server, "r", 1)
            wait_for_seals(server, 1)
            self.assertEqual(server.log_batches("r", {"stage": "t", "epoch": 0, "step": 0, "sums": {"late": [1, 1]}}).status, 200)
            wait_for_seals(server, 2)
            self.assertEqual(server.get("/api/v1/runs/r/epochs", metric="late", epoch=0).json()["epochs"][0]["metrics"]["late"]["value"], 1)

    def test_the_revision_rises_so_that_pages_see_it_but_it_is_no_sign_of_life(self):
        with TallyServer() as server:
            self.log(server, "r", 0)
            self.log(server, "r", 1)
            before = server.get("/api/v1/runs/r").json()
            etag = server.get("/api/v1/runs/r/epochs").headers["etag"]
            restart(server, *KEEP)
            wait_for_seals(server, 1)
            after = server.get("/api/v1/runs/r").json()
            self.assertEqual(after["revision"], before["revision"] + 1)
            self.assertEqual(after["updated_at"], before["updated_at"])
            self.assertEqual(server.get("/api/v1/runs/r/epochs", headers={"If-None-Match": etag}).status, 200)

    def test_a_stale_record_is_stale_also_where_its_epoch_is_sealed(self):
        with TallyServer() as server:
            self.log(server, "r", 0, attempt="a")
            self.assertEqual(server.post("/api/v1/runs/r/rewind", {"epoch": 0, "step": 1, "attempt": "b", "stage": "t"}).status, 200)
            self.log(server, "r", 1, attempt="b")
            restart(server, *KEEP)
            wait_for_seals(server, 1)
            answer = server.log_batches("r", {"stage": "t", "epoch": 0, "step": 2, "correct": 1, "total": 2, "attempt": "a"})
            self.assertEqual(answer.json(), {"accepted": 0, "duplicates": 0, "stale": 1})

    def test_a_rewind_behind_the_sealed_epochs_works_and_leaves_them(self):
        with TallyServer() as server:
            for epoch in range(3):
                self.log(server, "r", epoch, steps=100)
            restart(server, *KEEP)
            wait_for_seals(server, 2)
            answer = server.post("/api/v1/runs/r/rewind", {"epoch": 2, "step": 40, "attempt": "b", "stage": "t"})
            self.assertEqual((answer.status, answer.json()["removed"]), (200, 60), answer)
            entry = server.get("/api/v1/runs/r").json()["series"][0]
            self.assertEqual([entry[k] for k in ("epochs", "batches", "samples", "last_epoch", "last_step")], [3, 240, 480, 2, 39])
            want = server.get("/api/v1/runs/r/epochs").json()["epochs"][:2]
            # to the end of a sealed epoch: nothing is cut from it
            answer = server.post("/api/v1/runs/r/rewind", {"epoch": 1, "step": 100, "attempt": "c", "stage": "t"})
            self.assertEqual((answer.status, answer.json()["removed"]), (200, 40), answer)
            self.assertEqual(server.get("/api/v1/runs/r/epochs").json()["epochs"], want)
            answer = server.post("/api/v1/runs/r/rewind", {"epoch": 1, "step": 99, "attempt": "d", "stage": "t"})
            self.assertEqual(answer.status, 409, answer)

    def test_a_thinned_run_can_be_deleted(self):
        with TallyServer() as server:
            for epoch in range(3):
                self.log(server, "r", epoch, steps=200)
            restart(server, *KEEP)
            wait_for_seals(server, 2)
            self.assertEqual(server.delete("/api/v1/runs/r").status, 204)
            wait_until(lambda: sealed_in(server.db) == (0, 0, 0), what="the purge")
            self.log(server, "r", 0)  # the id is free, and nothing of it is sealed

    def test_without_the_option_nothing_is_thinned_and_bad_values_are_refused(self):
        with TallyServer(env={"TALLY_KEEP_STEPS": "1s"}) as server:
            self.log(server, "r", 0)
            self.log(server, "r", 1)
            wait_for_seals(server, 1)
            events = [json.loads(line)["event"] for line in server.log_text().splitlines()]
            self.assertIn("epochs-sealed", events)
            self.assertEqual(figure(server, "tally_epochs_sealed_total"), 1)
            self.assertEqual(figure(server, "tally_batches_thinned_total"), 3)
        for value in ("30", "0d", "-1d", "month", ""):
            code, _, err = run_tally("serve", "--keep-steps", value)
            self.assertEqual(code, 2, value)
            self.assertIn("--keep-steps", err)

    def test_an_epoch_of_before_the_upgrade_is_as_old_as_its_run(self):
        with TallyServer() as server:
            self.log(server, "r", 0)
            self.log(server, "r", 1)
            self.assertEqual(server.stop(), 0)
            with edited(server.db) as db:
                db.execute("UPDATE rollup SET written_at = 0")
                db.execute("UPDATE run SET updated_at = updated_at + 3600000")
            server.options = list(KEEP)
            server.start()
            time.sleep(1.5)
            self.assertEqual(sealed_in(server.db)[0], 0)
            self.assertEqual(server.stop(), 0)
            with edited(server.db) as db:
                db.execute("UPDATE run SET updated_at = updated_at - 7200000")
            server.start()
            wait_for_seals(server, 1)


class Beside(unittest.TestCase):
    def test_jobs_go_on_while_epochs_are_thinned(self):
        """Clients log and read while others' epochs are sealed and emptied; then everything is added up."""
        rng = random.Random(seed_of("retention beside"))
        with TallyServer() as server:
            for run in range(3):
                post_all(server, "old-%d" % run, [{"stage": "t", "epoch": e, "step": s, "rank": r, "correct": rng.randrange(9), "total": 9}
                                                  for e in range(4) for s in range(700) for r in range(2)])
            want = {r: server.get("/api/v1/runs/old-%d/epochs" % r).json()["epochs"] for r in range(3)}
            restart(server, *KEEP)
            failures, stop = [], threading.Event()

            def write(number):
                step = 0
                while not stop.is_set():
                    answer = server.log_batches("live-%d" % number, {"stage": "t", "epoch": step // 50, "step": step, "correct": 1, "total": 2})
                    if answer.status != 200:
                        failures.append(answer)
                        return
                    step += 1
                totals.append(step)

            def read():
                while not stop.is_set():
                    for r in range(3):
                        epochs = server.get("/api/v1/runs/old-%d/epochs" % r).json()["epochs"]
                        for e in epochs:
                            e.pop("thinned", None)
                        if epochs != want[r]:
                            failures.append(epochs)
                            return
                        chart = server.get("/api/v1/runs/old-%d/steps" % r, points=5).json()
                        if sum(chart["samples"]) != 4 * 700 * 2 * 9:
                            failures.append(chart)
                            return
            totals = []
            threads = [threading.Thread(target=write, args=(i,)) for i in range(3)] + [threading.Thread(target=read) for _ in range(2)]
            for thread in threads:
                thread.start()
            try:
                def done():
                    return figure(server, "tally_batches_thinned_total") >= 3 * 3 * 1400
                wait_until(done, seconds=30, what="thinning")
            finally:
                stop.set()
                for thread in threads:
                    thread.join()
            self.assertEqual(failures, [])
            for number in range(3):
                entry = server.get("/api/v1/runs/live-%d" % number).json()["series"][0]
                self.assertIn(entry["batches"], totals)

    def test_kill_9_at_any_moment_of_it_leaves_marks_sums_and_rows_in_agreement(self):
        rng = random.Random(seed_of("retention kill"))
        with TallyServer() as server:
            post_all(server, "r", [{"stage": "t", "epoch": e, "step": s, "confusion": [[rng.randrange(9), 1], [0, rng.randrange(9)]], "sums": {"loss": [rng.random(), 1]}}
                                   for e in range(12) for s in range(1500)])
            want = server.get("/api/v1/runs/r/epochs", metric="accuracy.macro,f1,loss").json()["epochs"]
            server.patch("/api/v1/runs/r", {"status": "finished"})
            self.assertEqual(server.stop(), 0)
            server.options = list(KEEP)
            time.sleep(1)
            kills, between, span, before = 0, 0, 0.03, None
            while kills < 60:
                server.start()
                time.sleep(rng.random() * span)
                server.kill()
                kills += 1
                code, out, err = run_tally("check", "--db", server.db, timeout=120)
                self.assertEqual((code, err), (0, ""), out)
                sealed, left, open_ = seals = sealed_in(server.db)
                between += left > 0
                if sealed == 24 and open_ == 0:
                    break
                span *= 1.3 if seals == before else 1  # a slow machine (or a sanitizer) has to get somewhere
                before = seals
            server.start()
            wait_for_seals(server, 24)
            epochs = server.get("/api/v1/runs/r/epochs", metric="accuracy.macro,f1,loss").json()["epochs"]
            for entry in epochs:
                self.assertIs(entry.pop("thinned"), True)
            self.assertEqual(epochs, want)
            self.assertGreater(between, 0, "no kill came while batches were being removed")
            print("retention: %d kills, %d of them with batches half removed" % (kills, between))

    def test_the_room_is_used_again_and_a_copy_is_small(self):
        with TallyServer() as server:
            def fill(run):
                post_all(server, run, [{"stage": "t", "epoch": e, "step": s, "tp": [s % 7] * 10, "fp": [s % 5] * 10, "fn": [s % 5] * 10} for e in range(5) for s in range(2000)])
            fill("one")
            server.patch("/api/v1/runs/one", {"status": "finished"})
            restart(server, *KEEP)
            before = os.path.getsize(server.db)
            wait_for_seals(server, 5)
            restart(server)
            self.assertLessEqual(os.path.getsize(server.db), before + 65536 * 4)
            fill("two")
            restart(server)
            self.assertLess(os.path.getsize(server.db), before * 1.3, "the room of the batches that went was not used again")
            copy = server.db + ".copy"
            self.assertEqual(server.delete("/api/v1/runs/two").status, 204)
            wait_until(lambda: server.get("/api/v1/runs").json()["total"] == 1, what="the deletion")
            db = sqlite3.connect("file:%s?mode=ro" % server.db, uri=True)
            wait_until(lambda: db.execute("SELECT count(*) FROM run").fetchone()[0] == 1, what="the purge")
            db.close()
            self.assertEqual(run_tally("backup", copy, "--db", server.db)[0], 0)
            self.assertLess(os.path.getsize(copy), before / 4, "what is kept is small")
            self.assertEqual(run_tally("check", "--db", copy)[0], 0)


if __name__ == "__main__":
    unittest.main()
