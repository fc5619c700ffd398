#!/usr/bin/env python3
"""What logging costs a training step: real steps of a small network, with and without, in rounds that take turns.

    overhead.py TALLY [--hidden 4096]      more hidden units, longer steps
"""
import argparse
import os
import statistics
import tempfile
import time

import torch

parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
parser.add_argument("tally", help="the server's program")
parser.add_argument("--hidden", type=int, default=4096)
options = parser.parse_args()
os.environ["TALLY_BIN"] = options.tally
from integration import tally  # noqa: E402  pylint: disable=wrong-import-position
from client import TallyServer  # noqa: E402  pylint: disable=wrong-import-position

ROUNDS, STEPS, CLASSES = 10, 30, 10


def main():
    torch.set_num_threads(1)
    model = torch.nn.Sequential(torch.nn.Linear(128, options.hidden), torch.nn.ReLU(), torch.nn.Linear(options.hidden, CLASSES))
    x, y = torch.randn(32, 128), torch.randint(0, CLASSES, (32,))
    times, calls = {True: [], False: []}, []
    with TallyServer() as server, tempfile.TemporaryDirectory() as spool:
        run = tally.init("overhead", url=server.url, spool_dir=spool)
        step = 0
        for i in range(ROUNDS):
            for logged in ((True, False) if i % 2 else (False, True)):
                for _ in range(STEPS):
                    start = time.perf_counter()
                    scores = model(x)
                    loss = torch.nn.functional.cross_entropy(scores, y)
                    model.zero_grad()
                    loss.backward()
                    if logged:
                        before = time.perf_counter()
                        run.log_predictions("train", 0, step, scores, y, num_classes=CLASSES, sums={"loss": (loss.detach() * len(y), len(y))})
                        calls.append(time.perf_counter() - before)
                        step += 1
                    times[logged].append(time.perf_counter() - start)
        run.finish()
    means = {logged: statistics.mean(values) * 1e3 for logged, values in times.items()}
    print("a step of %.2f ms without, %.2f ms with logging (medians %.2f, %.2f): %+.2f %%; the call itself: median %.1f us, %.2f %% of a step" % (
        means[False], means[True], statistics.median(times[False]) * 1e3, statistics.median(times[True]) * 1e3, 100 * (means[True] / means[False] - 1),
        statistics.median(calls) * 1e6, statistics.median(calls) / means[False] * 1e5))


if __name__ == "__main__":
    main()
