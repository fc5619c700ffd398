"""How fast batches are taken, beside what the parts underneath can do alone."""
import os
import statistics

from programs import HttpLimit, Tally, run

SINGLE = ("-c", 64, "-R", 8)
BULK = ("-c", 8, "-R", 8, "-r", 1000)


def answer_headers(server):
    """What the limit programs must send too, so that both sides answer the same bytes."""
    record = {"stage": "train", "epoch": 0, "step": 0, "correct": 1, "total": 2}
    server.post("headers", record)
    _, headers, _ = server.request("POST", "/api/v1/runs/headers/batches", '{"stage":"train","epoch":0,"step":1,"correct":1,"total":2}')
    return [(k, v) for k, v in headers if k.lower() not in ("date", "content-length", "connection")]


def single(places, table, scale):
    """One record a POST, 64 connections: against libmicrohttpd alone, and with one fdatasync a group."""
    tally = Tally(places, "single")
    headers = answer_headers(tally)
    sides = {kind: HttpLimit(places, kind, headers) for kind in ("bare", "group", "ring")}
    rates = {name: [] for name in ("tally", *sides)}
    tally.load(*SINGLE, "-s", scale.seconds, "-P", "warm")
    try:
        for i in range(scale.rounds):
            for name in sorted(rates, reverse=i % 2 == 1):
                side = tally if name == "tally" else sides[name]
                rates[name].append(side.load(*SINGLE, "-s", scale.seconds, "-P", "single%d" % i))
    finally:
        for side in sides.values():
            side.stop()
        tally.stop()
    rate = {name: [r["requests_per_s"] for r in all_rounds] for name, all_rounds in rates.items()}
    latency = statistics.median(r["p99_us"] for r in rates["tally"])
    table.ratios("single_bare", "single POST, 64 connections ÷ bare libmicrohttpd", (">=", 0.50), rate["tally"], rate["bare"], p99_ms=latency / 1000)
    table.ratios("single_group", "single POST ÷ suspend, one fdatasync a group, resume", (">=", 0.85), rate["tally"], rate["group"])
    table.ratios("single_ring", "single POST ÷ the same into a file that is overwritten", None, rate["tally"], rate["ring"])


def many_runs(places, table, scale):
    """The same from 64 jobs that know nothing of each other: every record of a group is of another run."""
    tally = Tally(places, "jobs")
    bare = HttpLimit(places, "bare", answer_headers(tally))
    many = ("-c", 64, "-R", 64)
    ours, limit = [], []
    try:
        for i in range(scale.rounds):
            ours.append(tally.load(*many, "-s", scale.seconds, "-P", "jobs%d" % i)["requests_per_s"])
            limit.append(bare.load(*many, "-s", scale.seconds)["requests_per_s"])
    finally:
        bare.stop()
        tally.stop()
    table.ratios("single_jobs", "single POST of 64 runs instead of 8 ÷ bare libmicrohttpd", None, ours, limit)


def bulk(places, table, scale):
    """1,000 records a POST as NDJSON, 8 connections: against SQLite alone inserting the same rows."""
    tally = Tally(places, "bulk")
    db = os.path.join(places.new_folder("sqlite"), "bare.db")
    ours, bare = [], []
    try:
        for i in range(scale.rounds):
            ours.append(tally.load(*BULK, "-s", scale.seconds, "-P", "bulk%d" % i)["records_per_s"])
            bare.append(run(places.program("limit_sqlite"), db, scale.seconds, 1 + 8 * i)["rows_per_s"])
    finally:
        tally.stop()
    table.ratios("bulk", "bulk NDJSON, 1,000 records a POST ÷ bare SQLite, same rows", (">=", 0.90), ours, bare)


def one_connection(places, table, scale):
    """The wait of one client, beside the wait for the disk."""
    tally = Tally(places, "one")
    file = os.path.join(places.new_folder("disk"), "log")
    ours, disk = [], []
    tally.load(*SINGLE, "-s", 2 * scale.seconds, "-P", "warm")  # long enough for the write-ahead log to start over
    try:
        for i in range(scale.rounds):
            ours.append(tally.load("-s", scale.seconds, "-P", "one%d" % i)["p50_us"])
            disk.append(run(places.program("limit_disk"), file, scale.seconds)["p50_us"])
    finally:
        tally.stop()
    table.ratios("one_connection", "p50 of a single POST on one connection ÷ fdatasync of 4 KB", ("<=", 1.5), ours, disk, unit_of_facts="us")
