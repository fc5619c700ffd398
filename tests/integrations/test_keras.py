"""A real model.fit(): what the server says of an epoch is what Keras says of it."""
import os
import unittest

os.environ.setdefault("KERAS_BACKEND", "jax")
try:
    import keras
except ImportError:
    keras = None

from integration import PACKAGE, IntegrationTest, not_run

if keras is not None:
    import numpy
    from tally.keras import TallyCallback
else:
    not_run("Keras")


@unittest.skipIf(keras is None, "no keras")
class Keras(IntegrationTest):
    def start(self, **compiled):
        run = self.init(on_error="raise")
        rng = numpy.random.default_rng(1)
        targets = rng.integers(0, 3, 250)
        points = (rng.normal(size=(250, 2)) + numpy.array([[0.0, 2.0], [2.0, -1.0], [-2.0, -1.0]])[targets]).astype("float32")
        keras.utils.set_random_seed(2)
        model = keras.Sequential([keras.layers.Dense(3)])
        model.compile(optimizer="sgd", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), **compiled)
        return run, model, points, targets

    def same(self, run, stage, epoch, want):
        entry = self.epoch(run, stage, ",".join(name + ":mean" for name in want), epoch)
        for name, value in want.items():
            self.assertAlmostEqual(entry["metrics"][name + ":mean"]["value"], float(value), 6, (stage, epoch, name))

    def test_epochs_of_fit_and_evaluate(self):
        run, model, points, targets = self.start(metrics=["accuracy", keras.metrics.SparseTopKCategoricalAccuracy(k=2, name="top2")])
        callback = TallyCallback(run=run)
        history = model.fit(points, targets, epochs=3, batch_size=32, validation_split=0.2, verbose=0, callbacks=[callback]).history
        tests = [model.evaluate(points[order], targets[order], batch_size=48, verbose=0, callbacks=[callback], return_dict=True)
                 for order in (numpy.argsort(targets), numpy.arange(100))]
        self.assertTrue(run.finish())
        for epoch in range(3):
            for stage, before in (("train", ""), ("val", "val_")):
                self.same(run, stage, epoch, {name: history[before + name][epoch] for name in ("loss", "accuracy", "top2")})
        for epoch, shown in enumerate(tests):
            self.same(run, "test", epoch, shown)
        right = (numpy.asarray(model(points)).argmax(-1) == targets)[numpy.argsort(targets)]
        self.same(run, "test", 0, {"accuracy": right.mean()})
        mean_of_steps = numpy.mean([right[start:start + 48].mean() for start in range(0, 250, 48)])  # the last one has 10
        self.assertGreater(abs(mean_of_steps - right.mean()), 1e-3)

    def test_sample_weights_several_steps_a_call_and_validation_within_an_epoch(self):
        run, model, points, targets = self.start(weighted_metrics=["accuracy"], steps_per_execution=2)
        weights = numpy.linspace(0.1, 2, len(targets)).astype("float32")
        history = model.fit(points, targets, sample_weight=weights, epochs=2, batch_size=16, validation_data=(points[:50], targets[:50], weights[:50]),
                            validation_freq=2, verbose=0, callbacks=[TallyCallback(run=run)]).history
        self.assertTrue(run.finish())
        for epoch in range(2):
            self.same(run, "train", epoch, {name: history[name][epoch] for name in ("loss", "accuracy")})
        self.same(run, "val", 1, {name: history["val_" + name][0] for name in ("loss", "accuracy")})

    def test_the_example(self):
        with open(os.path.join(PACKAGE, "examples", "keras_fit.py"), encoding="utf-8") as f:
            self.run_job(f.read(), TALLY_RUN="keras")
        self.assertEqual(self.document("keras")["status"], "finished")
        epochs = self.ask("keras", "epochs", stage="val", metric="accuracy:mean,loss")["epochs"]
        self.assertEqual([entry["epoch"] for entry in epochs], [0, 1, 2])


if __name__ == "__main__":
    unittest.main()
