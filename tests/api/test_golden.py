"""Every golden case that has counts or losses, through HTTP: shuffled, in pieces, some pieces twice, ranks interleaved."""
import glob
import json
import os
import random
import unittest

import model
from tally_server import GOLDEN, ApiTest, seed_of

LOOSE = ("mcc",)  # torchmetrics puts a float32 epsilon into its degenerate 2x2 case
TOP_K_MACRO = ("accuracy.macro", "precision.macro", "recall.macro", "npv.macro")


def cases():
    for path in sorted(glob.glob(os.path.join(GOLDEN, "*.json"))):
        if os.path.basename(path) != "INDEX.json":
            with open(path, encoding="utf-8") as f:
                doc = json.load(f)
            if any("tp" in b or "loss_sum" in b for b in doc["batches"]):
                yield doc


def loss_of(b):
    if "loss_sum" not in b:
        return {}
    ends = [b["loss_min"], b["loss_max"]] if b["loss_min"] is not None else []
    return {"sums": {"loss": [b["loss_sum"], b["loss_count"]] + ends}}


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


def wanted(doc, metrics, form):
    """Golden names as selectors, as far as a series of this form can give them."""
    out = model.selectors(metrics)
    if "mean_loss" in metrics:
        out["loss"] = metrics["mean_loss"]
        for end in ("min", "max"):
            value = metrics[end + "_loss"]
            out["loss:" + end] = None if isinstance(value, str) else value
    if form != "confusion":
        out = {k: v for k, v in out.items() if k not in ("kappa@linear", "kappa@quadratic")}
    if form == "totals":
        plain = "accuracy" if doc["task"] == "binary" else "accuracy.micro"
        out = {k: v for k, v in out.items() if k == plain or k.startswith("loss")}
    return out


class Golden(ApiTest):
    def post_shuffled(self, doc, run, form, rng):
        records = []
        for b in doc["batches"]:
            record = {"stage": "test", "epoch": b["epoch"], "step": b["step"], "rank": b["rank"], **counts_of(doc, b, form, rng), **loss_of(b)}
            if doc["task"] != "multiclass" and "tp" in b:
                record["task"] = doc["task"]
            if "tp" in b:
                record["samples"] = b["n"]
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

    def drop_what_top_k_changes(self, doc, inside, want):
        """With top_k > 1 torchmetrics leaves predicted-only classes out of four macro averages.  The contract's rule is the
        one of top_k 1 (live classes), so those four are checked against the reference formulas instead."""
        if doc["params"].get("top_k", 1) > 1:
            plain = model.selectors(model.reference.classification(doc["task"], model.reference.pool(inside, doc["num_classes"]), {"top_k": 1}))
            for name in TOP_K_MACRO:
                if name in want:
                    want[name] = plain[name]
        return want

    def windows(self, doc, form, level):
        for w in doc["expected"][level]:
            inside = [b for b in doc["batches"] if b["epoch"] == w["epoch"] and (level == "epochs" or b["step"] == w["step"])]
            yield w, inside, self.drop_what_top_k_changes(doc, inside, wanted(doc, w["metrics"], form))

    def check_epochs(self, doc, run, form):
        for w, inside, want in self.windows(doc, form, "epochs"):
            if not want:
                continue
            entry = self.ask(run, "epochs", metric=",".join(want), epoch=w["epoch"])["epochs"][0]
            if "tp" in inside[0]:
                self.assertEqual((entry["batches"], entry["samples"], entry["steps"], entry["ranks"]),
                                 (len(inside), sum(b["n"] for b in inside), len({b["step"] for b in inside}), len({b["rank"] for b in inside})))
            for name, value in want.items():
                got = entry["metrics"][name]["value"]
                self.assert_close(got, value, 1e-6 if name in LOOSE else 1e-9, "%s %s epoch %d %s" % (doc["name"], form, w["epoch"], name))
                self.checked += 1
            self.check_mean_of_steps(doc, form, w["epoch"], entry["metrics"], set(want))

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
                self.assert_close(metrics[name]["mean_of_steps"], mean, 1e-6 if name in LOOSE else 1e-9, "%s mean of steps %s" % (doc["name"], name))
                self.checked += 1
        for row in doc["expected"].get("naive_mean_of_steps", []):
            for key, value in row.items():
                name = key.replace("_", ".")
                if row["epoch"] == epoch and key != "epoch" and name in names and doc["params"].get("top_k", 1) == 1:
                    self.assert_close(metrics[name]["mean_of_steps"], value["unweighted"], 1e-9, "%s naive %s" % (doc["name"], name))
                    self.checked += 1

    def check_steps(self, doc, run, form):
        every = list(self.windows(doc, form, "steps"))
        names = sorted({n for _, _, want in every for n in want})
        if not names:
            return
        columns = self.ask(run, "steps", metric=",".join(names), points=10000)
        self.assertEqual((columns["width"], columns["over"]), (1, False))
        at = {(e, s): i for i, (e, s) in enumerate(zip(columns["epoch"], columns["step"]))}
        self.assertEqual(len(at), len(every), doc["name"])
        for w, inside, want in every:
            i = at[w["epoch"], w["step"]]
            for name, value in want.items():
                got = columns["metrics"][name]["value"][i]
                self.assert_close(got, value, 1e-6 if name in LOOSE else 1e-9, "%s %s step %d/%d %s" % (doc["name"], form, w["epoch"], w["step"], name))
                self.checked += 1

    def test_every_case_in_every_form(self):
        rng = random.Random(seed_of("golden"))
        self.checked = n_cases = 0
        for doc in cases():
            n_cases += 1
            for form in self.forms(doc):
                with self.subTest(case=doc["name"], form=form):
                    run = self.new_run(doc["name"])
                    ignore = doc["params"].get("ignore_index")
                    if ignore is not None:
                        self.assertEqual(self.server.put(self.path(run), {"stages": {"test": {"ignore_index": ignore}}}).status, 201)
                    self.post_shuffled(doc, run, form, rng)
                    self.check_epochs(doc, run, form)
                    self.check_steps(doc, run, form)
        self.assertGreaterEqual(n_cases, 50)
        self.assertGreater(self.checked, 3000)

    def test_cats_and_dogs(self):
        """The story: 0.828 against 0.414, in JSON and in CSV."""
        with open(os.path.join(GOLDEN, "catdog_unshuffled.json"), encoding="utf-8") as f:
            doc = json.load(f)
        run = self.new_run("catdog")
        self.log_ok(run, [{"stage": "test", "epoch": 0, "step": b["step"], "confusion": b["confmat"]} for b in doc["batches"]])
        entry = self.ask(run, "epochs", stage="test", metric="accuracy.macro,accuracy")["epochs"][0]
        self.assertEqual(entry["metrics"]["accuracy.macro"], {"value": 0.828125, "low": None, "high": None, "mean_of_steps": 0.4140625})
        micro = entry["metrics"]["accuracy"]
        self.assertEqual(micro["value"], 0.828125)
        self.assert_close([micro["low"], micro["high"]], [0.787187619331698, 0.862562411947201])
        csv = self.server.get(self.path(run, "epochs"), stage="test", metric="accuracy.macro", format="csv").text
        self.assertIn("0.828125,,,0.4140625", csv)


if __name__ == "__main__":
    unittest.main()
