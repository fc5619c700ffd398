"""Every torchmetrics class that can be tapped, through forward, update and a MetricCollection, against its own compute()."""
import copy
import functools
import inspect
import itertools
import os
import pickle
import re
import unittest

import torch
import torchmetrics
import torchmetrics.clustering
import torchmetrics.nominal
import torchmetrics.segmentation
from torchmetrics import classification as tm

from catalogue import CATALOGUE, N
from integration import PACKAGE, IntegrationTest, tally
from tally import _tap


def make(kind, arguments, **attributes):
    if kind == "Perplexity":
        from torchmetrics.text import Perplexity as found
    else:
        found = getattr(tm, kind, None) or getattr(torchmetrics, kind)
    return (type(kind, (found,), attributes) if attributes else found)(**arguments)


def batches(case, seed=0):
    """Unshuffled batches with a ragged end, as arguments of update()."""
    generator = torch.Generator().manual_seed(seed)
    for i, n in enumerate((16, 16, 16, 16, 5)):
        if case.family == "Binary":
            target = torch.full((n,), int(i % 2)) if i < 4 else torch.tensor([0, 1, 0, 1, 1])
            yield torch.rand(n, generator=generator), target
        elif case.kind == "MulticlassExactMatch":
            yield torch.randint(0, N, (n, 2), generator=generator), torch.randint(0, N, (n, 2), generator=generator)
        elif case.family == "Multiclass":
            yield torch.randn(n, case.arguments["num_classes"], generator=generator), torch.full((n,), i % N)
        elif case.kind.startswith("Multilabel"):
            yield torch.rand(n, N, generator=generator), torch.randint(0, 2, (n, N), generator=generator)
        elif case.kind == "Perplexity":
            yield torch.randn(2, n, N, generator=generator), torch.randint(0, N, (2, n), generator=generator)
        elif case.family == "MeanMetric":
            yield (torch.rand(n, generator=generator),)
        else:
            target = torch.randn(n, generator=generator) + 3
            yield target + torch.randn(n, generator=generator) / 3, target


def drive(metric, how, case, reset=False):
    for arguments in batches(case):
        if how == "forward":
            metric(*arguments)
        else:
            metric.update(*arguments)
        if reset:
            metric.reset()
    return metric


def stage_of(case):
    """What ignore_index and top_k declare holds for a whole stage."""
    return "test" if case.declared == (None, None) else "test-%s-%s" % tuple(str(value).strip("-") for value in case.declared)


@functools.lru_cache(maxsize=None)
def wanted(at):
    """What torchmetrics computes of a case, untapped."""
    case = CATALOGUE[at]
    kind, arguments = case.twin or (case.kind, case.arguments)
    return drive(make(kind, arguments), "update", case).compute()


