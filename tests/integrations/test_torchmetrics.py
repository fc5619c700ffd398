"""Every torchmetrics class that can be tapped, through forward, update and a MetricCollection, against its own compute()."""
import copy
import os
import pickle
import re
import unittest

import torch
import torchmetrics
from torchmetrics import classification as tm

from integration import PACKAGE, IntegrationTest, tally

N = 4  # classes
ACC = {"num_classes": N}
LAB = {"num_labels": N}
CATALOGUE = [  # (name of the class, arguments, selector)
    ("BinaryAccuracy", {}, "accuracy"), ("BinaryPrecision", {}, "precision"), ("BinaryRecall", {}, "recall"), ("BinaryF1Score", {}, "f1"),
    ("BinaryFBetaScore", {"beta": 2.0}, "fbeta@2"), ("BinarySpecificity", {}, "specificity"), ("BinaryHammingDistance", {}, "hamming"),
    ("BinaryNegativePredictiveValue", {}, "npv"), ("BinaryJaccardIndex", {}, "jaccard"), ("BinaryMatthewsCorrCoef", {}, "mcc"), ("BinaryCohenKappa", {}, "kappa"),
    ("BinaryAUROC", {"thresholds": 50}, "auroc"), ("BinaryAveragePrecision", {"thresholds": 50}, "average_precision"),
    ("MulticlassAccuracy", {**ACC, "average": "macro"}, "accuracy.macro"), ("MulticlassAccuracy", {**ACC, "average": "micro"}, "accuracy"),
    ("MulticlassAccuracy", {**ACC, "average": "none"}, "accuracy.none"), ("MulticlassAccuracy", {**ACC, "average": "macro", "ignore_index": 1}, "accuracy.macro"),
    ("MulticlassPrecision", {**ACC, "average": "macro"}, "precision.macro"), ("MulticlassRecall", {**ACC, "average": "weighted"}, "recall.weighted"),
    ("MulticlassF1Score", {**ACC, "average": "macro"}, "f1.macro"), ("MulticlassFBetaScore", {**ACC, "beta": 0.5, "average": "macro"}, "fbeta@0.5.macro"),
    ("MulticlassSpecificity", {**ACC, "average": "macro"}, "specificity.macro"), ("MulticlassHammingDistance", {**ACC, "average": "micro"}, "hamming"),
    ("MulticlassNegativePredictiveValue", {**ACC, "average": "macro"}, "npv.macro"),
    ("MulticlassAccuracy", {**ACC, "average": "micro", "top_k": 2}, "accuracy"),
    ("MulticlassConfusionMatrix", ACC, None), ("MulticlassJaccardIndex", {**ACC, "average": "macro"}, "jaccard.macro"),
    ("MulticlassMatthewsCorrCoef", ACC, "mcc"), ("MulticlassCohenKappa", {**ACC, "weights": "linear"}, "kappa@linear"),
    ("MulticlassAUROC", {**ACC, "thresholds": 50}, "auroc"), ("MulticlassAveragePrecision", {**ACC, "thresholds": 50}, "average_precision"),
    ("MultilabelAccuracy", {**LAB, "average": "macro"}, "accuracy.macro"), ("MultilabelAccuracy", {**LAB, "average": "micro"}, "accuracy"),
    ("MultilabelPrecision", {**LAB, "average": "macro"}, "precision.macro"), ("MultilabelRecall", {**LAB, "average": "macro"}, "recall.macro"),
    ("MultilabelF1Score", {**LAB, "average": "weighted"}, "f1.weighted"), ("MultilabelSpecificity", {**LAB, "average": "macro"}, "specificity.macro"),
    ("MultilabelHammingDistance", {**LAB, "average": "macro"}, "hamming.macro"), ("MultilabelJaccardIndex", {**LAB, "average": "macro"}, "jaccard.macro"),
    ("MultilabelMatthewsCorrCoef", LAB, "mcc"), ("MultilabelAUROC", {**LAB, "thresholds": 50}, "auroc"),
    ("MultilabelAveragePrecision", {**LAB, "thresholds": 50}, "average_precision"),
    ("MulticlassExactMatch", {**ACC}, "exact_match"), ("MultilabelExactMatch", LAB, "exact_match"),
    ("MeanMetric", {}, "mean"), ("SumMetric", {}, "sum"),
    ("MeanSquaredError", {}, "mse"), ("MeanSquaredError", {"squared": False}, "rmse"), ("MeanAbsoluteError", {}, "mae"), ("R2Score", {}, "r2"),
    ("PearsonCorrCoef", {}, "pearson"), ("ConcordanceCorrCoef", {}, "concordance"), ("ExplainedVariance", {}, "explained_variance"), ("Perplexity", {}, "perplexity"),
]


