"""Counting predictions: lists always, NumPy arrays and tensors where they are installed, against a plain count."""
import logging
import random
import sys
import unittest

from client import ClientTest, tally
from tally import _counts

try:
    import numpy
except ImportError:
    numpy = None
try:
    import torch
except ImportError:
    torch = None


def count(predictions, targets, num_classes=None, task="multiclass", top_k=1, ignore_index=None, threshold=0.5):
    return _counts.put_off(predictions, targets, num_classes, task, top_k, ignore_index, threshold)()


def matrix(fields, n):
    if "confusion" in fields:
        return fields["confusion"]
    out = [[0] * n for _ in range(n)]
    for target, label, many in fields["cells"]:
        out[target][label] = many
    return out


def plain_matrix(scores, targets, n, top_k, ignore_index):
    out = [[0] * n for _ in range(n)]
    for row, target in zip(scores, targets):
        best = sorted(range(n), key=lambda c, s=row: -s[c])[:top_k]
        if target != ignore_index:
            out[target][target if target in best else best[0]] += 1
    return out


def forms():
    """How the same numbers may come."""
    yield "list", lambda value: value
    if numpy is not None:
        yield "numpy", numpy.array
    if torch is not None:
        yield "torch", torch.tensor


class Multiclass(unittest.TestCase):
    def test_scores_labels_top_k_and_ignored_targets(self):
        rng = random.Random(7)
        for case in range(30):
            n, samples = rng.choice((2, 3, 10)), rng.randrange(1, 40)
            top_k, ignore = rng.choice((1, 1, 2)), rng.choice((None, -100, 1))
            scores = [rng.sample([v / 64 for v in range(-300, 300)], n) for _ in range(samples)]
            targets = [rng.choice([*range(n)] + ([-100] if ignore == -100 else [])) for _ in range(samples)]
            want = plain_matrix(scores, targets, n, top_k, ignore)
            for form, make in forms():
                got = count(make(scores), make(targets), n, top_k=top_k, ignore_index=ignore)
                self.assertEqual(matrix(got, n), want, (case, form))
                self.assertEqual(got.get("samples", sum(map(sum, want))), samples, (case, form))
                if top_k == 1:
                    labels = [row.index(max(row)) for row in scores]
                    self.assertEqual(matrix(count(make(labels), make(targets), n, ignore_index=ignore), n), want, (case, form, "labels"))

    def test_pixels(self):
        scores = [[[[0.1, 0.9], [0.8, 0.3]], [[0.9, 0.1], [0.2, 0.7]]]]  # [1, 2, 2, 2]
        targets = [[[1, 1], [0, 1]]]
        for form, make in forms():
            self.assertEqual(matrix(count(make(scores), make(targets), 2), 2), [[1, 0], [1, 2]], form)
            self.assertEqual(matrix(count(make([[[1, 0], [0, 1]]]), make(targets), 2), 2), [[1, 0], [1, 2]], form)

    @unittest.skipIf(torch is None, "no torch")
    def test_many_labels_are_counted_where_they_are(self):
        generator = torch.Generator().manual_seed(1)
        scores, targets = torch.rand(4, 5, 200, 200, generator=generator), torch.randint(-1, 5, (4, 200, 200), generator=generator)
        few = count(scores.argmax(1).tolist(), targets.tolist(), 5, ignore_index=-1)
        many = count(scores, targets, 5, ignore_index=-1)
        self.assertIn("confusion", many)
        self.assertEqual((matrix(many, 5), many["samples"]), (matrix(few, 5), few["samples"]))
        with self.assertRaises(tally.TallyError):
            count(scores, targets, 5)

    def test_nothing_is_imported_that_the_program_did_not_import(self):
        if numpy is None:
            count([1], [1], 2)
            self.assertFalse({"numpy", "torch"} & set(sys.modules))


class Binary(unittest.TestCase):
    def test_probabilities_logits_and_labels(self):
        targets = [1, 0, 1, 0, 1]
        want = {"tp": [2], "fp": [1], "fn": [1], "tn": [1]}
        for form, make in forms():
            for predictions in ([0.9, 0.6, 0.4, 0.5, 0.51], [3.0, 0.1, -2.0, 0.0, 0.2], [1, 1, 0, 0, 1]):
                got = count(make(predictions), make(targets), task="binary")
                self.assertEqual({k: got[k] for k in want}, want, (form, predictions))
            got = count(make([0.9, 0.1]), make([-1, 0]), task="binary", ignore_index=-1)
            self.assertEqual((got["tn"], got["tp"], got["samples"]), ([1], [0], 2), form)

    def test_labels_that_do_not_exclude_each_other(self):
        for form, make in forms():
            got = count(make([[0.9, 0.1], [0.8, 0.7]]), make([[1, 1], [0, -1]]), 2, "multilabel", ignore_index=-1)
            self.assertEqual((got["tp"], got["fp"], got["fn"], got["tn"], got["samples"]), ([1, 0], [1, 0], [0, 1], [0, 0], 2), form)


