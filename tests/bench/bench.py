#!/usr/bin/env python3
"""The goals of docs/performance.md, measured: each a ratio within one run, medians of rounds that take turns.

    bench.py --tally PROGRAM --programs FOLDER --out FOLDER [--full] [--only PART,PART | --record DOCUMENT] [--rounds N] [--seconds S]

Prints a table, writes OUT/bench.json and OUT/bench.md, and puts the table of a whole run into DOCUMENT.  Standard library only; the load comes from C programs.
"""
import argparse
import os
import platform
import subprocess
import sys
import time

import ingest_rows
import query_rows
from programs import Places
from table import Table, record

PARTS = {"single": ingest_rows.single, "jobs": ingest_rows.many_runs, "bulk": ingest_rows.bulk, "one": ingest_rows.one_connection, "query": query_rows.queries,
         "loss": query_rows.with_loss, "runs": query_rows.runs_list, "idle": query_rows.idle}


class Scale:
    """How much: the quick run for development, the full one for the record."""

    def __init__(self, full, rounds, seconds):
        self.full = full
        self.rounds = rounds or 5
        self.seconds = seconds or (3 if full else 2)
        self.ask_seconds = 1 if full else 0.4
        self.big, self.middle = (10000000, 1000000) if full else (300000, 30000)
        self.big_name, self.middle_name = ("10 M", "1 M") if full else ("300 k", "30 k")


def cpu_model():
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        return next((line.split(":", 1)[1].strip() for line in f if line.startswith("model name")), platform.machine())


def file_system(path):
    done = subprocess.run(["df", "--output=fstype", path], stdout=subprocess.PIPE, text=True, check=False)
    return done.stdout.split()[-1] if done.returncode == 0 else "?"


def cpu_ticks():
    """Clock ticks of the machine so far: spent in programs, and all."""
    with open("/proc/stat", encoding="ascii") as f:
        user, nice, system, *rest = (int(x) for x in f.readline().split()[1:9])
    return user + nice + system, user + nice + system + sum(rest)


class Neighbours:
    """How much of the machine other programs took meanwhile.  Every child of ours has ended and was waited for by then."""

    def __init__(self):
        self.busy, self.all = cpu_ticks()

    def percent(self):
        busy, everything = cpu_ticks()
        ours = sum(os.times()[:4]) * os.sysconf("SC_CLK_TCK")
        return max(0.0, 100 * (busy - self.busy - ours) / max(1, everything - self.all))


def header(places, scale):
    version = subprocess.run([places.tally, "version"], stdout=subprocess.PIPE, text=True, check=False).stdout.strip()
    return {"mode": "full" if scale.full else "quick", "date": time.strftime("%Y-%m-%d %H:%M"), "cpu": cpu_model(), "cores": os.cpu_count(),
            "system": platform.platform(), "file_system": file_system(places.folder), "program": version, "rounds": scale.rounds, "seconds": scale.seconds,
            "command": "make bench" + (" FULL=1" if scale.full else "")}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tally", required=True)
    parser.add_argument("--programs", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--only")
    parser.add_argument("--record")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float)
    options = parser.parse_args()
    places, scale, table = Places(options.tally, options.programs, options.out), Scale(options.full, options.rounds, options.seconds), Table()
    parts = options.only.split(",") if options.only else list(PARTS)
    unknown = [p for p in parts if p not in PARTS]
    if unknown:
        sys.exit("no such part: %s; there is %s" % (", ".join(unknown), ", ".join(PARTS)))
    about = header(places, scale)
    print("%(mode)s run: %(cpu)s, %(cores)d cores, %(system)s, %(file_system)s, %(date)s, %(program)s\n%(rounds)d rounds of %(seconds)g s" % about)
    if file_system(places.folder) == "tmpfs":
        print("the databases lie in memory: what is compared with the disk means nothing")
    neighbours = Neighbours()
    try:
        for part in parts:
            PARTS[part](places, table, scale)
    finally:
        places.remove()
    about["others_percent"] = round(neighbours.percent(), 1)
    table.dump(os.path.join(places.out, "bench.json"), about)
    with open(os.path.join(places.out, "bench.md"), "w", encoding="utf-8") as f:
        f.write(table.markdown() + "\n")
    if options.record and not options.only:
        record(options.record, "bench", about, table.markdown())
    missed = [r["key"] for r in table.rows if r["met"] is False]
    print("other programs took %(others_percent)s %% of the processors meanwhile" % about + (": measure again on a quiet machine" if about["others_percent"] > 5 else ""))
    print("%s run: %d goals met, %d not met%s" % (about["mode"], sum(r["met"] is True for r in table.rows), len(missed), ": " + ", ".join(missed) if missed else ""))


if __name__ == "__main__":
    main()
