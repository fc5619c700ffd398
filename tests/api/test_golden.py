"""Every golden case, through HTTP: shuffled, in pieces, some pieces twice, ranks interleaved."""
import glob
import json
import os
import random
import unittest

import model
from tally_server import GOLDEN, ApiTest, seed_of

# The tolerances of tests/golden/README.md: torchmetrics puts a float32 epsilon into the degenerate 2x2 case of mcc, and
# keeps raw sums for the other three.
LOOSE = ("mcc", "r2", "explained_variance", "pearson")
N_CASES = 59


def tolerance(name):
    return 1e-6 if name in LOOSE else 1e-9


def cases():
    for path in sorted(glob.glob(os.path.join(GOLDEN, "*.json"))):
        if os.path.basename(path) != "INDEX.json":
            with open(path, encoding="utf-8") as f:
                yield json.load(f)


def sums_of(b):
    sums = {}
    if "loss_sum" in b:
        ends = [b["loss_min"], b["loss_max"]] if b["loss_min"] is not None else []
        sums["loss"] = [b["loss_sum"], b["loss_count"]] + ends
    if "nll_sum" in b:
        sums["nll"] = [b["nll_sum"], b["token_count"]]
    return {"sums": sums} if sums else {}


def scores_of(b, rng):
    """Score histograms, dense or sparse."""
    pos, neg = b["hist"]["pos"], b["hist"]["neg"]
    if rng.random() < 0.5:
        return {"thresholds": len(pos[0]), "pos": pos, "neg": neg}
    cells = [[c, i, pos[c][i], neg[c][i]] for c in range(len(pos)) for i in range(len(pos[c])) if pos[c][i] or neg[c][i]]
    return {"thresholds": len(pos[0]), "num_classes": len(pos), "cells": rng.sample(cells, len(cells))}


def calibration_of(b, rng):
    """Bins of confidence, dense or sparse."""
    ece = b["ece"]
    correct = [int(n) for n in ece["acc_sum"]]
    if rng.random() < 0.5:
        return {"bins": len(correct) - 1, "count": ece["count"], "confidence": ece["conf_sum"], "correct": correct}
    cells = [[i, n, ece["conf_sum"][i], correct[i]] for i, n in enumerate(ece["count"]) if n]
    return {"bins": len(correct) - 1, "cells": rng.sample(cells, len(cells))}


def regression_of(b):
    """Moments: x is the prediction, y the target."""
    moment = {"mean_target": "mean_y", "mean_prediction": "mean_x", "m2_target": "m2_y", "m2_prediction": "m2_x", "c": "c_xy"}
    out = {"n": b["n"], "sum_error": b["sum_err"], "sum_abs_error": b["sum_abs_err"], "sum_squared_error": b["sum_sq_err"]}
    out.update({field: b.get(key, 0) for field, key in moment.items()})
    return out


def states_of(b, rng):
    """The states that accompany or replace the counts of a record."""
    out = {}
    if "hist" in b:
        out["scores"] = scores_of(b, rng)
    if "ece" in b:
        out["calibration"] = calibration_of(b, rng)
    if "exact_total" in b:
        out["exact"] = [b["exact_correct"], b["exact_total"]]
    if "sum_sq_err" in b:
        out["regression"] = regression_of(b)
    return out


def counts_of(doc, b, form, rng):
    """One batch in one of the ways that give the series the shape `form`."""
    if "tp" not in b:
        return {}
    if form == "totals":
        return {"correct": b["correct"], "total": b["total"]}
    if doc["task"] != "multiclass":
        if form == "confusion":
            return {"confusion": b["confmat"]}
        return {k: b[k] for k in ("tp", "fp", "fn", "tn")}
    size = doc["num_classes"]
    if form == "classes":
        if rng.random() < 0.5:
            return {k: b[k] for k in ("tp", "fp", "fn")}
        seen = [[c, b["tp"][c], b["fp"][c], b["fn"][c]] for c in range(size)]
        return {"num_classes": size, "total": b["total"], "classes": rng.sample([s for s in seen if any(s[1:])], sum(any(s[1:]) for s in seen))}
    cells = b.get("confmat_sparse") or [[t, p, n] for t, row in enumerate(b.get("confmat", [])) for p, n in enumerate(row) if n]
    if "confmat" in b and rng.random() < 0.5:
        return {"confusion": b["confmat"]}
    return {"num_classes": size, "cells": rng.sample(cells, len(cells))}


def wanted(doc, metrics, form, zero_division=0):
    """Golden names as selectors, as far as a series of this form can give them."""
    out = model.selectors(metrics, zero_division)
    if "mean_loss" in metrics and not zero_division:
        out["loss"] = metrics["mean_loss"]
        for end in ("min", "max"):
            value = metrics[end + "_loss"]
            out["loss:" + end] = None if isinstance(value, str) else value
    if form != "confusion":
        out = {k: v for k, v in out.items() if k not in ("kappa@linear", "kappa@quadratic")}
    if form == "totals":
        plain = "accuracy" if doc["task"] == "binary" else "accuracy.micro"
        counted = tuple(model.PLAIN) + ("fbeta", "mcc", "kappa")
        out = {k: v for k, v in out.items() if k == plain or not k.startswith(counted)}
    return out


