"""A power cut at any moment: a run of the real server is recorded, and from any prefix of what it asked of the disk a
disk is made on which unsynced writes are there, missing or torn.  The server opens it, and all that was acknowledged
before the cut is there."""
import os
import shutil
import sys
import threading
import time
import unittest

from faults import EPOCHS, Disk, FaultTest, Ledger, quick_folder, read_log, require, rng_of, size_of

CLIENTS = 3
POINTS = size_of("POINTS", 20)
REQUESTS = 40 if POINTS < 200 else 400  # of a client in each of three lives; the long form fills more than one checkpoint


def work(server, shim, ledger, rank, rng, step):
    """One client: small requests and large ones, and some so large that another thread syncs them; a pause now and then
    lets the server checkpoint."""
    for i in range(REQUESTS):
        n = rng.choice((1, 1, 1, 2, 2, 30, 30, 600))
        ledger.send(server, [(rng.randrange(EPOCHS), step + j, rank) for j in range(n)], lambda: shim.operations)
        step += n
        if rank == 0 and i == REQUESTS // 2:
            time.sleep(0.7)
    return step


class PowerCut(FaultTest):
    def record(self, rng):
        """Three lives of a server, one ended by kill -9 and one by SIGTERM: the log and the ledgers."""
        server, shim = self.shimmed_server(record=True)
        ledgers = [Ledger("run%d" % rank) for rank in range(CLIENTS)]
        steps = [0] * CLIENTS
        self.addCleanup(shutil.rmtree, server.folder, ignore_errors=True)
        for life in range(3):
            server.start()
            threads = []
            for rank, ledger in enumerate(ledgers):
                def go(rank=rank, ledger=ledger, seed=rng.random()):
                    steps[rank] = work(server, shim, ledger, rank, type(rng)(seed), steps[rank])
                threads.append(threading.Thread(target=go))
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            (server.kill if life == 0 else server.stop)()
        log = read_log(shim.log)
        require(len(log) == shim.operations, "the log is not complete")
        require(all(r["acknowledged"] is not None for ledger in ledgers for r in ledger.requests), "a request was refused")
        return log, ledgers

    def reopen(self, folder, ledgers, until, in_full):
        """The real server on this disk: all that was acknowledged by then; then it is checked as a whole (so that the sums
        are those of the batches)."""
        server = self.server(folder=folder)
        server.start()
        for ledger in ledgers:
            ledger.check_sums(server, until)
            if in_full:
                ledger.check(server, until)
        self.end(server)
        server.check()

    def test_nothing_acknowledged_is_lost_wherever_the_power_is_cut(self):
        rng = rng_of("power cut")
        log, ledgers = self.record(rng)
        # a third of them early: while the database is made there is the least to fall back on
        points = sorted(rng.randrange(1 + (len(log) if i % 3 else min(len(log), 200))) for i in range(POINTS))
        disk, done = Disk(), 0
        for i, point in enumerate(points):
            while done < point:
                disk.step(log[done])
                done += 1
            folder = quick_folder()
            mode = disk.cut(rng, folder)
            try:
                self.reopen(folder, ledgers, point, i % 10 == 0)
            except (AssertionError, RuntimeError) as e:
                raise AssertionError("cut after operation %d of %d, %s unsynced: %s; the disk is left in %s"
                                     % (point, len(log), mode, e, folder)) from e
            shutil.rmtree(folder)
        print("power cut: %d cut points in %d operations, %d requests: nothing acknowledged is lost"
              % (POINTS, len(log), sum(len(l.requests) for l in ledgers)), file=sys.stderr)


if __name__ == "__main__":
    unittest.main()