class Taps(IntegrationTest):
    def value(self, run, name, selector, stage="test", epoch=0):
        text = {"mean": name, "sum": name + ":sum", "perplexity": "%s:perplexity" % name}.get(selector, "%s:%s" % (name, selector))
        return self.epoch(run, stage, text, epoch)["metrics"][text]["value"]

    def same(self, run, at, where, name=None, epoch=0):
        case, name = CATALOGUE[at], name or "m%d" % at
        with self.subTest(str((where, at, case.kind, case.arguments))):
            want = wanted(at)
            if case.selector is None:
                got = torch.tensor(self.ask(run.id, "confusion", stage=stage_of(case), form="dense", name=name, epoch=epoch)["matrix"])
                self.assertTrue(torch.equal(got, want))
            else:
                self.assert_close(self.value(run, name, case.selector, stage_of(case), epoch), want.tolist(), 1e-6, str(where))

    def every_case(self, where, act):
        """act(run, case, name) taps and drives one case; then the server says the same as torchmetrics."""
        run = self.init(on_error="raise")
        for at, case in enumerate(CATALOGUE):
            act(run, case, "m%d" % at)
        self.assertTrue(run.flush())
        for at, case in enumerate(CATALOGUE):
            self.same(run, at, where)
        return run

    def test_every_class_through_forward_and_update(self):
        for how in ("forward", "update"):
            def act(run, case, name, how=how):
                metric = make(case.kind, case.arguments)
                run.tap(metric, stage_of(case), name=name)
                drive(metric, how, case)
            self.every_case(how, act)

    def test_every_class_that_updates_twice_in_forward(self):
        for full in (True, None):
            def act(run, case, name, full=full):
                metric = make(case.kind, case.arguments, full_state_update=full)
                run.tap(metric, stage_of(case), name=name)
                drive(metric, "forward", case)
            self.every_case("full_state_update=%s" % full, act)

    def test_every_class_in_collections_with_and_without_compute_groups(self):
        for how, groups in itertools.product(("forward", "update"), (True, False)):
            run = self.init(on_error="raise")
            together = {}
            for at, case in enumerate(CATALOGUE):
                together.setdefault((case.family, case.declared, case.arguments.get("num_classes")), []).append(at)
            for cases in together.values():
                first = CATALOGUE[cases[0]]
                collection = torchmetrics.MetricCollection({"m%d" % at: make(*CATALOGUE[at][:2]) for at in cases}, compute_groups=groups)
                self.assertEqual(sorted(run.tap(collection, stage_of(first))), sorted("m%d" % at for at in cases))
                drive(collection, how, first)
            self.assertTrue(run.flush())
            for at in range(len(CATALOGUE)):
                self.same(run, at, ("collection", how, groups))

    def test_no_copy_of_any_class_is_tapped_until_it_is_asked_for(self):
        def act(run, case, name):
            metric = make(case.kind, case.arguments)
            run.tap(metric, stage_of(case), name=name)
            copies = metric.clone(), copy.deepcopy(metric), pickle.loads(pickle.dumps(metric))
            for other in copies:
                drive(other, "update", case)
            drive(metric, "forward", case)
            copies[0].reset()
            run.tap(copies[0], stage_of(case), name=name + "-copy")
            drive(copies[0], "update", case)
        run = self.every_case("copies", act)
        for at in range(len(CATALOGUE)):
            self.same(run, at, "a tapped copy", "m%d-copy" % at)

    def test_copies_of_collections_are_not_tapped(self):
        run = self.init(on_error="raise")
        case = next(case for case in CATALOGUE if case.family == "Multiclass")
        collection = torchmetrics.MetricCollection([tm.MulticlassAccuracy(N), tm.MulticlassF1Score(N), tm.MulticlassRecall(N)])
        run.tap(collection, "test")
        drive(collection, "forward", case)
        for other in (collection.clone(prefix="other_"), copy.deepcopy(collection), pickle.loads(pickle.dumps(collection))):
            drive(other, "forward", case)
        run.flush()
        for name in ("MulticlassAccuracy", "MulticlassF1Score", "MulticlassRecall"):
            self.assertEqual(self.epoch(run, "test", name + ":accuracy")["batches"], 5, name)

    def test_every_class_that_is_reset_in_mid_epoch(self):
        def act(run, case, name):
            metric = make(case.kind, case.arguments)
            run.tap(metric, stage_of(case), name=name)
            run.at(stage_of(case), 0)
            drive(metric, "update", case, reset=True)
        self.every_case("reset", act)

    def test_an_epoch_of_every_class_ends_where_it_is_reset(self):
        def act(run, case, name):
            metric = make(case.kind, case.arguments)
            run.tap(metric, stage_of(case), name=name)
            for how in ("forward", "update"):
                drive(metric, how, case).reset()
        run = self.every_case("epoch 0", act)
        for at in range(len(CATALOGUE)):
            self.same(run, at, "epoch 1", epoch=1)

    def test_the_catalogue_has_every_class_that_is_taken(self):
        size = {"num_classes": N, "num_labels": N, "num_groups": 2, "thresholds": 50, "beta": 2.0, "p": 2, "threshold": 0.5, "min_precision": 0.5, "min_recall": 0.5,
                "min_specificity": 0.5, "min_sensitivity": 0.5}
        taken, seen = set(), 0
        for module in (tm, torchmetrics.regression, torchmetrics.aggregation, torchmetrics.nominal, torchmetrics.segmentation, torchmetrics.clustering):
            for name, kind in vars(module).items():
                if inspect.isclass(kind) and issubclass(kind, torchmetrics.Metric) and not inspect.isabstract(kind) and kind.__new__ is torchmetrics.Metric.__new__:
                    parameters = inspect.signature(kind).parameters
                    try:
                        metric = kind(**{key: value for key, value in size.items() if key in parameters})
                    except (TypeError, ModuleNotFoundError, RuntimeError):  # bases and wrappers
                        continue
                    seen += 1
                    try:
                        _tap.converter(metric)
                        taken.add(name)
                    except tally.TallyError:
                        pass
        self.assertGreater(seen, 90)
        self.assertEqual(taken | {"Perplexity"}, {case.kind for case in CATALOGUE})

    def test_states_that_are_lists_are_refused_with_what_to_use(self):
        run = self.init(on_error="raise")
        for metric, says in ((tm.BinaryAUROC(), "thresholds=200"), (tm.BinaryCalibrationError(), "calibration"), (tm.MulticlassAccuracy(N, multidim_average="samplewise"), "global"),
                             (torchmetrics.CatMetric(), "no sum"), (tm.BinaryFairness(2), "groups"),
                             (torchmetrics.nominal.CramersV(N), "not one of"), (torchmetrics.MaxMetric(), "not one of"), (tm.BinaryAUROC(thresholds=[0.1, 0.9]), "evenly")):
            with self.assertRaises(tally.TallyError) as caught:
                run.tap(metric, "test")
            self.assertIn(says, str(caught.exception))

    def test_the_example_of_a_loop(self):
        with open(os.path.join(PACKAGE, "examples", "pytorch_loop.py"), encoding="utf-8") as f:
            out, _ = self.run_job(f.read(), TALLY_RUN="loop")
        printed = re.findall(r"epoch \d: ([0-9.]+)", out)
        for epoch, text in enumerate(printed):
            got = self.epoch("loop", "train", "accuracy.macro", epoch)["metrics"]["accuracy.macro"]["value"]
            self.assertAlmostEqual(got, float(text), delta=1e-6)  # six places of a float32
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