# scikit-learn's rule and a formula that torchmetrics 1.9.0 computes in other units: tests/unit/lib has vectors of their own
NOT_IN_GOLDEN = {"balanced_accuracy", "concordance"}


class Golden(ApiTest):
    def check(self, got, want, name, where):
        self.assert_close(got, want, tolerance(name), where + ", " + name)
        self.checked += len(want) if isinstance(want, list) else 1
        self.names.add(name.split(".")[0].split("@")[0])

    def post_shuffled(self, doc, run, form, rng):
        records = []
        for b in doc["batches"]:
            record = {"stage": "test", "epoch": b["epoch"], "step": b["step"], "rank": b["rank"], **counts_of(doc, b, form, rng), **states_of(b, rng)}
            if doc["task"] in ("binary", "multilabel") and "tp" in b:
                record["task"] = doc["task"]
            if len(record) > 4:  # weighted means have no samples
                record["samples"] = b["n"]
            record.update(sums_of(b))
            records.append(record)
        rng.shuffle(records)
        again = rng.sample(records, min(len(records), 3))
        while records:
            size = rng.randint(1, 4)
            piece, records = records[:size], records[size:]
            self.log_ok(run, piece)
            if rng.random() < 0.3:
                self.log_ok(run, piece, accepted=0, duplicates=len(piece))
        self.log_ok(run, again, accepted=0, duplicates=len(again))

    def forms(self, doc):
        if "tp" not in doc["batches"][0]:
            return ["none"]
        if doc["task"] == "multilabel":
            return ["classes", "totals"]
        return ["confusion", "classes", "totals"]

    def windows(self, doc, form, level, zero_division=0):
        for w in doc["expected"][level]:
            inside = [b for b in doc["batches"] if b["epoch"] == w["epoch"] and (level == "epochs" or b["step"] == w["step"])]
            yield w, inside, wanted(doc, w["metrics"], form, zero_division)

    def check_epochs(self, doc, run, form):
        for w, inside, want in self.windows(doc, form, "epochs"):
            if not want:
                continue
            entry = self.ask(run, "epochs", metric=",".join(want), epoch=w["epoch"])["epochs"][0]
            if "nll_sum" not in inside[0] and doc["task"] != "aggregate":
                self.assertEqual((entry["batches"], entry["samples"], entry["steps"], entry["ranks"]),
                                 (len(inside), sum(b["n"] for b in inside), len({b["step"] for b in inside}), len({b["rank"] for b in inside})))
            for name, value in want.items():
                got = entry["metrics"][name]["value"]
                self.check(got, value, name, "%s %s epoch %d" % (doc["name"], form, w["epoch"]))
            self.check_mean_of_steps(doc, form, w["epoch"], entry["metrics"], set(want))
            self.check_gap(doc, inside, entry["metrics"])

    def check_zero_division(self, doc, run, form):
        for w, _, want in self.windows(doc, form, "epochs", 1):
            if want:
                entry = self.ask(run, "epochs", metric=",".join(want), epoch=w["epoch"], zero_division=1)["epochs"][0]
                for name, value in want.items():
                    self.check(entry["metrics"][name]["value"], value, name, "%s %s epoch %d, 0/0 is 1" % (doc["name"], form, w["epoch"]))

    def check_gap(self, doc, inside, metrics):
        """Mean of the steps minus the epoch's value, in its causes, against exact fractions."""
        by_step = {}
        for b in inside:
            by_step.setdefault(b["step"], []).append(b)
        for name, metric in metrics.items():
            has_gap = name in ("accuracy", "accuracy.micro", "accuracy.macro")
            self.assertEqual("gap" in metric, has_gap, name)
            steps = [model.reference.pool(g, doc["num_classes"]) for g in by_step.values() if sum(b["n"] for b in g)] if has_gap else []
            if not steps or not all(s["total"] for s in steps):
                continue
            if doc["params"].get("top_k", 1) > 1:  # the reference knows top_k 1: without those counts its rule is that of top_k above 1
                for s in steps:
                    s["fp"] = [fp if tp + fn else 0 for tp, fp, fn in zip(s["tp"], s["fp"], s["fn"])]
            gap, whole = metric["gap"], metric["mean_of_steps"] - metric["value"]
            terms = {"absent_classes": 0, "class_mix": 0, "batch_size": whole}
            if name == "accuracy.macro" and doc["task"] == "multiclass":
                terms = model.reference.macro_gap(steps, [1] * len(steps))
                whole = float(terms["mean_of_steps"] - terms["accumulated"])
            self.check(gap["value"], whole, name, doc["name"] + " gap")
            for cause in ("absent_classes", "class_mix", "batch_size"):
                self.check(gap[cause], float(terms[cause]), name, doc["name"] + " gap, " + cause)

    def check_confusion(self, doc, run, form):
        for w in doc["expected"]["epochs"]:
            for how, rows in w["metrics"].get("confmat_norm", {}).items() if form == "confusion" else ():
                got = self.ask(run, "confusion", epoch=w["epoch"], normalize=how, form="dense")["matrix"]
                self.check(got, rows, "confusion", doc["name"] + " normalised by " + how)

    def check_mean_of_steps(self, doc, form, epoch, metrics, names):
        steps = []
        for w, inside, want in self.windows(doc, form, "steps"):
            if w["epoch"] == epoch and sum(b["n"] for b in inside):
                steps.append(want)
        for name in names:
            if name.startswith("loss") or not all(name in s for s in steps):
                continue
            values = [s[name] for s in steps if s[name] is not None]
            if values and isinstance(values[0], list):
                mean = [sum(v) / len(values) for v in zip(*values)]
            else:
                mean = sum(values) / len(values) if values else None
            if mean is not None:
                self.check(metrics[name]["mean_of_steps"], mean, name, doc["name"] + " mean of steps")
        for row in doc["expected"].get("naive_mean_of_steps", []):
            for key, value in row.items():
                name = key.replace("_", ".")
                if row["epoch"] == epoch and key != "epoch" and name in names:
                    self.check(metrics[name]["mean_of_steps"], value["unweighted"], name, doc["name"] + " naive")

    def check_steps(self, doc, run, form):
        for zero_division in (0, 1):
            self.check_columns(doc, run, form, list(self.windows(doc, form, "steps", zero_division)), zero_division)

    def check_columns(self, doc, run, form, every, zero_division):
        names = sorted({n for _, _, want in every for n in want})
        if not names:
            return
        columns = self.ask(run, "steps", metric=",".join(names), points=10000, zero_division=zero_division)
        self.assertEqual((columns["width"], columns["over"]), (1, False))
        at = {(e, s): i for i, (e, s) in enumerate(zip(columns["epoch"], columns["step"]))}
        self.assertEqual(len(at), len(every), doc["name"])
        for w, inside, want in every:
            i = at[w["epoch"], w["step"]]
            for name, value in want.items():
                got = columns["metrics"][name]["value"][i]
                self.check(got, value, name, "%s %s step %d/%d" % (doc["name"], form, w["epoch"], w["step"]))

    def test_every_case_in_every_form(self):
        rng = random.Random(seed_of("golden"))
        self.checked, self.names, n_cases = 0, set(), 0
        for doc in cases():
            n_cases += 1
            for form in self.forms(doc):
                with self.subTest(case=doc["name"], form=form):
                    run = self.new_run(doc["name"])
                    declared = {key: doc["params"][key] for key in ("ignore_index", "top_k") if doc["params"].get(key) is not None}
                    if declared:
                        self.assertEqual(self.server.put(self.path(run), {"stages": {"test": declared}}).status, 201)
                    self.post_shuffled(doc, run, form, rng)
                    self.check_epochs(doc, run, form)
                    self.check_zero_division(doc, run, form)
                    self.check_confusion(doc, run, form)
                    self.check_steps(doc, run, form)
        self.assertEqual(n_cases, N_CASES)
        self.assertGreater(self.checked, 45000, "numbers compared")
        unseen = {m["name"] for m in self.server.get("/api/v1/metrics").json()["metrics"]} - self.names
        self.assertEqual(unseen, NOT_IN_GOLDEN)

    def test_cats_and_dogs(self):
        """The story: 0.828 against 0.414, in JSON and in CSV."""
        with open(os.path.join(GOLDEN, "catdog_unshuffled.json"), encoding="utf-8") as f:
            doc = json.load(f)
        run = self.new_run("catdog")
        self.log_ok(run, [{"stage": "test", "epoch": 0, "step": b["step"], "confusion": b["confmat"]} for b in doc["batches"]])
        entry = self.ask(run, "epochs", stage="test", metric="accuracy.macro,accuracy")["epochs"][0]
        gap = {"value": -0.4140625, "absent_classes": -0.4140625, "class_mix": 0, "batch_size": 0}
        self.assertEqual(entry["metrics"]["accuracy.macro"], {"value": 0.828125, "low": None, "high": None, "mean_of_steps": 0.4140625, "gap": gap})
        micro = entry["metrics"]["accuracy"]
        self.assertEqual(micro["value"], 0.828125)
        self.assert_close([micro["low"], micro["high"]], [0.787187619331698, 0.862562411947201])
        csv = self.server.get(self.path(run, "epochs"), stage="test", metric="accuracy.macro", format="csv").text
        self.assertIn("0.828125,,,0.4140625", csv)


if __name__ == "__main__":
    unittest.main()
