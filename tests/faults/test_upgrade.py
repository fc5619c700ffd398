"""An upgrade that is interrupted: the database is that of before it or of after it, and the next start completes it.

kill -9 at each statement that SQLite runs from the opening to the end, and at each operation that it asks of the disk; a power cut
at any of these, with what was not synced there, missing or torn.
"""
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import unittest

from faults import DIE, Disk, FaultTest, Shim, quick_folder, read_log, require, rng_of, size_of
from tally_server import TALLY_BIN, environment, run_tally
from upgrade import dump, restore, schema_files, version_of, versions

INDEXES = size_of("INDEXES", 6)  # of statements and of operations of each schema; 0: every one
NOTHING = b'{"tally":"export","version":1}\n{"end":{"runs":0,"records":0}}\n'
POINTS = size_of("POINTS", 9)    # power cuts


class Upgrade(FaultTest):
    def setUp(self):
        self.folder = quick_folder()
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.db = os.path.join(self.folder, "tally.db")
        self.between = {}  # (from, schema reached) -> the database

    def begin(self, version, record=False):
        """The database of that schema, alone in its folder."""
        for name in os.listdir(self.folder):
            os.unlink(os.path.join(self.folder, name))
        restore(version, self.db)
        return Shim(self.folder, record)

    def upgrade(self, shim):
        """An import of nothing opens it as a server does, brings it up to date and closes it: how it ended."""
        done = subprocess.run([TALLY_BIN, "import", "--db", self.db, "-"], env=environment(shim.env()), input=NOTHING, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=60, check=False)
        require(done.returncode in (0, -signal.SIGKILL), "exit %d: %s%s" % (done.returncode, done.stdout, done.stderr))
        return done.returncode

    def undisturbed(self, version):
        """What it becomes; how many statements and operations that takes."""
        shim = self.begin(version)
        require(self.upgrade(shim) == 0, "killed by nobody")
        return dump(self.db), shim.statements, shim.operations

    def is_whole(self, version, complete):
        """What is there, as whoever opens it finds it: a copy is opened, so that the log stays as it is."""
        copy = os.path.join(self.folder, "seen")
        for end in ("", "-wal", "-journal"):
            if os.path.exists(self.db + end):
                shutil.copy(self.db + end, copy + end)
        now = version_of(copy)
        if now == max(schema_files()):
            # what follows the last step of the schema may not be done yet: the rows are
            require(dump(copy) == complete, "it says that it is up to date, and is not")
        elif now == version:
            restore(version, copy + ".fixture")
            require(dump(copy) == dump(copy + ".fixture"), "it says that it is what it was, and is not")
            os.unlink(copy + ".fixture")
        else:
            require(version < now < max(schema_files()), "it says that it is of schema %d" % now)
            require(self.between.setdefault((version, now), dump(copy)) == dump(copy), "of schema %d it is this or that, by when it was killed" % now)
        for end in ("", "-wal", "-shm", "-journal"):
            if os.path.exists(copy + end):
                os.unlink(copy + end)
        return now

    def completes(self, complete):
        code, out, err = run_tally("check", "--db", self.db, timeout=60)
        require((code, err) == (0, ""), "the next start: %s%s" % (out, err))
        require(dump(self.db) == complete, "the next start does not complete it")

    def test_a_kill_at_any_statement_or_operation_leaves_it_as_it_was_or_complete(self):
        rng, n, seen = rng_of("upgrade"), 0, {}
        for version in versions():
            complete, statements, operations = self.undisturbed(version)
            for what, total in (("statement", statements), ("operation", operations)):
                for at in sorted(rng.sample(range(total), min(INDEXES, total))) if INDEXES else range(total):
                    shim = self.begin(version)
                    if what == "statement":
                        shim.die_at_statement(at)
                    else:
                        shim.arm(at, DIE)
                    try:
                        require(self.upgrade(shim) == -signal.SIGKILL, "it was not killed")
                        now = self.is_whole(version, complete)
                        seen[now] = seen.get(now, 0) + 1
                        self.completes(complete)
                    except (AssertionError, sqlite3.Error) as e:
                        raise AssertionError("schema %d, killed at %s %d of %d: %s" % (version, what, at, total, e)) from e
                    n += 1
        print("upgrade: killed at %d statements and operations; schemas found: %s" % (n, seen), file=sys.stderr)

    def test_a_power_cut_at_any_operation_leaves_what_the_next_start_completes(self):
        rng, n = rng_of("upgrade and power"), 0
        for version in versions():
            shim = self.begin(version, record=True)
            with open(self.db, "rb") as f:
                disk = Disk(f.read())
            require(self.upgrade(shim) == 0, "killed by nobody")
            complete, log, done = dump(self.db), read_log(shim.log), 0
            for point in sorted(rng.randrange(len(log) + 1) for _ in range(max(1, POINTS // len(versions())))):
                while done < point:
                    disk.step(log[done])
                    done += 1
                for name in os.listdir(self.folder):
                    os.unlink(os.path.join(self.folder, name))
                mode = disk.cut(rng, self.folder)
                try:
                    self.completes(complete)
                except AssertionError as e:
                    raise AssertionError("schema %d, cut after operation %d of %d, %s unsynced: %s" % (version, point, len(log), mode, e)) from e
                n += 1
        print("upgrade: %d power cuts, completed by the next start" % n, file=sys.stderr)


if __name__ == "__main__":
    unittest.main()
