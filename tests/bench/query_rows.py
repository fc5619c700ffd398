"""How long questions take, and that the answer does not wait for the length of the run; what a big database costs."""
import json
import os
import statistics
import subprocess
import time

from ingest_rows import BULK, SINGLE
from programs import Tally, memory

EPOCHS = 100
METRIC = "accuracy,f1.macro"
MIB = 1 << 20
RUNS = 100000


def fill(server, run_id, batches, *more):
    """One run of so many batches in 100 epochs, in bulk."""
    return server.load("-c", 4 if batches > 4000 else 1, "-R", 1, "-S", "-r", min(1000, batches), "-n", batches, "-e", max(1, batches // EPOCHS), "-P", run_id, *more)


def epochs_path(run_id, *more):
    return "/api/v1/runs/%s/epochs?stage=train&metric=%s%s" % (run_id, METRIC, "".join("&" + m for m in more))


def steps_path(run_id, points=1000):
    return "/api/v1/runs/%s/steps?stage=train&metric=accuracy&points=%d" % (run_id, points)


def interleave(scale, sides, unchanged=False):
    """{name: (server, path)}: the p50 in microseconds of each round, by side; and the size of the answers.  unchanged: asked with If-None-Match."""
    out, sizes = {name: [] for name in sides}, {}
    for server, path in sides.values():
        server.get(path)
    for i in range(scale.rounds):
        for name in sorted(sides, reverse=i % 2 == 1):
            server, path = sides[name]
            done = server.ask(path, scale.ask_seconds, unchanged=unchanged)
            out[name].append(done["p50_us"])
            sizes[name] = done["bytes"]
    return out, sizes


def epochs(table, scale, small, big):
    for key, what, more in (("epoch", "one epoch, without mean_of_steps", ("epoch=50", "mean_of_steps=false")),
                            ("epoch_mean", "one epoch, mean_of_steps asked before", ("epoch=50",)),
                            ("epochs_all", "100 epochs, without mean_of_steps", ("mean_of_steps=false",)),
                            ("epochs_all_mean", "100 epochs, mean_of_steps asked before", ())):
        p50, _ = interleave(scale, {"big": (big, epochs_path("big-0", *more)), "small": (small, epochs_path("small-0", *more))})
        table.ratios(key, "%s: %s ÷ 1 k batches" % (what, scale.big_name), ("<=", 1.3), p50["big"], p50["small"], unit_of_facts="us")


def chart(table, scale, middle, big):
    p50, _ = interleave(scale, {"big": (big, steps_path("big-0")), "middle": (middle, steps_path("middle-0"))})
    entries = tuple(len(server.get(steps_path(run_id))["x"]) for server, run_id in ((big, "big-0"), (middle, "middle-0")))
    table.ratios("chart", "chart of 1,000 points: %s ÷ %s batches" % (scale.big_name, scale.middle_name), ("<=", 2), p50["big"], p50["middle"],
                 unit_of_facts="us", entries="%d ÷ %d" % entries)
    table.add("chart_ms", "chart of 1,000 points over %s batches" % scale.middle_name, ("<=", 10), statistics.median(p50["middle"]) / 1000, "ms")


def mean_of_steps(table, scale, server):
    """An epoch of 10,000 steps: asked first, asked again, asked after one more step; beside the question without it."""
    first, again, plain, after, plain_after = [], [], [], [], []
    for i in range(scale.rounds):
        run_id = "mean%d-0" % i
        server.load("-c", 1, "-r", 1000, "-n", 10000, "-e", 10**9, "-P", "mean%d" % i)
        with_mean, without = epochs_path(run_id, "epoch=0"), epochs_path(run_id, "epoch=0", "mean_of_steps=false")
        first.append(server.ask(with_mean, 0)["p50_us"])
        plain.append(server.ask(without, scale.ask_seconds / 2)["p50_us"])
        again.append(server.ask(with_mean, scale.ask_seconds / 2)["p50_us"])
        for k in range(20):
            server.post(run_id, {"stage": "train", "epoch": 0, "step": 10000 + k, "tp": [3] * 10, "fp": [1] * 10, "fn": [1] * 10})
            path, times = (without, plain_after) if k % 2 else (with_mean, after)
            times.append(server.ask(path, 0)["p50_us"])
    table.add("mean_first", "mean_of_steps of 10 k steps: first ask", ("<=", 10), statistics.median(first) / 1000, "ms")
    table.ratios("mean_again", "mean_of_steps of 10 k steps: asked again ÷ without it", ("<=", 1.3), again, plain, unit_of_facts="us")
    table.add("mean_after", "mean_of_steps of 10 k steps: after one more step ÷ without it", ("<=", 1.3), statistics.median(after) / statistics.median(plain_after),
              medians="%.0f ÷ %.0f us" % (statistics.median(after), statistics.median(plain_after)))


def start_load(server, *options):
    return subprocess.Popen([server.places.program("load"), "-p", str(server.port), *(str(o) for o in options)], stdout=subprocess.PIPE, text=True)


def under_load(table, scale, server):
    """A question every 10 ms while other runs are written as fast as they can be."""
    for key, what, load in (("p99_bulk", "bulk ingest", BULK), ("p99_single", "single ingest, 64 connections", SINGLE)):
        p99, rates, done, seconds = [], [], [], 2 * scale.seconds
        for i in range(scale.rounds):
            writer = start_load(server, *load, "-s", seconds + 0.5, "-P", "%s%d" % (key, i))
            time.sleep(0.2)
            done.append(server.ask(epochs_path("big-0", "epoch=50", "mean_of_steps=false"), seconds, 10000))
            p99.append(done[-1]["p99_us"])
            rates.append(server.finish_load(writer)["records_per_s"])
        table.add(key, "p99 of an epoch query under %s" % what, ("<=", 10), statistics.median(p99) / 1000, "ms", p50_ms=statistics.median(d["p50_us"] for d in done) / 1000,
                  records_per_s=statistics.median(rates), rounds=["%.2f" % (p / 1000) for p in p99])


def starts(table, scale, big):
    """From the start of the process to the first answer; with nothing else running, and after kill -9 with a log to recover."""
    path = epochs_path("big-0", "epoch=50", "mean_of_steps=false")
    cold, after_kill, idle = [], [], []
    for i in range(scale.rounds):
        big.stop()
        begin = time.monotonic()
        big.start()
        big.get(path)
        cold.append(1000 * (time.monotonic() - begin))
        time.sleep(0.7)
        idle.append(big.memory()["rss"] / MIB)
        writer = start_load(big, *BULK, "-s", 60, "-k", "-P", "kill%d" % i)
        time.sleep(1)
        big.kill()
        done = json.loads(writer.communicate()[0])
        begin = time.monotonic()
        big.start()
        big.get(path)
        after_kill.append(1000 * (time.monotonic() - begin))
        for expected in done["runs"]:  # one connection a run, so one request may be stored and not acknowledged
            big.check(expected, in_flight=1000)
    table.add("start", "start to first answer, %s batches" % scale.big_name, ("<=", 100), statistics.median(cold), "ms", most=max(cold))
    table.add("start_killed", "the same after kill -9 in the middle of bulk ingest", None, statistics.median(after_kill), "ms", most=max(after_kill))
    table.add("idle", "idle, resident, %s batches stored, one question answered" % scale.big_name, ("<=", 12), statistics.median(idle), "MiB")


def bytes_per_batch(table, key, what, goal, server, batches):
    """Stop the server, which moves the log into the file, and look at the file."""
    server.stop()
    files = {name: os.path.getsize(server.db + name) for name in ("", "-wal") if os.path.exists(server.db + name)}
    table.add(key, what, ("<=", goal), sum(files.values()) / batches, "B", batches=batches, file_mib=files[""] / MIB, log_mib=files.get("-wal", 0) / MIB)
    server.start()


def queries(places, table, scale):
    small, middle, big = (Tally(places, name) for name in ("small", "middle", "big"))
    try:
        fill(small, "small", 1000)
        fill(middle, "middle", scale.middle)
        filled = fill(big, "big", scale.big)
        used = memory(big.process.pid)
        table.add("fill", "filling one run, 4 connections", None, filled["records_per_s"], "records/s", batches=filled["records"])
        table.add("rss", "resident after %s batches ingested" % scale.big_name, ("<=", 64), used["rss"] / MIB, "MiB", peak_mib=used["peak"] / MIB)
        bytes_per_batch(table, "disk", "on disk per batch, counts of 10 classes, 32 samples", 85, big, filled["records"])
        for server in (small, middle, big):
            server.settle()
        epochs(table, scale, small, big)
        chart(table, scale, middle, big)
        mean_of_steps(table, scale, middle)
        under_load(table, scale, big)
        starts(table, scale, big)
    finally:
        for server in (small, middle, big):
            server.stop()


def with_loss(places, table, scale):
    server = Tally(places, "loss")
    try:
        filled = fill(server, "loss", scale.big // 10 if scale.full else scale.big, "-l")
        bytes_per_batch(table, "disk_loss", "the same with one loss", 130, server, filled["records"])
    finally:
        server.stop()


LISTS = (("runs", "runs list in its default order", ""), ("runs_project", "the same of one project", "?project=default"),
         ("runs_columns", "the same with columns of an accuracy and a mean", "?columns=train/accuracy@last,train/loss@best"), ("projects", "list of projects", None))
SEARCHES = (("runs_sorted", "sorted by name", "?sort=name"), ("runs_filtered", "filtered by a word", "?q=many-7"),
            ("runs_by_column", "sorted by an accuracy", "?sort=-train/accuracy@last"))


def runs_list(places, table, scale):
    """Lists of 100,000 runs beside those of 100, in full and where nothing has changed; and what must look at every run."""
    few, many = Tally(places, "few"), Tally(places, "many")
    try:
        few.load("-c", 8, "-n", 100, "-o", "-l", "-P", "few")
        many.load("-c", 64, "-n", RUNS, "-o", "-l", "-P", "many")
        for server, n in ((few, 100), (many, RUNS)):
            total = server.get("/api/v1/runs")["total"]
            if total != n:
                raise SystemExit("%d runs were acknowledged, %d are stored" % (n, total))
            server.settle()
        for key, what, query in LISTS:
            path = "/api/v1/projects" if query is None else "/api/v1/runs" + query
            for unchanged in (False, True):
                p50, _ = interleave(scale, {"many": (many, path), "few": (few, path)}, unchanged)
                table.ratios(key + "_304" * unchanged, "%s%s: 100,000 ÷ 100 runs" % (what, ", unchanged" * unchanged), ("<=", 2), p50["many"], p50["few"], unit_of_facts="us")
        for key, what, query in SEARCHES:
            p50, _ = interleave(scale, {"many": (many, "/api/v1/runs" + query)})
            table.add(key, "100,000 runs %s" % what, ("<=", 300), statistics.median(p50["many"]) / 1000, "ms")
    finally:
        few.stop()
        many.stop()


def idle(places, table, scale):
    """A server that was just started on a new database; and the most it takes when many send much at once."""
    server = Tally(places, "idle")
    try:
        server.get("/api/v1/runs")
        time.sleep(0.7)
        table.add("idle_empty", "idle, resident, new database", ("<=", 12), server.memory()["rss"] / MIB, "MiB", anonymous_mib=server.memory()["anonymous"] / MIB)
        done = server.load("-c", 256, "-R", 8, "-r", 1000, "-s", 2 * scale.seconds, "-P", "many")
        used = server.memory()
        table.add("crowd", "resident at most: bulk from 256 connections at once", None, used["peak"] / MIB, "MiB", afterwards_mib=used["rss"] / MIB,
                  refused=done["refused"], records_per_s=done["records_per_s"])
    finally:
        server.stop()
