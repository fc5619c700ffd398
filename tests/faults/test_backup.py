"""Backups while clients write, by the command and over HTTP: each is one moment of the database, and a server starts on it."""
import os
import shutil
import sqlite3
import sys
import threading
import time
import unittest

from faults import EPOCHS, FaultTest, Ledger, quick_folder, require, rng_of, run_tally, size_of

BACKUPS = size_of("BACKUPS", 4)
PAUSE = size_of("PAUSE", 0)  # seconds between two
CLIENTS = 4


class Backup(FaultTest):
    def load(self, server, ledger, rank, rng, done):
        step = 0
        while not done.is_set():
            n = rng.choice((1, 1, 5, 40))
            answer = ledger.send(server, [(rng.randrange(EPOCHS), step + i, rank) for i in range(n)], time.monotonic)
            if answer is not True:
                raise AssertionError("refused under load: %r" % answer)
            step += n
            done.wait(0.002 if PAUSE == 0 else 0.05)

    def take(self, server, i, folder):
        """One backup, by turns over HTTP and by the command."""
        target = os.path.join(folder, "tally.db")
        if i % 2 == 0:
            answer = server.post("/api/v1/backup", None)
            require(answer.status == 201, repr(answer))
            require(os.path.getsize(answer.json()["file"]) == answer.json()["bytes"], repr(answer))
            shutil.move(answer.json()["file"], target)
        else:
            code, out, err = run_tally("backup", "--db", server.db, target, timeout=60)
            require((code, err) == (0, "") and out.startswith(target), out + err)
        require(os.stat(target).st_mode & 0o777 == 0o600, "the backup is not private")

    def verify(self, folder, ledgers, begun, ended):
        """What was acknowledged before it began is in it, nothing sent after it ended, and of each client a prefix."""
        db = sqlite3.connect("file:%s/tally.db?mode=ro" % folder, uri=True)
        self.assertEqual(db.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
        db.close()
        server = self.server(folder=folder)
        server.start()
        for ledger in ledgers:
            moment = Ledger(ledger.run)
            moment.requests = [dict(r, acknowledged=r["acknowledged"] if r["acknowledged"] and r["acknowledged"] <= begun else None)
                               for r in list(ledger.requests) if r["sent"] <= ended]
            n = moment.check(server)
            sizes, at = {0}, 0
            for r in moment.requests:
                at += len(r["keys"])
                sizes.add(at)
            self.assertIn(n, sizes, "not a prefix of what %s sent" % ledger.run)
            self.assertEqual(server.log_batches(ledger.run, [{"stage": "after", "epoch": 0, "step": 0, "correct": 1, "total": 1}]).status, 200)
        self.assertEqual(server.stop(), 0)
        server.check()
        shutil.rmtree(folder)

    def round(self, server, rng, i):
        """Clients write into new runs while one backup is taken; how many requests they made."""
        ledgers = [Ledger("run%d-%d" % (i, rank)) for rank in range(CLIENTS)]
        done, failures = threading.Event(), []

        def work(rank, seed):
            try:
                self.load(server, ledgers[rank], rank, type(rng)(seed), done)
            except BaseException as e:
                failures.append(e)
        threads = [threading.Thread(target=work, args=(rank, rng.random())) for rank in range(CLIENTS)]
        for t in threads:
            t.start()
        folder = quick_folder()
        try:
            time.sleep(PAUSE or 0.15)
            begun = time.monotonic()
            self.take(server, i, folder)
            ended = time.monotonic()
        finally:
            done.set()
            for t in threads:
                t.join()
        self.assertEqual(failures, [])
        self.verify(folder, ledgers, begun, ended)
        for ledger in ledgers:
            ledger.check(server)
        return sum(len(l.requests) for l in ledgers)

    def test_backups_under_load_are_whole_and_start(self):
        rng, server = rng_of("backup"), self.server()
        server.start()
        requests = sum(self.round(server, rng, i) for i in range(BACKUPS))
        self.assertEqual(sorted(n for n in os.listdir(server.folder) if n.startswith("tally.db")), ["tally.db", "tally.db-shm", "tally.db-wal", "tally.db.lock"])
        print("backup: %d backups under load, %d requests: whole, consistent, and a server starts on each" % (BACKUPS, requests), file=sys.stderr)
        server.close()


if __name__ == "__main__":
    unittest.main()
