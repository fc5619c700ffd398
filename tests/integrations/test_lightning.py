"""A real Lightning Trainer on the CPU: what the server says of an epoch is what the metrics compute, on one process and on two."""
import json
import os
import subprocess
import sys
import unittest

import lightning.pytorch as pl
import torch

from integration import PACKAGE, IntegrationTest, job_environment
from tally.lightning import TallyCallback, TallyLogger

COMPAT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "compat")
EXAMPLES = os.path.join(PACKAGE, "examples")
sys.path.insert(0, EXAMPLES)
from lightning_blobs import Model, blobs  # noqa: E402  pylint: disable=wrong-import-position


class Lightning(IntegrationTest):
    def example(self, run, *arguments, **env):
        done = subprocess.run([sys.executable, os.path.join(EXAMPLES, "lightning_blobs.py"), *map(str, arguments)],
                              env=job_environment(TALLY_URL=self.server.url, TALLY_SPOOL_DIR=self.spool, TALLY_RUN=run, PYTHONPATH=os.pathsep.join((PACKAGE, COMPAT)), **env),
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120, check=False)
        self.assertEqual(done.returncode, 0, done.stderr.decode()[-3000:])
        return json.loads(done.stdout.decode().strip().splitlines()[-1])

    def value(self, run, stage, epoch):
        return self.epoch(run, stage, "acc:accuracy.macro", epoch)

    def test_epochs_are_exact_where_the_mean_of_the_steps_is_not(self):
        run = self.new_run("single")
        shown = self.example(run)
        document = self.document(run)
        self.assertEqual((document["status"], document["project"], document["config"]["rate"]), ("finished", "blobs", 0.1))
        for stage, epoch, samples in (("train", 1, 256), ("val", 1, 100), ("test", 2, 333)):
            entry = self.value(run, stage, epoch)
            got = entry["metrics"]["acc:accuracy.macro"]
            self.assertAlmostEqual(got["value"], shown[stage + "_acc"], 6, stage)
            self.assertEqual(entry["samples"], samples, stage)
        self.assertGreater(got["value"] - got["mean_of_steps"], 0.2)
        self.assertEqual([e["epoch"] for e in self.ask(run, "epochs", stage="val", metric="acc:accuracy")["epochs"]], [0, 1])  # no sanity check
        self.assertEqual(self.epoch(run, "train", "loss", 0)["batches"], 8)

    def test_two_processes_with_an_uneven_end_count_what_one_does(self):
        runs = self.new_run("one"), self.new_run("two")
        self.example(runs[0], "--epochs", 0)
        shown = self.example(runs[1], "--epochs", 0, "--devices", 2)
        entries = [self.value(run, "test", 0) for run in runs]
        self.assertEqual([entry["samples"] for entry in entries], [333, 333])
        values = [entry["metrics"]["acc:accuracy.macro"]["value"] for entry in entries]
        self.assertAlmostEqual(values[0], values[1], 12)
        self.assertAlmostEqual(values[1], shown["test_acc"], 6)
        self.assertEqual([entry["ranks"] for entry in entries], [1, 2])
        self.assertEqual(self.document(runs[1])["status"], "finished")

    def test_training_on_two_processes(self):
        run = self.new_run("ddp")
        shown = self.example(run, "--devices", 2)
        for stage, epoch, samples in (("train", 1, 256), ("val", 1, 100), ("test", 2, 333)):
            entry = self.value(run, stage, epoch)
            self.assertEqual((entry["samples"], entry["ranks"]), (samples, 2), stage)
            self.assertAlmostEqual(entry["metrics"]["acc:accuracy.macro"]["value"], shown[stage + "_acc"], 6, stage)

    def test_resuming_from_a_checkpoint_takes_back_what_is_logged_again(self):
        run, path = self.new_run("resumed"), os.path.join(self.spool, "model.ckpt")
        self.example(run, "--epochs", 2, "--save", path)
        self.example(run, "--epochs", 4, "--resume", path)
        epochs = self.ask(run, "epochs", stage="train", metric="acc:accuracy")["epochs"]
        self.assertEqual([(e["epoch"], e["samples"]) for e in epochs], [(e, 256) for e in range(4)])
        self.assertEqual([(e["epoch"], e["samples"]) for e in self.ask(run, "epochs", stage="val", metric="acc:accuracy")["epochs"]], [(e, 100) for e in range(4)])

    def test_the_logger_takes_hyperparameters_and_scalars_and_shares_its_run(self):
        logger = TallyLogger("logged", id=self.new_run(), url=self.server.url, spool_dir=self.spool, env=False)
        callback = TallyCallback()
        trainer = pl.Trainer(callbacks=[callback], logger=logger, accelerator="cpu", max_epochs=2, log_every_n_steps=1, enable_checkpointing=False,
                             enable_progress_bar=False, enable_model_summary=False)
        trainer.fit(Model(rate=0.25), torch.utils.data.DataLoader(blobs(64, 1), batch_size=32), torch.utils.data.DataLoader(blobs(50, 2), batch_size=32))
        run = logger.experiment
        self.assertIs(callback.run, run)
        self.assertTrue(run.finish())
        document = self.document(run)
        self.assertEqual((document["project"], document["config"]["rate"]), ("logged", 0.25))
        names = {(s["stage"], s["name"]) for s in document["series"]}
        self.assertLessEqual({("train", "acc"), ("val", "acc"), ("train", "loss"), ("val", "log/acc"), ("train", "log/acc")}, names)
        self.assertAlmostEqual(self.epoch(run, "val", "log/acc", 1)["metrics"]["log/acc"]["value"], self.value(run, "val", 1)["metrics"]["acc:accuracy.macro"]["value"], 6)

    def test_an_exception_in_training_fails_the_run(self):
        class Broken(Model):
            def training_step(self, batch, _):
                raise ValueError("broken")
        callback = TallyCallback("broken", id=self.new_run(), url=self.server.url, spool_dir=self.spool, env=False)
        trainer = pl.Trainer(callbacks=[callback], logger=False, accelerator="cpu", max_epochs=1, enable_checkpointing=False, enable_progress_bar=False,
                             enable_model_summary=False)
        with self.assertRaises(ValueError):
            trainer.fit(Broken(), torch.utils.data.DataLoader(blobs(64, 1), batch_size=32))
        self.assertEqual(self.document(callback.run)["status"], "failed")


if __name__ == "__main__":
    unittest.main()
