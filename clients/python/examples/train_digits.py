#!/usr/bin/env python3
"""Train a real classifier on real data and log every batch to tally.  Plain Python, nothing to install.

    python3 train_digits.py [--url http://127.0.0.1:7070] [--run digits] [--epochs 20] [--seconds 25]

Softmax regression on 1,797 images of handwritten digits, 8 x 8 pixels (tests/data/README.md names their source).  Three
stages: train and val over shuffled data, test over data sorted by class, as a folder of images per class would give it.
Then the script asks the server for the test accuracy of the last epoch and for what averaging the batches would have
shown instead.

What a training job has to do for tally is in two places: class Tally, which posts records, and record_of(), which counts.
"""
import argparse
import gzip
import http.client
import json
import math
import os
import random
import time
import urllib.parse

CLASSES = 10
HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.path.join(HERE, "..", "..", "..", "tests", "data", "digits.csv.gz")


# ------------------------------------------------------------------ tally
class Tally:
    """One kept-alive connection.  Posting a record again is always safe: a batch that is stored already is a duplicate."""

    def __init__(self, url, run, token=None):
        self.address = urllib.parse.urlsplit(url)
        self.path = "/api/v1/runs/" + run
        self.headers = {"Content-Type": "application/json"}
        if token:
            self.headers["Authorization"] = "Bearer " + token
        self.connection = None

    def call(self, method, path="", body=None):
        for attempt in range(6):
            try:
                if self.connection is None:
                    self.connection = http.client.HTTPConnection(self.address.hostname, self.address.port, timeout=30)
                self.connection.request(method, self.path + path, None if body is None else json.dumps(body), self.headers)
                answer = self.connection.getresponse()
                text = answer.read().decode()
                if answer.status < 300:
                    return json.loads(text) if text else None
                if answer.status not in (429, 502, 503, 504):
                    raise SystemExit("tally refused the request: " + text)
            except (http.client.HTTPException, OSError):
                self.connection = None
                if attempt == 5:
                    raise
            time.sleep(0.2 * 2 ** attempt)
        raise SystemExit("tally does not answer")

    def declare(self, **document):
        self.call("PUT", body=document)

    def log(self, **record):
        self.call("POST", "/batches", record)

    def finish(self):
        self.call("PATCH", body={"status": "finished"})

    def ask(self, what, **query):
        return self.call("GET", "/%s?%s" % (what, urllib.parse.urlencode(query)))


def record_of(targets, predicted, losses):
    """The counts of one batch: confusion[target][predicted], and the loss as a sum and how many it is the sum of."""
    confusion = [[0] * CLASSES for _ in range(CLASSES)]
    for t, p in zip(targets, predicted):
        confusion[t][p] += 1
    return {"confusion": confusion, "sums": {"loss": [math.fsum(losses), len(losses), min(losses), max(losses)]}}


# ------------------------------------------------------------------ the model
class Softmax:
    def __init__(self, inputs):
        self.weights = [[0.0] * (inputs + 1) for _ in range(CLASSES)]  # the last one is the bias

    def probabilities(self, x):
        scores = [sum(map(float.__mul__, row, x)) for row in self.weights]
        top = max(scores)
        powers = [math.exp(s - top) for s in scores]
        total = sum(powers)
        return [p / total for p in powers]

    def batch(self, samples, rate=0.0):
        """Targets, predictions and losses of a batch; with a rate, one step of gradient descent after them."""
        targets, predicted, losses = [], [], []
        errors = []
        for x, target in samples:
            p = self.probabilities(x)
            targets.append(target)
            predicted.append(p.index(max(p)))
            losses.append(-math.log(max(p[target], 1e-12)))
            p[target] -= 1.0
            errors.append(p)
        if rate:
            scale = rate / len(samples)
            for c, row in enumerate(self.weights):
                for (x, _), error in zip(samples, errors):
                    step = -scale * error[c]
                    if abs(step) > 1e-7:
                        row[:] = [w + step * v for w, v in zip(row, x)]
        return targets, predicted, losses


def read_digits(path):
    """(64 pixels and a 1 for the bias, digit) of every image."""
    with gzip.open(path, "rt", encoding="ascii") as f:
        for line in f:
            *pixels, digit = line.split(",")
            yield [float(v) / 16 for v in pixels] + [1.0], int(float(digit))


def in_batches(samples, size):
    for start in range(0, len(samples), size):
        yield samples[start:start + size]


# ------------------------------------------------------------------ the job
def train(tally, options):
    rng = random.Random(1)
    samples = list(read_digits(options.data))
    rng.shuffle(samples)
    train_set, val_set, test_set = samples[:1100], samples[1100:1400], samples[1400:]
    test_set.sort(key=lambda sample: sample[1])  # by class: this is what makes the mean of the batches wrong

    names = [str(c) for c in range(CLASSES)]
    sizes = {"train": train_set, "val": val_set, "test": test_set}
    tally.declare(project="digits", name="softmax regression", tags=["demo"],
                  config={"model": "softmax", "lr": options.rate, "batch": options.batch, "epochs": options.epochs},
                  stages={stage: {"class_names": names, "dataset_size": len(data)} for stage, data in sizes.items()})

    model, step = Softmax(len(samples[0][0]) - 1), 0
    batches = sum(math.ceil(len(data) / options.batch) for data in sizes.values()) * options.epochs
    started, sent = time.monotonic(), 0

    def log(stage, epoch, at, outcome, **more):
        nonlocal sent
        tally.log(stage=stage, epoch=epoch, step=at, **record_of(*outcome), **more)
        sent += 1
        time.sleep(max(0.0, started + options.seconds * sent / batches - time.monotonic()))

    for epoch in range(options.epochs):
        rng.shuffle(train_set)
        for batch in in_batches(train_set, options.batch):
            log("train", epoch, step, model.batch(batch, options.rate), values={"lr": options.rate})
            step += 1
        for at, batch in enumerate(in_batches(val_set, options.batch)):
            log("val", epoch, at, model.batch(batch))
        for at, batch in enumerate(in_batches(test_set, options.batch)):
            log("test", epoch, at, model.batch(batch))
        print("epoch %2d of %d logged" % (epoch + 1, options.epochs), flush=True)
    tally.finish()


def report(tally, options):
    last = options.epochs - 1
    answer = tally.ask("epochs", stage="test", metric="accuracy,accuracy.macro,f1.macro", epoch=last)["epochs"][0]
    print("\ntest, epoch %d: %d samples in %d batches, sorted by class" % (last, answer["samples"], answer["batches"]))
    print("%-18s %10s %15s" % ("", "epoch", "mean of steps"))
    for name, metric in answer["metrics"].items():
        print("%-18s %9.2f%% %14.2f%%" % (name, 100 * metric["value"], 100 * metric["mean_of_steps"]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--url", default="http://127.0.0.1:7070")
    parser.add_argument("--run", default="digits")
    parser.add_argument("--token", default=os.environ.get("TALLY_TOKEN"))
    parser.add_argument("--data", default=DATA)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=0.5)
    parser.add_argument("--seconds", type=float, default=25, help="spread the training over so long, for the live chart")
    options = parser.parse_args()
    tally = Tally(options.url, options.run, options.token)
    train(tally, options)
    report(tally, options)


if __name__ == "__main__":
    main()
