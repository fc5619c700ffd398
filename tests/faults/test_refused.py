"""The disk refuses one write or sync, at every index of a run of 200 requests: no answer says more than the disk holds.

EIO: the store is read-only from then on (a failed sync is never tried again), reads go on, and what is found after a
restart is all that was acknowledged, even where the kernel threw the unsynced pages away.  ENOSPC: requests are refused
while it lasts, and taken again after it, without a restart; but a failed sync is one, whatever its reason.
"""
import errno
import random
import shutil
import sys
import time
import unittest

from faults import OP_SYNC, OP_TRUNCATE, Disk, FaultTest, Ledger, quick_folder, read_log, require, rng_of, size_of

REQUESTS = 200
PAUSE_AFTER = 180                # for a checkpoint
INDEXES = size_of("INDEXES", 8)  # of EIO; 0: every one
STRIDE = 41                      # operations from one ENOSPC to the next
SHORTAGES = size_of("SHORTAGES", 1)  # runs with ENOSPC at every 41st operation, each from another one on; STRIDE: every one
SHORTAGE = 3                     # operations that it lasts
AT_START = 130                   # operations that make the database
UNTIL_SURE = 8                   # refusals in a row: it is for good


def keys_of(i, rng):
    return [(0, i * 1000 + j, 0) for j in range(rng.choice((1, 1, 2, 2, 25, 25, 600)))]


def code_of(answer):
    require(answer.status == 503, repr(answer))
    return answer.json()["type"].split(":")[-1]


def check_reads(server, failed):
    """Reads go on, and /readyz says how things are (None: it may have failed since)."""
    for path, absent in (("/api/v1/runs", 200), ("/api/v1/runs/r/epochs?metric=accuracy", 404)):
        status = server.get(path).status
        require(status in (200, absent), "%s: %d" % (path, status))
    ready = server.get("/readyz")
    if failed is not None:
        require(ready.status == (503 if failed else 200), "%r\n%s" % (ready, server.log_text()[-3000:]))
        require(not failed or code_of(ready) == "storage-failed", repr(ready))


