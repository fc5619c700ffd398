#!/usr/bin/env python3
"""A day of a typical job, quicker: does the server's memory or its number of open files rise?

    soak.py [--minutes 60] [--pace 24] [--mib-an-hour 1]        TALLY_BIN names the program

A day at pace 1: 8 ranks log 120,000 training steps (a loss, a learning rate and a 10-class confusion matrix each: one POST a rank and
step, 11 a second), 24 epochs of 5,000 steps, and after each a validation of 200 batches a rank, posted by the hundred as NDJSON.  Two
pages poll the run, its chart and its epochs every 5 s each, with ETags; a third reads the runs list and a comparison every 30 s; a
script asks for the epoch values every minute.  Every hour a backup (the one before is removed), every two hours a crash:
the job rewinds 100 steps and logs them again.  Once an epoch somebody patches the config, exports a CSV, and /metrics is read every
15 s.  At pace 24 that day takes an hour: the same requests, 24 times as often.

Memory (RSS) and open files are sampled every few seconds; a line is fitted to the least of each sixtieth of the time, of the last two
thirds (an answer that is being made is no leak, and the page caches of the database fill in the first third).  It must rise by less
than 1 MiB an hour, open files by less than one.  The write-ahead log must not pass WAL_MIB, however many readers there are.
At the end the epochs' values are compared with what was sent, and `tally check` runs.  Exit code 1: it rose, or something failed.
"""
import argparse
import http.client
import json
import os
import random
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "api"))
from tally_server import TallyServer  # noqa: E402

DAY_S = 86400.0
RANKS, STEPS, EPOCHS, CLASSES = 8, 120000, 24, 10
VALIDATION_BATCHES, VALIDATION_POST = 200, 100
STEPS_AN_EPOCH = STEPS // EPOCHS
CRASHES, LOGGED_AGAIN = 12, 100
WAL_MIB = 768
IDLE_S = 50
RUN = "/api/v1/runs/job"


class Failed(Exception):
    pass


class Client:
    """One kept-alive connection; every answer must be one that is expected."""

    def __init__(self, soak):
        self.soak, self.etags = soak, {}
        self.connection = http.client.HTTPConnection("127.0.0.1", soak.server.port, timeout=60)
        self.used_at = time.monotonic()

    def send(self, method, path, body, headers):
        self.connection.request(method, path, body=body, headers=headers)
        return self.connection.getresponse()

    def ask(self, method, path, body=None, headers=None, allowed=(200,)):
        headers = dict(headers or {})
        if method == "GET" and path in self.etags:
            headers["If-None-Match"] = self.etags[path]
        try:
            answer = self.send(method, path, body, headers)
        except (ConnectionError, http.client.RemoteDisconnected):  # the server closes what is idle for a minute
            if time.monotonic() - self.used_at < IDLE_S:
                raise
            self.connection.close()
            answer = self.send(method, path, body, headers)
        data = answer.read()
        self.used_at = time.monotonic()
        self.soak.count(answer.status)
        if answer.status not in allowed and answer.status != 304:
            raise Failed("%s %s: %d %s" % (method, path, answer.status, data[:500]))
        if answer.getheader("ETag"):
            self.etags[path] = answer.getheader("ETag")
        return answer.status, data

    def post(self, path, body, kind="application/json", allowed=(200,)):
        return self.ask("POST", path, body, {"Content-Type": kind}, allowed)


def counts_of(epoch, step, rank):
    """What a batch saw: it follows from its key, so that it can be logged again and summed up at the end."""
    seed = (epoch * 1000003 + step * 8191 + rank) & 0xffff
    cells = [[c, (c + seed % 3) % CLASSES, 1 + (seed + c) % 5] for c in range(CLASSES)]
    return cells, sum(n for t, p, n in cells if t == p), sum(n for _, _, n in cells)


