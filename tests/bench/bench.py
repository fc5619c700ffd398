#!/usr/bin/env python3
"""How many batches a second: POSTs of 1, 100 and 1,000 records from several connections, then questions.

    bench.py TALLY [SECONDS]

Every answer counted came after its commit (durability full).  Figures depend on the machine and its disk; the header
says which.  Standard library only, so the client costs more CPU than the server: read the figures as lower bounds.
"""
import http.client
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time


def start(program, folder):
    process = subprocess.Popen([program, "serve", "--db", os.path.join(folder, "bench.db"), "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        found = re.match(r"listening on http://127\.0\.0\.1:(\d+)/", line)
        if found:
            return process, int(found.group(1))
    raise SystemExit("the server did not start")


def body(run_step, records, rank):
    return json.dumps([{"stage": "train", "epoch": 0, "step": run_step + i, "rank": rank, "sums": {"loss": [41.25, 32]},
                        "tp": [3] * 10, "fp": [1] * 10, "fn": [1] * 10} for i in range(records)]).encode()


def post(port, run, records, connections, seconds):
    done, stop = [0] * connections, time.monotonic() + seconds

    def work(rank):
        c, step = http.client.HTTPConnection("127.0.0.1", port), 0
        while time.monotonic() < stop:
            c.request("POST", "/api/v1/runs/%s/batches" % run, body(step, records, rank), {"Content-Type": "application/json"})
            answer = c.getresponse()
            answer.read()
            if answer.status != 200:
                raise SystemExit("status %d" % answer.status)
            step += records
            done[rank] += 1
    threads = [threading.Thread(target=work, args=(r,)) for r in range(connections)]
    begin = time.monotonic()
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return sum(done) / (time.monotonic() - begin)


def ask(port, path, seconds):
    c, n, begin = http.client.HTTPConnection("127.0.0.1", port), 0, time.monotonic()
    while time.monotonic() - begin < seconds:
        c.request("GET", path)
        answer = c.getresponse()
        answer.read()
        if answer.status != 200:
            raise SystemExit("status %d of %s" % (answer.status, path))
        n += 1
    return 1000 * (time.monotonic() - begin) / n


def main():
    program, seconds = os.path.abspath(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 3
    folder = tempfile.mkdtemp(prefix="tally-bench-")
    process, port = start(program, folder)
    try:
        print("%s, %d cores, %s, %s" % (platform.platform(), os.cpu_count(), time.strftime("%Y-%m-%d"), subprocess.run([program, "version"], stdout=subprocess.PIPE, text=True, check=False).stdout.strip()))
        for records, connections in ((1, 1), (1, 16), (100, 4), (1000, 4)):
            rate = post(port, "b%d-%d" % (records, connections), records, connections, seconds)
            print("POST %4d records, %2d connections: %8.0f requests/s %9.0f batches/s" % (records, connections, rate, rate * records))
        for path in ("epochs?metric=accuracy,f1.macro,loss&mean_of_steps=false", "epochs?metric=accuracy,f1.macro,loss", "steps?metric=accuracy,loss", "steps?metric=accuracy&window=100"):
            print("GET %-60s %8.2f ms" % (path, ask(port, "/api/v1/runs/b1000-4/" + path, seconds)))
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
