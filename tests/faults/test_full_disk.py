"""A disk that is really full: a small tmpfs.  Needs root (or a user namespace) to mount one; skipped loudly without."""
import json
import os
import subprocess
import sys
import tempfile
import time
import unittest

from faults import FaultTest, Ledger, require, rng_of

MIB = 1 << 20
SIZE = 48 * MIB


class FullDisk(FaultTest):
    def mount(self):
        folder = tempfile.mkdtemp(prefix="tally-full-")
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%d" % SIZE, "tally-test", folder], capture_output=True, check=False)
        if done.returncode != 0:
            os.rmdir(folder)
            print("SKIPPED: no small tmpfs can be mounted (not root?): %s" % done.stderr.decode().strip(), file=sys.stderr)
            self.skipTest("cannot mount a tmpfs")
        self.addCleanup(os.rmdir, folder)
        self.addCleanup(subprocess.run, ["umount", "-l", folder], check=False)
        return folder

    @staticmethod
    def free(folder):
        fs = os.statvfs(folder)
        return fs.f_bavail * fs.f_frsize

    def fill(self, folder, leave):
        """What somebody else keeps on the disk."""
        path = os.path.join(folder, "ballast")
        with open(path, "ab") as f:
            while self.free(folder) > leave:
                f.write(bytes(min(MIB, max(4096, self.free(folder) - leave))))
                f.flush()
        return path

    def test_ingest_stops_while_a_checkpoint_still_fits_and_resumes_when_there_is_room(self):
        rng, folder = rng_of("full disk"), self.mount()
        server, ledger = self.server(folder=folder), Ledger("r")
        server.start()
        self.assertIs(ledger.send(server, [(0, 0, 0)]), True)
        ballast = self.fill(folder, leave=18 * MIB)
        step, answer = 1, True
        while answer is True:
            answer = ledger.send(server, [(rng.randrange(3), step + i, 0) for i in range(50)])
            step += 50
            require(step < 200000, "it never stopped")
        self.assertEqual(answer.status, 503, answer)
        self.assertEqual(answer.json()["type"], "urn:tally:problem:storage-full", answer)
        self.assertGreaterEqual(int(answer.headers["retry-after"]), 1)
        ready = server.get("/readyz")
        self.assertEqual((ready.status, ready.json()["type"]), (503, "urn:tally:problem:storage-full"), ready)
        self.assertEqual(server.get("/healthz").status, 200)
        room = self.free(folder)
        wal = os.path.getsize(server.db + "-wal")
        self.assertGreaterEqual(room, wal, "no room is left to move the write-ahead log into the database")
        ledger.requests.pop()  # refused: checked to be absent, as it is not in the ledger
        ledger.check(server)
        self.assertEqual(server.patch("/api/v1/runs/r", {"status": "finished"}).status, 200)  # small changes still fit
        answer = server.post("/api/v1/backup", None)
        self.assertEqual((answer.status, answer.json()["type"]), (503, "urn:tally:problem:storage-full"), answer)
        self.assertFalse([n for n in os.listdir(folder) if "backup" in n or "partial" in n], "half a backup takes the last room")
        # to the brim: now a commit may meet the end of the disk itself
        self.fill(folder, leave=64 * 1024)
        for i in range(20):
            answer = ledger.send(server, [(1, step + i, 1)])
            self.assertEqual((answer.status, answer.json()["type"]), (503, "urn:tally:problem:storage-full"), answer)
            ledger.requests.pop()
        ledger.check(server)
        os.unlink(ballast)
        start, answer = time.monotonic(), None
        while answer is not True:
            self.assertLess(time.monotonic() - start, 5, "it did not resume: %r" % answer)
            answer = ledger.send(server, [(2, step, 2)])
        resumed = time.monotonic() - start
        self.assertEqual(server.get("/readyz").status, 200)
        ledger.check(server)
        events = [json.loads(line)["event"] for line in server.log_text().splitlines()]
        self.assertLessEqual(events.count("storage-full"), 3, "one line each time it begins, not for each request: %s" % events)
        self.assertEqual(events[-1], "writing-again", events)
        self.assertEqual(server.stop(), 0)
        server.check()
        server.start()
        ledger.check(server)
        self.assertEqual(server.stop(), 0)
        print("full disk: stopped with %.1f MiB free and a WAL of %.1f MiB; resumed after %.2f s; nothing acknowledged is lost"
              % (room / MIB, wal / MIB, resumed), file=sys.stderr)


if __name__ == "__main__":
    unittest.main()