class Job:
    """The ranks, in step: a barrier would be the network's; here one thread a rank, and the clock."""

    def __init__(self, soak):
        self.soak = soak
        self.threads = [threading.Thread(target=soak.guard(self.rank), args=(r,)) for r in range(RANKS)]
        self.next_step = [0] * RANKS
        self.again = threading.Barrier(RANKS)
        self.crash_at = [(i + 1) * soak.steps // (CRASHES + 1) for i in range(CRASHES)]

    def all_here(self):
        """Wait for all ranks.  False: it is over meanwhile."""
        while not self.soak.is_over():
            try:
                self.again.wait(timeout=60)
                return True
            except threading.BrokenBarrierError:
                self.again.reset()
        self.again.abort()
        return False

    def rank(self, rank):
        client, soak, crash_at = Client(self.soak), self.soak, list(self.crash_at)
        at, attempt = 0, 0
        while at < soak.steps and not soak.is_over():
            soak.sleep_until(at / soak.steps * soak.day_s)
            if crash_at and at == crash_at[0]:
                crash_at.pop(0)
                if not self.all_here():
                    return
                epoch, step = divmod(max(at - LOGGED_AGAIN, at // soak.steps_an_epoch * soak.steps_an_epoch), soak.steps_an_epoch)
                attempt += 1
                client.post(RUN + "/rewind", json.dumps({"epoch": epoch, "step": step, "attempt": "try%d" % attempt}))
                at = epoch * soak.steps_an_epoch + step
                if not self.all_here():
                    return
            epoch, step = divmod(at, soak.steps_an_epoch)
            cells, _, total = counts_of(epoch, step, rank)
            client.post(RUN + "/batches", json.dumps(
                {"stage": "train", "epoch": epoch, "step": step, "rank": rank, "num_classes": CLASSES, "cells": cells, "attempt": "try%d" % attempt,
                 "sums": {"loss": [0.5 * total, total]}, "values": {"lr": 0.001}}))
            self.next_step[rank] = at + 1
            if step == soak.steps_an_epoch - 1:
                self.validate(client, rank, epoch, attempt)
            at += 1
        if soak.is_over():  # nobody waits for this rank any more
            self.again.abort()

    @staticmethod
    def validate(client, rank, epoch, attempt):
        for first in range(0, VALIDATION_BATCHES, VALIDATION_POST):
            lines = []
            for step in range(first, first + VALIDATION_POST):
                cells, _, _ = counts_of(epoch, step, rank)
                lines.append(json.dumps({"stage": "val", "epoch": epoch, "step": step, "rank": rank, "num_classes": CLASSES, "cells": cells, "attempt": "try%d" % attempt}))
            client.post(RUN + "/batches", "\n".join(lines), "application/x-ndjson")


class Soak:
    def __init__(self, minutes, pace):
        self.length_s, self.pace = minutes * 60, pace
        self.day_s = DAY_S / pace  # how long a day takes here
        self.steps, self.steps_an_epoch = STEPS, STEPS_AN_EPOCH
        self.server = TallyServer()
        self.samples, self.statuses, self.failures = [], {}, []
        self.mutex, self.rng = threading.Lock(), random.Random(1)

    # ---- clock and counts ----
    def is_over(self):
        return bool(self.failures) or time.monotonic() - self.start > self.length_s

    def sleep_until(self, s):
        """On this run's clock; behind it there is no sleep."""
        while not self.is_over():
            left = self.start + s - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, 0.5))

    def count(self, status):
        with self.mutex:
            self.statuses[status] = self.statuses.get(status, 0) + 1

    def guard(self, work):
        def guarded(*args):
            try:
                work(*args)
            except BaseException as e:  # told at the end
                self.failures.append(e)
        return guarded

    def every(self, seconds, work):
        """A thread that works every so many seconds of the day, at this pace."""
        def loop():
            client, n = Client(self), 1
            while not self.is_over():
                self.sleep_until(n * seconds / self.pace)
                if not self.is_over():
                    work(client)
                n += 1
        return threading.Thread(target=self.guard(loop))

    # ---- who asks ----
    @staticmethod
    def page(client):
        client.ask("GET", RUN, allowed=(200, 404))
        client.ask("GET", RUN + "/steps?stage=train&metric=accuracy,loss&points=1000", allowed=(200, 404))
        client.ask("GET", RUN + "/epochs?stage=train&metric=accuracy,accuracy.macro,loss", allowed=(200, 404))
        client.ask("GET", RUN + "/epochs?stage=val&metric=accuracy.macro,f1.macro", allowed=(200, 404))

    @staticmethod
    def table(client):
        client.ask("GET", "/api/v1/runs?sort=-updated_at&columns=train/accuracy@last,train/loss@min,config.lr")
        client.ask("GET", "/api/v1/compare?runs=job,other&stage=train&metric=accuracy&x=epoch", allowed=(200, 404))
        client.ask("GET", "/")

    @staticmethod
    def script(client):
        client.ask("GET", RUN + "/epochs?metric=accuracy.macro,mcc,loss&stage=train&mean_of_steps=true", allowed=(200, 404, 422))
        client.ask("GET", RUN + "/confusion?stage=val", allowed=(200, 404))
        client.ask("GET", RUN + "/classes?stage=val", allowed=(200, 404))
        client.ask("GET", RUN + "/diagnosis?stage=train", allowed=(200, 404))

    @staticmethod
    def patch(client):
        client.ask("PATCH", RUN, json.dumps({"config": {"lr": random.random()}, "tags": ["soak"]}), {"Content-Type": "application/json"}, (200, 404))
        client.ask("GET", RUN + "/epochs?stage=train&metric=accuracy&format=csv", allowed=(200, 404))
        client.ask("GET", RUN + "/batches?stage=train&epoch=0&limit=1000", allowed=(200, 404))

    def backup(self, client):
        _, data = client.ask("POST", "/api/v1/backup", allowed=(201,))
        os.unlink(json.loads(data)["file"])

    @staticmethod
    def scrape(client):
        client.ask("GET", "/metrics")
        client.ask("GET", "/readyz")

    # ---- what is measured ----
    def sample(self):
        pid, page = self.server.process.pid, os.sysconf("SC_PAGESIZE")
        while not self.is_over():
            with open("/proc/%d/statm" % pid, encoding="ascii") as f:
                rss = int(f.read().split()[1]) * page / 2 ** 20
            files = len(os.listdir("/proc/%d/fd" % pid))
            self.samples.append((time.monotonic() - self.start, rss, files, size_of(self.server.db + "-wal")))
            time.sleep(min(5, self.length_s / 300))

    def check(self, job):
        """The epochs' values are what was sent."""
        done = min(job.next_step)  # the step after it may be there in part: whole epochs are compared
        _, data = Client(self).ask("GET", RUN + "/epochs?stage=train&metric=accuracy,loss:sum&mean_of_steps=false")
        epochs = {e["epoch"]: e for e in json.loads(data)["epochs"]}
        for epoch in range(done // self.steps_an_epoch):
            correct = total = 0
            for step in range(self.steps_an_epoch):
                for rank in range(RANKS):
                    _, c, t = counts_of(epoch, step, rank)
                    correct, total = correct + c, total + t
            e = epochs[epoch]
            got = (e["batches"], e["samples"], e["metrics"]["accuracy"]["value"], e["metrics"]["loss:sum"]["value"])
            want = (self.steps_an_epoch * RANKS, total, correct / total, 0.5 * total)
            if got != want:
                raise Failed("epoch %d: %s instead of %s" % (epoch, got, want))
        return done

    def run(self):
        self.server.start()
        self.start = time.monotonic()
        Client(self).post("/api/v1/runs/other/batches", json.dumps({"stage": "train", "epoch": 0, "step": 0, "correct": 1, "total": 2}))
        job = Job(self)
        threads = job.threads + [self.every(5, self.page), self.every(5, self.page), self.every(30, self.table), self.every(60, self.script),
                                 self.every(DAY_S / EPOCHS, self.patch), self.every(3600, self.backup), self.every(15, self.scrape),
                                 threading.Thread(target=self.guard(self.sample))]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        steps = self.check(job) if not self.failures else 0
        code = self.server.stop()
        self.server.check()
        if code != 0:
            self.failures.append(Failed("the server ended with %d" % code))
        self.server.close()
        return steps


def size_of(path):
    return os.path.getsize(path) if os.path.exists(path) else 0


def slope(samples, column):
    """Least squares, a second."""
    n = len(samples)
    mean_x, mean_y = sum(s[0] for s in samples) / n, sum(s[column] for s in samples) / n
    spread = sum((s[0] - mean_x) ** 2 for s in samples)
    return sum((s[0] - mean_x) * (s[column] - mean_y) for s in samples) / spread if spread > 0 else 0.0


def least(samples, length_s, slices=60):
    """Of each slice of the time the least memory and the fewest files."""
    out = {}
    for s in samples:
        i = int(s[0] / length_s * slices)
        out[i] = (s[0], min(s[1], out[i][1]), min(s[2], out[i][2])) if i in out else s
    return [out[i] for i in sorted(out)]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--pace", type=float, default=24)
    parser.add_argument("--mib-an-hour", type=float, default=1.0)
    a = parser.parse_args()
    soak = Soak(a.minutes, a.pace)
    steps = soak.run()
    kept = [s for s in soak.samples if s[0] > soak.samples[-1][0] / 3]
    lows = least(kept, soak.samples[-1][0])
    rss, files = slope(lows, 1) * 3600, slope(lows, 2) * 3600
    for s in soak.samples[::max(1, len(soak.samples) // 12)]:
        print("%7.0f s  RSS %6.1f MiB  %d files  write-ahead log %5.1f MiB" % (s[0], s[1], s[2], s[3] / 2 ** 20))
    print("soak: %.1f minutes at pace %g: %d steps of %d ranks, %d requests (%s); RSS %.1f to %.1f MiB, %+.2f MiB/h; files %d to %d, %+.1f/h" % (
        soak.samples[-1][0] / 60, a.pace, steps, RANKS, sum(soak.statuses.values()), ", ".join("%d: %d" % i for i in sorted(soak.statuses.items())),
        min(s[1] for s in kept), max(s[1] for s in kept), rss, min(s[2] for s in kept), max(s[2] for s in kept), files))
    for e in soak.failures:
        print("failed: %r" % e)
    # in less than ten minutes a page more or less is a large slope: then only the failures count
    rises = a.minutes >= 10 and (rss >= a.mib_an_hour or files >= 1)
    wal = max(s[3] for s in soak.samples) / 2 ** 20
    if wal > WAL_MIB:
        soak.failures.append(Failed("a write-ahead log of %.0f MiB" % wal))
        print("failed: %r" % soak.failures[-1])
    print("rises" if rises else "failed" if soak.failures else "ok")
    return 1 if soak.failures or rises else 0


if __name__ == "__main__":
    sys.exit(main())
