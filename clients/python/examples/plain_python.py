#!/usr/bin/env python3
"""Plain Python: a perceptron on made-up data.  Two lines are for tally, wherever it runs."""
import random

import tally


def main(epochs=3, batch=16):
    rng = random.Random(1)
    points = [[rng.gauss(2 * c - 1, 0.8), rng.gauss(1 - 2 * c, 0.8), 1.0] for c in (0, 1) for _ in range(80)]  # sorted by class
    targets = [0] * 80 + [1] * 80
    weights = [0.0, 0.0, 0.0]

    run = tally.init("blobs", "perceptron", config={"batch": batch})
    for epoch in range(epochs):
        for step, start in enumerate(range(0, len(points), batch)):
            x, y = points[start:start + batch], targets[start:start + batch]
            predictions = [int(sum(w * v for w, v in zip(weights, point)) > 0) for point in x]
            run.log_predictions("train", epoch, step, predictions, y, num_classes=2)
            for point, predicted, target in zip(x, predictions, y):
                weights = [w + 0.1 * (target - predicted) * v for w, v in zip(weights, point)]
    run.finish()
    print(run.url)


if __name__ == "__main__":
    main()
