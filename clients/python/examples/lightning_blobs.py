#!/usr/bin/env python3
"""Lightning: a small classifier on made-up data, tested on data that is sorted by class.  Two lines are for tally.

    python3 lightning_blobs.py [--devices 2] [--epochs 2]
"""
import argparse
import json

import lightning.pytorch as pl
import torch
from torchmetrics.classification import MulticlassAccuracy

from tally.lightning import TallyCallback

CLASSES = 4


class Model(pl.LightningModule):
    def __init__(self, rate=0.1):
        super().__init__()
        self.save_hyperparameters()
        self.layer = torch.nn.Linear(2, CLASSES)
        self.train_acc = MulticlassAccuracy(CLASSES, average="macro")
        self.val_acc = MulticlassAccuracy(CLASSES, average="macro")
        self.test_acc = MulticlassAccuracy(CLASSES, average="macro")

    def training_step(self, batch, _):
        scores = self.layer(batch[0])
        self.train_acc(scores, batch[1])
        self.log("train_acc", self.train_acc, on_step=False, on_epoch=True)
        return torch.nn.functional.cross_entropy(scores, batch[1])

    def validation_step(self, batch, _):
        self.val_acc.update(self.layer(batch[0]), batch[1])
        self.log("val_acc", self.val_acc)

    def test_step(self, batch, _):
        self.test_acc(self.layer(batch[0]), batch[1])
        self.log("test_acc", self.test_acc)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.hparams.rate)


def blobs(samples, seed, ordered=False):
    """Points around four centres; ordered: sorted by class, as a folder of images per class would come."""
    generator = torch.Generator().manual_seed(seed)
    targets = torch.randint(0, CLASSES, (samples,), generator=generator)
    targets = targets.sort().values if ordered else targets
    centres = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    return torch.utils.data.TensorDataset(centres[targets] + torch.randn(samples, 2, generator=generator), targets)


def share(data, rank, ranks):
    """What a rank sees: unequal shares, and nothing twice, as a sampler that pads would."""
    cut = len(data) * 6 // 10
    return data if ranks == 1 else torch.utils.data.Subset(data, range(0, cut) if rank == 0 else range(cut, len(data)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--devices", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--resume", help="a checkpoint to go on from")
    parser.add_argument("--save", help="where to leave a checkpoint")
    options = parser.parse_args()
    pl.seed_everything(1)

    trainer = pl.Trainer(
        callbacks=[TallyCallback("blobs", "softmax")],
        accelerator="cpu", devices=options.devices, strategy="ddp" if options.devices > 1 else "auto", max_epochs=options.epochs,
        use_distributed_sampler=False, logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False)
    rank, ranks = trainer.global_rank, trainer.world_size

    def loader(data, **more):
        return torch.utils.data.DataLoader(data, batch_size=32, **more)
    model = Model()
    train = torch.utils.data.Subset(blobs(256, 1), range(rank, 256, ranks))
    trainer.fit(model, loader(train), loader(share(blobs(100, 2), rank, ranks)), ckpt_path=options.resume)
    shown = {name: float(value) for name, value in trainer.callback_metrics.items()}
    shown.update(trainer.test(model, loader(share(blobs(333, 3, ordered=True), rank, ranks)), verbose=False)[0])
    if options.save:
        trainer.save_checkpoint(options.save)
    if trainer.is_global_zero:
        print(json.dumps(shown))


if __name__ == "__main__":
    main()
