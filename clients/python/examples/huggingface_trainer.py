#!/usr/bin/env python3
"""Hugging Face: fine-tuning a small classifier of texts.  Two lines are for tally."""
from transformers import Trainer

from tally.huggingface import TallyCallback


def make_trainer(model, arguments, train_set, eval_set, num_labels=2):
    callback = TallyCallback("texts", "fine-tuned")
    return Trainer(
        model=model, args=arguments, train_dataset=train_set, eval_dataset=eval_set,
        callbacks=[callback], compute_metrics=callback.count(num_classes=num_labels),
    )
