#!/usr/bin/env python3
"""Run the libFuzzer targets, each from its corpus, and say what came of it.

    campaign.py --programs DIR (--seconds S | --runs N) [--jobs 2] TARGET...
    campaign.py --programs DIR --merge TARGET...

A row for each target: inputs, seconds, inputs a second of CPU time, how many files of its corpus and of what was found since.  The
exit code is 1 when one of them crashed, leaked, hung or disagreed; the input that did it is named and kept.
"""
import argparse
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
CORPUS = os.path.join(HERE, "corpus")
TIMEOUT_S = 10
# the longest input; short ones are quicker, and reach as much
MAX_LEN = {"archive": 2048, "filter": 256, "gzip": 2048, "head": 1024, "query": 512, "run": 1024, "state": 512}
MAX_LEN_OTHERS = 1024
DICT = {"differential": "record", "filter": "query"}
# libFuzzer's weighing of rare features costs these more than it finds: one makes its own inputs, the other has many edges
NOT_ENTROPIC = ("differential", "state")


def options(target):
    out = ["-max_len=%d" % MAX_LEN.get(target, MAX_LEN_OTHERS), "-entropic=%d" % (target not in NOT_ENTROPIC)]
    words = os.path.join(HERE, DICT.get(target, target) + ".dict")
    return out + ["-dict=" + words] if os.path.exists(words) else out


def folders(programs, target):
    """Where new inputs go, and the corpus."""
    work, corpus = os.path.join(programs, "work", target), os.path.join(CORPUS, target)
    os.makedirs(work, exist_ok=True)
    os.makedirs(corpus, exist_ok=True)
    return work, corpus


def count(folder):
    return len(os.listdir(folder))


def run(programs, target, bound):
    """(target, inputs, seconds, row, tail of the output if it failed)"""
    work, corpus = folders(programs, target)
    artifacts = os.path.join(programs, "found-%s-" % target)
    command = [os.path.join(programs, "fuzz_" + target), bound, "-timeout=%d" % TIMEOUT_S, "-rss_limit_mb=2048", "-print_final_stats=1",
               "-artifact_prefix=" + artifacts, *options(target), work, corpus]
    start = time.monotonic()
    with open(os.path.join(programs, target + ".log"), "w+", encoding="utf-8", errors="replace") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = code = os.waitstatus_to_exitcode(status)
        log.seek(0)
        text = log.read()
    seconds = time.monotonic() - start
    found = re.search(r"stat::number_of_executed_units:\s+(\d+)", text)
    inputs = int(found.group(1)) if found else 0
    edges = re.findall(r"cov: (\d+)", text)
    cpu = used.ru_utime + used.ru_stime
    row = "%-13s %11d inputs %6.0f s %8.0f a CPU second   %s edges, corpus %d + %d files   %s" % (
        target, inputs, seconds, inputs / max(cpu, 0.01), edges[-1] if edges else "?", count(corpus), count(work), "ok" if code == 0 else "FAILED (%d)" % code)
    said = re.findall(r"^\d+ inputs, 0 disagreements.*$", text, re.M)
    return row + ("\n              " + said[-1] if said else ""), "" if code == 0 else text[-6000:] + "\n" + " ".join(command)


def merge(programs, target):
    """By edges alone, not how often they are passed: fewer files.  Files that somebody has named are kept."""
    work, corpus = folders(programs, target)
    smallest = os.path.join(programs, "merged", target)
    shutil.rmtree(smallest, ignore_errors=True)
    os.makedirs(smallest)
    for name in os.listdir(corpus):
        if not re.fullmatch("[0-9a-f]{40}", name):
            shutil.copy(os.path.join(corpus, name), smallest)
    command = [os.path.join(programs, "fuzz_" + target), "-merge=1", "-use_counters=0", *options(target), smallest, corpus, work]
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    shutil.rmtree(corpus)
    shutil.copytree(smallest, corpus)
    size = sum(os.path.getsize(os.path.join(corpus, name)) for name in os.listdir(corpus))
    print("%-13s %4d files, %d bytes" % (target, count(corpus), size), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--programs", required=True)
    parser.add_argument("--seconds", type=int)
    parser.add_argument("--runs", type=int)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--merge", action="store_true")
    parser.add_argument("targets", nargs="+")
    a = parser.parse_args()
    if a.merge:
        for target in a.targets:
            merge(a.programs, target)
        return 0
    bound = "-runs=%d" % a.runs if a.runs else "-max_total_time=%d" % a.seconds
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(a.jobs) as pool:
        waiting = [pool.submit(run, a.programs, target, bound) for target in a.targets]
        for done in concurrent.futures.as_completed(waiting):
            row, why = done.result()
            print(row, flush=True)
            if why:
                print(why, flush=True)
                failed += 1
    print("%d targets, %d failed" % (len(a.targets), failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