def make(kind, arguments):
    if kind == "Perplexity":
        from torchmetrics.text import Perplexity
        return Perplexity(**arguments)
    found = getattr(tm, kind, None) or getattr(torchmetrics, kind)
    return found(**arguments)


def batches(kind, seed=0):
    """Unshuffled batches with a ragged end, as arguments of update()."""
    generator = torch.Generator().manual_seed(seed)
    for i, n in enumerate((16, 16, 16, 16, 5)):
        if kind.startswith("Binary"):
            target = torch.full((n,), int(i % 2)) if i < 4 else torch.tensor([0, 1, 0, 1, 1])
            yield torch.rand(n, generator=generator), target
        elif kind == "MulticlassExactMatch":
            yield torch.randint(0, N, (n, 2), generator=generator), torch.randint(0, N, (n, 2), generator=generator)
        elif kind.startswith("Multiclass"):
            yield torch.randn(n, N, generator=generator), torch.full((n,), i % N)
        elif kind.startswith("Multilabel"):
            yield torch.rand(n, N, generator=generator), torch.randint(0, 2, (n, N), generator=generator)
        elif kind == "Perplexity":
            yield torch.randn(2, n, N, generator=generator), torch.randint(0, N, (2, n), generator=generator)
        elif kind in ("MeanMetric", "SumMetric"):
            yield (torch.rand(n, generator=generator),)
        else:
            target = torch.randn(n, generator=generator) + 3
            yield target + torch.randn(n, generator=generator) / 3, target


def drive(metric, how, kind):
    for arguments in batches(kind):
        if how == "forward":
            metric(*arguments)
        else:
            metric.update(*arguments)


