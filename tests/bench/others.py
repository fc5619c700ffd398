#!/usr/bin/env python3
"""The same real work given to what else Debian has for it: VictoriaMetrics, InfluxDB, Pushgateway.

    others.py --tally PROGRAM --programs FOLDER --others FOLDER --out FOLDER [--record DOCUMENT] [--rounds N] [--seconds S]

FOLDER of --others holds the packages, unpacked (never installed, no service runs).  Every system gets a folder of its own
on the same disk and a free port on 127.0.0.1, with its default settings.  A batch is 30 counts (10 classes) or 2 (correct
and total); in the line protocol one line.  Systems take turns; those that wait are stopped (SIGSTOP), so that each pays
for its own background work.  Prints a table, writes OUT/others.json and OUT/others.md.
"""
import argparse
import json
import os
import shutil
import signal
import statistics
import sys
import time

from bench import Neighbours, Scale, header
from other_systems import MIB, Influx, Pushgateway, TallySystem, Victoria
from programs import Places
from table import record

SINGLE = ("-c", 64, "-R", 64)
BULK = ("-c", 8, "-R", 8, "-r", 1000)
FILL, FILL_EPOCHS = 100000, 10
FOUND_S = 4  # VictoriaMetrics finds what was written after a second or two


class Sheet:
    """Rows of text by system."""

    def __init__(self, names):
        self.names, self.rows = names, []
        print("%-58s %s" % ("", " ".join("%18s" % n for n in names)))

    def add(self, what, values):
        row = [values.get(name, "-") for name in self.names]
        self.rows.append((what, row))
        print("%-58s %s" % (what, " ".join("%18s" % v for v in row)), flush=True)

    def markdown(self):
        lines = ["| what | " + " | ".join(self.names) + " |", "|---" * (1 + len(self.names)) + "|"]
        return "\n".join(lines + ["| %s | %s |" % (what, " | ".join(row)) for what, row in self.rows])


def turns(systems, scale, measure):
    """{name: [what measure(system, round) returned]}; one system runs at a time."""
    out = {s.name: [] for s in systems}
    for s in systems:
        s.pause()
    for i in range(scale.rounds):
        for s in systems if i % 2 == 0 else systems[::-1]:
            s.go_on()
            out[s.name].append(measure(s, i))
            s.pause()
    for s in systems:
        s.go_on()
    return out


def middle(rounds, key):
    return {name: statistics.median(r[key] for r in all_rounds) for name, all_rounds in rounds.items()}


def ingest(sheet, systems, scale):
    for what, more in (("10 classes", ()), ("correct and total", ("-t",))):
        tag = "t" if more else "c"
        done = turns(systems, scale, lambda s, i: s.load(*SINGLE, *more, "-s", scale.seconds, "-P", "s%s%d" % (tag, i)))
        sheet.add("single POST, %s, 64 connections: per s" % what, {n: "%s" % format(v, ",.0f") for n, v in middle(done, "requests_per_s").items()})
        sheet.add("  p99 of the wait", {n: "%.1f ms" % (v / 1000) for n, v in middle(done, "p99_us").items()})
        many = [s for s in systems if s.keeps_history]
        done = turns(many, scale, lambda s, i: s.load(*BULK, *more, "-s", scale.seconds, "-P", "b%s%d" % (tag, i)))
        sheet.add("bulk, %s, 1,000 a POST, 8 connections: batches per s" % what, {n: "%s" % format(v, ",.0f") for n, v in middle(done, "records_per_s").items()})
    done = turns(systems, scale, lambda s, i: s.load("-s", scale.seconds, "-P", "o%d" % i))
    sheet.add("single POST, 10 classes, one connection: p50 of the wait", {n: "%.0f us" % v for n, v in middle(done, "p50_us").items()})


def durability(sheet, systems):
    """kill -9 the moment the last answer is there; how much of what was answered is still there after a start."""
    kept = {}
    for s in systems:
        done = s.load(*SINGLE, "-s", 1, "-P", "kill")
        s.kill()
        s.start()
        time.sleep(FOUND_S)
        acknowledged = sum(r["batches"] for r in done["runs"])
        if s.keeps_history:
            stored = sum(s.count(r["run"]) for r in done["runs"])
            kept[s.name] = "%.1f %%" % (100 * stored / acknowledged)
        else:
            kept[s.name] = "%d of %d latest" % (sum(s.count(r["run"]) for r in done["runs"]), len(done["runs"]))
    sheet.add("kept after kill -9 right after the answers", kept)


def retries(sheet, systems):
    """The same batch sent twice, as a client does whose connection broke before the answer."""
    found = {}
    for s in systems:
        if s.keeps_history:
            for _ in range(2):
                s.load("-n", 1, "-P", "twice", again=True)
            time.sleep(FOUND_S)
            found[s.name] = "%d" % s.count("twice-0")
    sheet.add("one batch sent twice: counted", found)


