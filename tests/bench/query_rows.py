"""How long questions take, and that the answer does not wait for the length of the run."""
import statistics

from programs import Tally

EPOCHS = 100
METRIC = "accuracy,f1.macro"


def fill(tally, name, batches, *more):
    """A run of so many batches in 100 epochs, in bulk.  Returns what the load generator said."""
    records = min(1000, batches)
    return tally.load("-c", 1 if batches < 4000 else 2, "-R", 1 if batches < 4000 else 2, "-r", records, "-n", 2 * batches if batches >= 4000 else batches,
                      "-e", max(1, batches // EPOCHS), "-P", name, *more)


def epochs_path(run_id, *more):
    return "/api/v1/runs/%s/epochs?stage=train&metric=%s%s" % (run_id, METRIC, "".join("&" + m for m in more))


def steps_path(run_id, points=1000):
    return "/api/v1/runs/%s/steps?stage=train&metric=accuracy&points=%d" % (run_id, points)


def interleave(scale, sides):
    """{name: (server, path)}: the p50 in microseconds of each round, by side; and the size of the answers."""
    out, sizes = {name: [] for name in sides}, {}
    for server, path in sides.values():
        server.get(path)
    for _ in range(scale.rounds):
        for name, (server, path) in sides.items():
            done = server.ask(path, scale.ask_seconds)
            out[name].append(done["p50_us"])
            sizes[name] = done["bytes"]
    return out, sizes


def epochs(table, scale, small, big):
    for key, what, more in (("epoch", "one epoch, mean_of_steps left out", ("epoch=50", "mean_of_steps=false")),
                            ("epoch_mean", "one epoch, mean_of_steps computed before", ("epoch=50",)),
                            ("epochs_all", "all 100 epochs, mean_of_steps left out", ("mean_of_steps=false",)),
                            ("epochs_all_mean", "all 100 epochs, mean_of_steps computed before", ())):
        p50, _ = interleave(scale, {"big": (big, epochs_path("big-0", *more)), "small": (small, epochs_path("small-0", *more))})
        table.ratios(key, "%s: %s ÷ 1 k batches" % (what, scale.big_name), ("<=", 1.3), p50["big"], p50["small"])


def chart(table, scale, middle, big):
    p50, sizes = interleave(scale, {"big": (big, steps_path("big-0")), "middle": (middle, steps_path("middle-0"))})
    entries = {name: len(server.get(steps_path(run_id))["x"]) for name, server, run_id in (("big", big, "big-0"), ("middle", middle, "middle-0"))}
    table.ratios("chart", "chart of 1,000 points: %s ÷ %s batches" % (scale.big_name, scale.middle_name), ("<=", 2), p50["big"], p50["middle"],
                 entries="%d ÷ %d" % (entries["big"], entries["middle"]), bytes="%d ÷ %d" % (sizes["big"], sizes["middle"]))
    table.add("chart_ms", "chart of 1,000 points over %s batches" % scale.middle_name, ("<=", 10), statistics.median(p50["middle"]) / 1000, "ms")


def mean_of_steps(table, scale, server):
    """An epoch of 10,000 steps: asked first, asked again, asked after one more step."""
    first, again, after, plain = [], [], [], []
    for i in range(scale.rounds):
        run_id = "mean%d-0" % i
        server.load("-c", 1, "-R", 1, "-r", 1000, "-n", 10000, "-e", 10**9, "-P", "mean%d" % i)
        with_mean, without = epochs_path(run_id, "epoch=0"), epochs_path(run_id, "epoch=0", "mean_of_steps=false")
        plain.append(server.ask(without, scale.ask_seconds / 2)["p50_us"])
        first.append(server.ask(with_mean, 0)["p50_us"])
        again.append(server.ask(with_mean, scale.ask_seconds / 2)["p50_us"])
        times = []
        for k in range(10):
            server.post(run_id, {"stage": "train", "epoch": 0, "step": 10000 + k, "tp": [3] * 10, "fp": [1] * 10, "fn": [1] * 10})
            server.ask(without, 0)
            times.append(server.ask(with_mean, 0)["p50_us"])
        after.append(statistics.median(times))
    # a first question on a new connection, as those after one more step are
    fresh = statistics.median(server.ask(without, 0)["p50_us"] for _ in range(50))
    table.add("mean_first", "mean_of_steps of 10 k steps: first ask", ("<=", 10), statistics.median(first) / 1000, "ms")
    table.ratios("mean_again", "mean_of_steps of 10 k steps: again ÷ epoch query without it", ("<=", 1.3), again, plain)
    table.add("mean_after", "mean_of_steps of 10 k steps: after one more step ÷ epoch query", ("<=", 1.3), statistics.median(after) / fresh,
              over=statistics.median(after), under=fresh)


def queries(places, table, scale):
    small, middle, big = (Tally(places, name) for name in ("small", "middle", "big"))
    try:
        fill(small, "small", 1000)
        fill(middle, "middle", scale.middle)
        filled = fill(big, "big", scale.big // 2)
        table.add("fill", "filling the big database (records/s)", None, filled["records_per_s"], batches=filled["records"])
        for server in (small, middle, big):
            server.settle()
        epochs(table, scale, small, big)
        chart(table, scale, middle, big)
        mean_of_steps(table, scale, middle)
    finally:
        for server in (small, middle, big):
            server.stop()