class Taps(IntegrationTest):
    def value(self, run, name, selector, stage="test", epoch=0):
        text = {"mean": name, "sum": name + ":sum", "perplexity": "%s:perplexity" % name}.get(selector, "%s:%s" % (name, selector))
        return self.epoch(run, stage, text, epoch)["metrics"][text]["value"]

    def same(self, run, name, selector, metric, where):
        want = metric.compute()
        if selector is None:
            got = torch.tensor(self.ask(run.id, "confusion", stage="test", form="dense", name=name)["matrix"])
            self.assertTrue(torch.equal(got, want), where)
        else:
            self.assert_close(self.value(run, name, selector), want.tolist(), 1e-6, str(where))

    def test_every_class_through_forward_and_update(self):
        for how in ("forward", "update"):
            run = self.init(on_error="raise")
            metrics = []
            for i, (kind, arguments, selector) in enumerate(CATALOGUE):
                name = "m%d" % i
                metric = make(kind, arguments)
                if arguments.get("ignore_index") is None:
                    run.tap(metric, "test", name=name)
                else:
                    run.tap(metric, name=name)
                    run.at("test", 0)
                drive(metric, how, kind)
                metrics.append((name, selector, metric, (how, kind, arguments)))
            self.assertTrue(run.flush())
            for name, selector, metric, where in metrics:
                with self.subTest(str(where)):
                    self.same(run, name, selector, metric, where)

    def test_forward_with_full_state_update(self):
        run = self.init(on_error="raise")
        for name, full in (("full", True), ("unknown", None), ("reduced", False)):
            metric = type("MulticlassOther", (tm.MulticlassAccuracy,), {"full_state_update": full})(num_classes=N, average="macro")
            run.tap(metric, "test", name=name)
            drive(metric, "forward", "Multiclass")
            run.flush()
            self.same(run, name, "accuracy.macro", metric, name)
            self.assertEqual(self.epoch(run, "test", name + ":accuracy")["samples"], 69)

    def test_collections_with_compute_groups(self):
        for how in ("forward", "update"):
            for groups in (True, False):
                run = self.init(on_error="raise")
                collection = torchmetrics.MetricCollection({
                    "acc": tm.MulticlassAccuracy(num_classes=N, average="macro"), "f1": tm.MulticlassF1Score(num_classes=N, average="macro"),
                    "cm": tm.MulticlassConfusionMatrix(num_classes=N), "micro": tm.MulticlassAccuracy(num_classes=N, average="micro"),
                    "kappa": tm.MulticlassCohenKappa(num_classes=N)}, compute_groups=groups)
                self.assertEqual(sorted(run.tap(collection, "test")), ["acc", "cm", "f1", "kappa", "micro"])
                drive(collection, how, "Multiclass")
                run.flush()
                for name, selector in (("acc", "accuracy.macro"), ("f1", "f1.macro"), ("cm", None), ("micro", "accuracy"), ("kappa", "kappa")):
                    self.same(run, name, selector, collection[name], (how, groups, name))
                    self.assertEqual(self.epoch(run, "test", name + ":accuracy")["batches"], 5, (how, groups, name))

    def test_copies_are_not_tapped_and_the_original_still_is(self):
        run = self.init(on_error="raise")
        metric = tm.MulticlassAccuracy(num_classes=N, average="macro")
        run.tap(metric, "test")
        for other in (metric.clone(), copy.deepcopy(metric), pickle.loads(pickle.dumps(metric))):
            drive(other, "update", "Multiclass")
        drive(metric, "forward", "Multiclass")
        run.flush()
        self.same(run, "main", "accuracy.macro", metric, "original")
        self.assertEqual(self.epoch(run, "test")["batches"], 5)

    def test_reset_in_mid_epoch_and_at_the_end_of_one(self):
        run = self.init(on_error="raise")
        metric = tm.MulticlassAccuracy(num_classes=N, average="micro")
        run.tap(metric, "test")
        for how in ("forward", "update"):
            for _ in range(2):
                drive(metric, how, "Multiclass")
                metric.reset()
        run.flush()
        epochs = self.ask(run.id, "epochs", stage="test", metric="accuracy")["epochs"]
        self.assertEqual([entry["samples"] for entry in epochs], [69] * 4)
        other = tm.MulticlassAccuracy(num_classes=N, average="micro")
        run.tap(other, "val")
        run.at("val", 7)
        for arguments in batches("Multiclass"):
            other.update(*arguments)
            other.reset()
        run.flush()
        self.assertEqual([(e["epoch"], e["samples"]) for e in self.ask(run.id, "epochs", stage="val", metric="accuracy")["epochs"]], [(7, 69)])

    def test_states_that_are_lists_are_refused_with_what_to_use(self):
        run = self.init(on_error="raise")
        for metric, says in ((tm.BinaryAUROC(), "thresholds=200"), (tm.BinaryCalibrationError(), "calibration"), (tm.MulticlassAccuracy(N, multidim_average="samplewise"), "global"),
                             (torchmetrics.CatMetric(), "no sum"), (torchmetrics.MaxMetric(), "not one of"), (tm.BinaryAUROC(thresholds=[0.1, 0.9]), "evenly")):
            with self.assertRaises(tally.TallyError) as caught:
                run.tap(metric, "test")
            self.assertIn(says, str(caught.exception))

    def test_the_example_of_a_loop(self):
        with open(os.path.join(PACKAGE, "examples", "pytorch_loop.py"), encoding="utf-8") as f:
            out, _ = self.run_job(f.read(), TALLY_RUN="loop")
        printed = re.findall(r"epoch \d: ([0-9.]+)", out)
        for epoch, text in enumerate(printed):
            got = self.epoch("loop", "train", "accuracy.macro", epoch)["metrics"]["accuracy.macro"]["value"]
            self.assertAlmostEqual(got, float(text), 6)
        self.assertEqual(len(printed), 3)

    def test_modules_name_their_metrics_by_attribute_paths(self):
        class Model(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.val_acc = tm.BinaryAccuracy()
                self.head = torch.nn.ModuleDict({"f1": tm.BinaryF1Score()})
                self.metrics = torchmetrics.MetricCollection([tm.BinaryRecall()], prefix="val_")
        self.assertEqual(self.init().tap(Model(), "val"), ["acc", "head/f1", "metrics/BinaryRecall"])


if __name__ == "__main__":
    unittest.main()
