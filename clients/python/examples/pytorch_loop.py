#!/usr/bin/env python3
"""A PyTorch loop with torchmetrics on made-up data.  Two lines are for tally."""
import torch
from torchmetrics.classification import MulticlassAccuracy

import tally


def main(epochs=3):
    generator = torch.Generator().manual_seed(1)
    targets = torch.randint(0, 3, (240,), generator=generator).sort().values  # sorted by class
    points = torch.randn(240, 2, generator=generator) + torch.tensor([[0.0, 2.0], [2.0, -1.0], [-2.0, -1.0]])[targets]
    model, accuracy = torch.nn.Linear(2, 3), MulticlassAccuracy(3, average="macro")
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    run = tally.init("blobs", "torch loop", config={"lr": 0.1})
    run.tap(accuracy, "train")
    for epoch in range(epochs):
        for x, y in zip(points.split(32), targets.split(32)):
            scores = model(x)
            loss = torch.nn.functional.cross_entropy(scores, y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            accuracy(scores, y)
        print("epoch %d: %.6f" % (epoch, accuracy.compute()))
        accuracy.reset()
    run.finish()
    print(run.url)


if __name__ == "__main__":
    main()
