"""A real Trainer of a tiny BERT, made from a config: what the server says of an evaluation is what is counted by hand."""
import os
import sys
import unittest

try:
    import torch
    from transformers import BertConfig, BertForSequenceClassification, PrinterCallback, TrainingArguments
    from transformers.trainer_utils import set_seed
except ImportError:
    torch = None

from integration import PACKAGE, IntegrationTest, not_run

if torch is not None:
    sys.path.insert(0, os.path.join(PACKAGE, "examples"))
    from huggingface_trainer import make_trainer
    from tally.huggingface import TallyCallback
else:
    not_run("Hugging Face transformers")

LABELS = 3


def texts(n, seed):
    """Sequences of tokens whose first one tells the class, most of the time."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, LABELS, (n,), generator=generator).sort().values  # sorted by class
    tokens = torch.randint(LABELS, 20, (n, 8), generator=generator)
    tokens[:, 0] = torch.where(torch.rand(n, generator=generator) < 0.7, labels, tokens[:, 0])
    return [{"input_ids": t, "attention_mask": torch.ones_like(t), "labels": y} for t, y in zip(tokens, labels)]


def counted(prediction):
    """What a person would write: accuracy, and the mean over the classes of what was found of each."""
    found, labels = prediction.predictions.argmax(-1), prediction.label_ids
    return {"accuracy": (found == labels).mean(), "macro": sum((found[labels == c] == c).mean() for c in range(LABELS)) / LABELS}


@unittest.skipIf(torch is None, "no transformers")
class HuggingFace(IntegrationTest):
    def trainer(self, eval_set=None, run_id=None, **more):
        set_seed(3)
        model = BertForSequenceClassification(BertConfig(vocab_size=20, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
                                                         max_position_embeddings=8, num_labels=LABELS))
        options = {"num_train_epochs": 2, "evaluation_strategy": "epoch", "logging_steps": 2, "per_device_train_batch_size": 16,
                   "per_device_eval_batch_size": 16, "learning_rate": 5e-3, "save_strategy": "no", **more}
        arguments = TrainingArguments(os.path.join(self.spool, "out"), report_to=[], use_cpu=True, disable_tqdm=True, **options)
        run = self.init("texts", "fine-tuned", on_error="raise", **({"id": run_id} if run_id else {}))
        trainer = make_trainer(model, arguments, texts(80, 1), eval_set or texts(50, 2), num_labels=LABELS)
        callback, = (c for c in trainer.callback_handler.callbacks if isinstance(c, TallyCallback))
        self.assertIs(callback.run, run)
        trainer.remove_callback(PrinterCallback)
        trainer.compute_metrics = callback.count(LABELS, then=counted)
        return run, trainer

    def evaluations(self, trainer, prefix="eval"):
        return [logs for logs in trainer.state.log_history if prefix + "_macro" in logs]

    def same(self, run, stage, epoch, shown, prefix="eval", samples=50):
        loss = "log/%s_loss" % prefix
        entry = self.epoch(run, stage, "accuracy,accuracy.macro", epoch)
        self.assertEqual(entry["samples"], samples, (stage, epoch))
        for selector, name in (("accuracy", "accuracy"), ("accuracy.macro", "macro")):
            self.assertAlmostEqual(entry["metrics"][selector]["value"], shown["%s_%s" % (prefix, name)], 6, (stage, epoch, selector))
        if prefix != "test":  # predict() logs no scalars
            self.assertAlmostEqual(self.epoch(run, stage, loss, epoch)["metrics"][loss]["value"], shown[prefix + "_loss"], 6)

    def test_evaluations_and_a_prediction(self):
        run, trainer = self.trainer()
        trainer.train()
        trainer.evaluate()
        predicted = trainer.predict(texts(70, 4)).metrics
        self.assertTrue(run.finish())
        shown = self.evaluations(trainer)
        self.assertEqual(len(shown), 3)
        for epoch, logs in enumerate(shown):
            self.same(run, "val", epoch, logs)
        self.same(run, "test", 1, predicted, "test", 70)
        losses = [logs["loss"] for logs in trainer.state.log_history if "loss" in logs]
        steps = [self.ask(run.id, "epochs", stage="train", metric="log/loss", epoch=e)["epochs"][0] for e in (0, 1)]
        self.assertEqual(sum(entry["steps"] for entry in steps), len(losses))
        self.assertEqual(self.document(run)["config"]["training_arguments"]["learning_rate"], 5e-3)

    def test_several_evaluations_in_an_epoch_and_a_resume(self):
        run, trainer = self.trainer(evaluation_strategy="steps", eval_steps=2, save_strategy="steps", save_steps=6)
        trainer.train()
        before = self.evaluations(trainer)
        self.assertEqual(len(before), 5)  # steps 2, 4, 6, 8, 10; an epoch has 5
        self.assertTrue(run.finish())
        again, trainer = self.trainer(evaluation_strategy="steps", eval_steps=2, save_strategy="steps", save_steps=6, run_id=run.id)
        trainer.train(resume_from_checkpoint=os.path.join(self.spool, "out", "checkpoint-6"))
        self.assertTrue(again.finish())
        shown = self.evaluations(trainer)
        self.assertEqual(len(shown), 5)
        epochs = self.ask(run.id, "epochs", stage="val", metric="accuracy")["epochs"]
        self.assertEqual([(entry["epoch"], entry["samples"]) for entry in epochs], [(e, 50) for e in range(5)])
        for epoch, logs in enumerate(shown):
            self.same(run, "val", epoch, logs)
        logged = [entry["steps"] for entry in self.ask(run.id, "epochs", stage="train", metric="log/learning_rate")["epochs"]]
        self.assertEqual(logged, [2, 3])

    def test_several_sets_are_stages_of_their_own(self):
        run, trainer = self.trainer(eval_set={"near": texts(50, 2), "far": texts(30, 5)}, num_train_epochs=1)
        trainer.train()
        self.assertTrue(run.finish())
        for name, samples in (("near", 50), ("far", 30)):
            prefix = "eval_" + name
            self.same(run, "val_" + name, 0, self.evaluations(trainer, prefix)[0], prefix, samples)


if __name__ == "__main__":
    unittest.main()