def wait_until_found(system, run_id, batches):
    """Seconds from the last answer until a question counts all batches."""
    begin = time.monotonic()
    while system.count(run_id) != batches:
        if time.monotonic() - begin > 30:
            raise SystemExit("%s acknowledged %d batches and finds %d" % (system.name, batches, system.count(run_id)))
        time.sleep(0.1)
    return time.monotonic() - begin


def queries(sheet, systems, scale):
    many = [s for s in systems if s.keeps_history]
    done, found = {}, {}
    for s in many:
        done[s.name] = s.load("-c", 4, "-R", 1, "-S", "-r", 1000, "-n", FILL, "-e", FILL // FILL_EPOCHS, "-P", "fill")
        found[s.name] = "%.1f s" % wait_until_found(s, "fill-0", FILL)
    sheet.add("fill one run of 100,000 batches, 4 connections: batches per s", {n: format(d["records_per_s"], ",.0f") for n, d in done.items()})
    for s in many:
        expected = done[s.name]["runs"][0]
        got = s.accuracy("fill-0")
        want = expected["correct"] / expected["samples"]
        if abs(got - want) > 1e-12:
            raise SystemExit("%s answers %r, not %r" % (s.name, got, want))
    sheet.add("  all of it found by a question after", found)
    done = turns(many, scale, lambda s, i: s.ask(s.accuracy_path("fill-0", 5), scale.ask_seconds))
    sheet.add("accuracy of an epoch of 10,000 batches of 10 classes: p50", {n: "%.2f ms" % (v / 1000) for n, v in middle(done, "p50_us").items()})


def sizes(sheet, systems, scale):
    sheet.add("resident after all of this", {s.name: "%.0f MiB" % (s.memory()["rss"] / MIB) for s in systems})
    times = {}
    for s in systems:
        all_rounds = []
        for _ in range(scale.rounds):
            s.stop()
            begin = time.monotonic()
            s.start()
            s.first_answer("fill-0")
            all_rounds.append(1000 * (time.monotonic() - begin))
        times[s.name] = "%.0f ms" % statistics.median(all_rounds)
    sheet.add("start to first answer, with all of this stored", times)
    sheet.add("program", {s.name: "%.1f MiB" % (os.path.getsize(s.program) / MIB) for s in systems})


def fresh(sheet, kinds, places, others):
    """A new database each: idle memory, and the bytes of 100,000 batches on disk."""
    idle, disk = {}, {}
    for kind in kinds:
        s = kind(places, others)
        try:
            time.sleep(2)
            idle[s.name] = "%.0f MiB" % (s.memory()["rss"] / MIB)
            if s.keeps_history:
                s.load("-c", 4, "-R", 1, "-S", "-r", 1000, "-n", FILL, "-e", FILL // FILL_EPOCHS, "-P", "fill")
                s.stop()
                disk[s.name] = "%.0f B" % (s.disk() / FILL)
        finally:
            s.stop()
            shutil.rmtree(s.folder, ignore_errors=True)
    sheet.add("resident, idle, new database", idle)
    sheet.add("on disk per batch of 10 classes, 100,000 of one run", disk)


def main():
    parser = argparse.ArgumentParser()
    for name in ("tally", "programs", "others", "out"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--record")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float)
    options = parser.parse_args()
    places, scale = Places(options.tally, options.programs, options.out), Scale(False, options.rounds, options.seconds)
    kinds = (TallySystem, Victoria, Influx, Pushgateway)
    about = {**header(places, scale), "command": "make bench-others"}
    print("%(cpu)s, %(cores)d cores, %(system)s, %(file_system)s, %(date)s\n%(rounds)d rounds of %(seconds)g s" % about)
    systems, neighbours = [], Neighbours()
    try:
        sheet = Sheet([k.name for k in kinds])
        fresh(sheet, kinds, places, options.others)
        systems = [k(places, options.others) for k in kinds]
        sheet.add("version", {s.name: s.version() for s in systems})
        ingest(sheet, systems, scale)
        queries(sheet, systems, scale)
        sizes(sheet, systems, scale)
        retries(sheet, systems)
        durability(sheet, systems)
    finally:
        for s in systems:
            s.go_on()
            s.stop()
        places.remove()
    about["others_percent"] = round(neighbours.percent(), 1)
    print("other programs took %(others_percent)s %% of the processors meanwhile" % about)
    with open(os.path.join(places.out, "others.json"), "w", encoding="utf-8") as f:
        json.dump({**about, "systems": sheet.names, "rows": sheet.rows}, f, indent=1)
    with open(os.path.join(places.out, "others.md"), "w", encoding="utf-8") as f:
        f.write(sheet.markdown() + "\n")
    if options.record:
        record(options.record, "others", about, sheet.markdown())


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    main()
