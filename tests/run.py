#!/usr/bin/env python3
"""Run test suites one after the other and sum their counts.

    run.py [--san PREFIX] NAME=COMMAND ...

Every suite runs, even after one has failed.  What a suite prints goes through; its counts are read from it: Criterion
("Synthesis: Tested: 9 | Passing: 9 | Failing: 0 | Crashing: 0"), unittest ("Ran 9 tests", "FAILED (failures=1)") and
node --test ("# pass 9", "# fail 0").  A suite that ends badly without saying so counts as one failure, and so does a
report of a sanitizer: files PREFIX.* (ASAN_OPTIONS=log_path=PREFIX), which Criterion would let pass.

The last line is exactly "N passed, N failed"; the exit code is 1 if any failed.
"""
import glob
import os
import re
import subprocess
import sys
import time

ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
CRITERION = re.compile(r"Synthesis: Tested: (\d+) \| Passing: (\d+) \| Failing: (\d+) \| Crashing: (\d+)")
UNITTEST = re.compile(r"^Ran (\d+) tests? in")
UNITTEST_BAD = re.compile(r"^FAILED \((.*)\)|^OK \((.*)\)")
NODE = re.compile(r"^(?:#|ℹ) (pass|fail|cancelled) (\d+)")


class Counts:
    """Passed and failed of one suite, read from its output line by line."""

    def __init__(self):
        self.passed = self.failed = self.ran = 0

    def read(self, line):
        line = ANSI.sub("", line).rstrip()
        found = CRITERION.search(line)
        if found:
            _, passing, failing, crashing = map(int, found.groups())
            self.passed += passing
            self.failed += failing + crashing
        found = UNITTEST.match(line)
        if found:
            self.ran = int(found.group(1))
            self.passed += self.ran
        found = UNITTEST_BAD.match(line)
        if found and self.ran:
            words = dict(re.findall(r"([a-z ]+)=(\d+)", found.group(1) or found.group(2)))
            words = {k.strip(): int(v) for k, v in words.items()}
            bad = words.get("failures", 0) + words.get("errors", 0) + words.get("unexpected successes", 0)
            self.failed += bad
            self.passed = max(0, self.passed - bad - words.get("skipped", 0))
            self.ran = 0
        found = NODE.match(line)
        if found:
            if found.group(1) == "pass":
                self.passed += int(found.group(2))
            else:
                self.failed += int(found.group(2))


def run(command):
    counts = Counts()
    process = subprocess.Popen(["sh", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    for raw in process.stdout:
        sys.stdout.buffer.write(raw)
        sys.stdout.flush()
        counts.read(raw.decode("utf-8", "replace"))
    code = process.wait()
    if code and not counts.failed:
        print("the suite ended with %d" % code)
        counts.failed += 1
    if not counts.passed and not counts.failed:
        print("the suite ran no test")
        counts.failed += 1
    return counts


def reports(prefix):
    """Sanitizer reports, printed and removed."""
    found = sorted(glob.glob(prefix + ".*")) if prefix else []
    for path in found:
        with open(path, encoding="utf-8", errors="replace") as f:
            print(f.read()[:6000])
        os.unlink(path)
    return len(found)


def main(arguments):
    prefix = None
    if arguments[:1] == ["--san"]:
        prefix, arguments = arguments[1], arguments[2:]
        reports(prefix)
    table = []
    for argument in arguments:
        name, _, command = argument.partition("=")
        print("\n==== %s" % name, flush=True)
        start = time.monotonic()
        counts = run(command)
        counts.failed += reports(prefix)
        table.append((name, counts.passed, counts.failed, time.monotonic() - start))
    print()
    for name, passed, failed, seconds in table:
        print("%-12s %5d passed %4d failed %7.1f s" % (name, passed, failed, seconds))
    failed = sum(row[2] for row in table)
    print("%d passed, %d failed" % (sum(row[1] for row in table), failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