class Sent(ClientTest):
    def test_the_server_takes_every_form(self):
        run = self.init(on_error="raise")
        run.stage("train", ignore_index=-100)
        run.log_predictions("train", 0, 0, [[0.1, 0.9], [0.8, 0.2], [0.3, 0.7]], [1, 0, -100], num_classes=2, sums={"loss": (0.5, 2)})
        run.log_predictions("train", 0, 0, [0.9, 0.2], [1, 1], task="binary", name="b")
        run.log_predictions("train", 0, 0, [[0.9, 0.2], [0.6, 0.6]], [[1, 1], [-100, 0]], task="multilabel", num_classes=2, name="ml")
        self.assertTrue(run.finish())
        entry = self.epoch(run, metric="accuracy,loss,b:recall,ml:accuracy.none")
        self.assertEqual({name: m["value"] for name, m in entry["metrics"].items()}, {"accuracy": 1, "loss": 0.25, "b:recall": 0.5, "ml:accuracy.none": [1, 0]})
        self.assertEqual(entry["samples"], 3)

    def test_top_k_and_ignored_targets_are_declared_by_themselves_and_once(self):
        rng = random.Random(3)
        classes, samples, top_k, ignored = 6, 40, 3, 2
        run = self.init(on_error="raise")
        run.stage("val", top_k=top_k, ignore_index=ignored, class_names=list("abcdef"))
        put, declared = run._sender.put, []
        run._sender.put = lambda kind, body, *more: (declared.append(body["stages"]) if "stages" in body else None, put(kind, body, *more))
        total = [[0] * classes for _ in range(classes)]
        for step in range(3):
            scores = [rng.sample(range(100), classes) for _ in range(samples)]
            scores = [[value / 100 for value in row] for row in scores]
            targets = [rng.choice((0, 1, 3, 2)) for _ in range(samples)]  # 4 and 5 are only ever predicted
            for t, row in enumerate(plain_matrix(scores, targets, classes, top_k, ignored)):
                total[t] = [a + b for a, b in zip(total[t], row)]
            run.log_predictions("test", 0, step, scores, targets, num_classes=classes, top_k=top_k, ignore_index=ignored)
            run.log_predictions("val", 0, step, scores, targets, num_classes=classes)  # both are taken from stage()
        self.assertTrue(run.finish())
        self.assertEqual(declared, [{"test": {"top_k": top_k, "ignore_index": ignored}}])
        self.assertGreater(sum(row[4] + row[5] for row in total), 0, "the case must have classes that are only predicted")
        recalls = [row[t] / sum(row) for t, row in enumerate(total) if sum(row)]
        document = self.document(run)
        for stage in ("test", "val"):
            self.assertLessEqual({"top_k": top_k, "ignore_index": ignored}.items(), document["stages"][stage].items())
            entry = self.epoch(run, stage, "accuracy.macro")
            self.assertAlmostEqual(entry["metrics"]["accuracy.macro"]["value"], sum(recalls) / len(recalls), 12, stage)
            self.assertEqual(entry["samples"], 120)

    def test_the_first_top_k_of_a_stage_decides_and_another_is_said(self):
        run = self.init()
        with self.assertLogs("tally", logging.WARNING) as logs:
            for step in range(3):
                for name, top_k in (("main", 1), ("top2", 2)):
                    run.log_predictions("test", 0, step, [[0.1, 0.7, 0.2]], [2], num_classes=3, top_k=top_k, name=name)
            self.assertTrue(run.finish())
        self.assertEqual(len(logs.output), 1, logs.output)
        self.assertIn("several top_k", logs.output[0])
        self.assertIsNone(self.document(run)["stages"].get("test", {}).get("top_k"))
        entry = self.epoch(run, "test", "accuracy,top2:accuracy")
        self.assertEqual([m["value"] for m in entry["metrics"].values()], [0, 1])


if __name__ == "__main__":
    unittest.main()