class Refused(FaultTest):
    def check_restart(self, folder, ledger):
        """The ledger holds, all is well, and what was refused can be sent again, once."""
        server = self.server(folder=folder)
        server.start()
        ledger.check(server)
        for r in ledger.requests[-UNTIL_SURE - 1:]:
            require(ledger.send_again(server, r) is True, "not clean after a restart")
        ledger.check(server)
        self.end(server)
        server.check()

    def start(self, server):
        """False: the fault ends the start, and it says why."""
        try:
            server.start()
            return True
        except RuntimeError as e:
            require("tally: " in str(e) and server.process.returncode == 1, "it did not start: %s" % e)
            return False

    def run_requests(self, server, shim):
        """The run, always the same, until it is refused for good: the ledger and the refusals."""
        ledger, refusals, rng = Ledger("r"), [], random.Random(1)
        for i in range(REQUESTS):
            answer = ledger.send(server, keys_of(i, rng))
            require(answer is not None, "no answer: the server died: " + server.log_text()[-2000:])
            if answer is not True:
                refusals.append(code_of(answer))
                if len(refusals) == UNTIL_SURE:
                    break
            if i == PAUSE_AFTER and not shim.refused:
                time.sleep(0.6)
        return ledger, refusals

    def one_failure(self, at, rng):
        """EIO at one operation, kill -9 or power cut, restart."""
        server, shim = self.shimmed_server(record=True, folder=quick_folder())
        ledger, refusals = Ledger("r"), []
        shim.arm(at, errno.EIO)
        if self.start(server):
            ledger, refusals = self.run_requests(server, shim)
            require(set(refusals) <= {"storage-failed"}, "refused with %s" % refusals)
            # once refused always refused: nothing is tried again as if nothing had happened
            require(len(refusals) in (0, UNTIL_SURE) or ledger.requests[-1]["acknowledged"] is None, "it went on writing")
            check_reads(server, bool(refusals) or server.get("/readyz").status == 503)
            logged = server.log_text().count('"event":"commit-failed"')
            require(logged <= 1, "one failure was logged %d times:\n%s" % (logged, server.log_text()))
            self.end(server)
        if rng.random() < 0.5:
            disk = Disk()
            for operation in read_log(shim.log):
                disk.step(operation)
            disk.cut(rng, server.folder)
        self.check_restart(server.folder, ledger)
        shutil.rmtree(server.folder)
        return shim.refused > 0

    def test_after_a_failure_nothing_is_written_and_nothing_acknowledged_is_lost(self):
        rng = rng_of("refused")
        server, shim = self.shimmed_server(folder=quick_folder())
        server.start()  # without faults: how many indexes there are
        ledger, refusals = self.run_requests(server, shim)
        self.assertEqual(refusals, [])
        ledger.check(server)
        total = shim.operations
        server.close()
        # half of a short form within the start, where each operation is one of a kind
        some = lambda: rng.sample(range(AT_START), INDEXES // 2) + rng.sample(range(AT_START, total), INDEXES - INDEXES // 2)
        indexes, hit = sorted(some()) if INDEXES else range(total), 0
        for at in indexes:
            try:
                hit += self.one_failure(at, rng)
            except (AssertionError, RuntimeError) as e:
                raise AssertionError("EIO at operation %d of %d: %s" % (at, total, e)) from e
        print("refused: EIO at %d of %d operations (%d came to pass): read-only, reads go on, nothing acknowledged is lost"
              % (len(indexes), total, hit), file=sys.stderr)
        self.assertGreaterEqual(hit, len(indexes) * 0.5)  # those of a checkpoint at the end may not come to pass

    def send_until_taken(self, server, shim, ledger, keys):
        """One request, sent again while it is refused.  False: it is refused for good, which only a failed sync may do."""
        answer = ledger.send(server, keys)
        for _ in range(SHORTAGE):
            if answer is True:
                return True
            require(answer is not None, "no answer: the server died: " + server.log_text()[-2000:])
            if code_of(answer) == "storage-failed":
                # a truncation makes a file shorter: where that fails the disk is not full but broken
                require(shim.was_refused(OP_SYNC) or shim.was_refused(OP_TRUNCATE), "a full disk is not a failed one: %s" % server.log_text()[-2000:])
                check_reads(server, True)
                return False
            # a checkpoint may have met the same shortage since, and failed at its sync
            check_reads(server, None if shim.was_refused(OP_SYNC) or shim.was_refused(OP_TRUNCATE) else False)
            answer = ledger.send_again(server, ledger.requests[-1])
        require(answer is True, "it did not resume: %r" % answer)
        return True

    def shortages(self, first, rng):
        """A run in which the disk is full at every STRIDEth operation: how many of them there were."""
        server, shim = self.shimmed_server(folder=quick_folder())
        ledger, hits, at = Ledger("r"), 0, first
        shim.arm(at, errno.ENOSPC, SHORTAGE)
        while not self.start(server):
            pass
        for i in range(REQUESTS):
            if not self.send_until_taken(server, shim, ledger, keys_of(i, rng)):
                shim.disarm()
                shim.forget()
                server.kill()
                server.start()
                require(self.send_until_taken(server, shim, ledger, ledger.requests.pop()["keys"]), "not clean after a restart")
            while shim.operations >= at + SHORTAGE:
                hits += shim.refused > 0
                at += STRIDE
                shim.arm(at, errno.ENOSPC, SHORTAGE)
            if i == PAUSE_AFTER:
                time.sleep(0.6)
        ledger.check(server)
        server.close()
        return hits

    def test_a_full_disk_refuses_and_the_server_resumes_by_itself(self):
        rng, hits = rng_of("full"), 0
        offsets = range(STRIDE) if SHORTAGES >= STRIDE else rng.sample(range(STRIDE), SHORTAGES)
        for first in offsets:
            try:
                hits += self.shortages(first, rng)
            except (AssertionError, RuntimeError) as e:
                raise AssertionError("ENOSPC at every %dth operation from %d on: %s" % (STRIDE, first, e)) from e
        print("full: ENOSPC %d times in %d runs: refused, resumed by itself, nothing acknowledged is lost" % (hits, len(offsets)), file=sys.stderr)
        self.assertGreater(hits, 10 * len(offsets))


if __name__ == "__main__":
    unittest.main()
