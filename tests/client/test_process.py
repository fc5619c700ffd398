"""The ends of processes: exit, exceptions, SIGTERM, fork."""
import os
import signal
import unittest

from client import NOWHERE, PACKAGE, ClientTest, wait_until

LOGS = """
    import os, signal, sys, time, tally
    run = tally.init("client", id="{0}", env=False)
    for step in range(20):
        run.log("train", 0, step, correct=1, total=2)
"""


class Ends(ClientTest):
    def job(self, tail):
        run = self.new_run("ends")
        return run, LOGS.format(run) + tail

    def test_a_program_that_just_ends_has_delivered_and_finished(self):
        run, code = self.job("")
        self.run_job(code)
        self.assertEqual((self.document(run)["status"], self.epoch(run)["batches"]), ("finished", 20))
        self.assertEqual(self.sessions(), [])

    def test_a_run_that_nothing_refers_to_any_more_is_finished_all_the_same(self):
        run, code = self.job("    del run\n    import gc\n    gc.collect()\n")
        self.run_job(code)
        self.assertEqual((self.document(run)["status"], self.epoch(run)["batches"]), ("finished", 20))

    def test_a_program_that_ends_by_an_exception_has_failed(self):
        run, code = self.job("    raise ValueError\n")
        self.run_job(code, expect=1)
        self.assertEqual((self.document(run)["status"], self.epoch(run)["batches"]), ("failed", 20))

    def test_sigterm_delivers_and_then_ends_the_process_as_before(self):
        run, code = self.job("    os.kill(os.getpid(), signal.SIGTERM)\n    time.sleep(20)\n")
        self.run_job(code, expect=-signal.SIGTERM)
        self.assertEqual((self.document(run)["status"], self.epoch(run)["batches"]), ("killed", 20))

    def test_sigterm_without_a_server_brings_the_queue_to_disk(self):
        run, code = self.job("    os.kill(os.getpid(), signal.SIGTERM)\n    time.sleep(20)\n")
        code = code.replace("    import os", "    import tally._exit\n    tally._exit.SIGTERM_SECONDS = 0.3\n    import os", 1)
        self.run_job(code, expect=-signal.SIGTERM, TALLY_URL=NOWHERE)
        self.assertIn("20 accepted", self.sync(self.spool, "--url", self.server.url))

    def test_a_handler_that_was_there_before_is_called_and_training_goes_on(self):
        run = self.new_run("chain")
        self.run_job("""
            import os, signal, sys, tally
            seen = []
            signal.signal(signal.SIGTERM, lambda number, frame: seen.append(number))
            run = tally.init("client", id="%s", env=False)
            run.log("train", 0, 0, correct=1, total=2)
            os.kill(os.getpid(), signal.SIGTERM)
            run.log("train", 0, 1, correct=1, total=2)
            sys.exit(0 if seen == [signal.SIGTERM] and run.finish() else 3)
        """ % run)
        self.assertEqual((self.document(run)["status"], self.epoch(run)["batches"]), ("finished", 2))

    def test_an_ignored_sigterm_stays_ignored(self):
        run = self.new_run("ignored")
        self.run_job("""
            import os, signal, tally
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            run = tally.init("client", id="%s", env=False)
            os.kill(os.getpid(), signal.SIGTERM)
        """ % run)


class Fork(ClientTest):
    def test_a_forked_child_has_a_queue_of_its_own(self):
        run = self.new_run("fork")
        self.run_job("""
            import os, tally
            run = tally.init("client", id="%s", env=False)
            for step in range(10):
                run.log("train", 0, step, correct=1, total=2)
            child = os.fork()
            if not child:  # what the parent had queued is the parent's
                run.log("val", 0, 0, correct=1, total=2)
                run.flush()
                os._exit(0 if run._end(None) else 4)
            for step in range(10, 20):
                run.log("train", 0, step, correct=1, total=2)
            assert os.waitpid(child, 0)[1] == 0
            assert run.finish()
            assert run._sender.courier.delivery.duplicates == 0
        """ % run)
        self.assertEqual([self.epoch(run, stage)["batches"] for stage in ("train", "val")], [20, 1])
        self.assertEqual(self.document(run)["status"], "finished")
        self.assertEqual(self.sessions(), [])

    def test_children_of_multiprocessing_deliver_without_being_asked(self):
        run = self.new_run("pool")
        self.run_job("""
            import multiprocessing, tally
            run = tally.init("client", id="%s", env=False)
            run.log("train", 0, 0, correct=1, total=2)
            def work(step):
                run.log("train", 0, step, correct=1, total=2)
            context = multiprocessing.get_context("fork")
            jobs = [context.Process(target=work, args=(step,)) for step in (1, 2, 3)]
            for job in jobs:
                job.start()
            for job in jobs:
                job.join()
            run.finish()
        """ % run)
        self.assertEqual(self.epoch(run)["batches"], 4)

    def test_a_fork_while_the_sender_is_at_work(self):
        run = self.new_run("storm")
        self.run_job("""
            import os, tally
            run = tally.init("client", id="%s", env=False)
            for step in range(2000):
                run.log("train", 0, step, correct=1, total=2)
                if step %% 200 == 0 and not os.fork():
                    os._exit(0)
            run.finish()
        """ % run)
        self.assertEqual(self.epoch(run)["batches"], 2000)


class Ranks(ClientTest):
    def test_ranks_of_one_job_come_to_the_same_run(self):
        code = """
            import tally
            run = tally.init("ranks", "job", env=False)
            run.log("train", 0, 0, correct=run.rank, total=2)
            run.finish()
            print(run.id, run.rank, run.world_size, run.attempt)
        """
        said = [self.run_job(code, RANK=rank, WORLD_SIZE=2, SLURM_JOB_ID="812", TORCHELASTIC_RUN_ID="none", SLURM_STEP_ID="0", TORCHELASTIC_RESTART_COUNT="3")[0].split()
                for rank in (0, 1)]
        self.assertEqual(said, [["job-slurm-812.0", str(rank), "2", "slurm-812.0.3"] for rank in (0, 1)])
        self.assertEqual((self.epoch("job-slurm-812.0")["ranks"], self.epoch("job-slurm-812.0")["samples"]), (2, 4))

    def test_ranks_that_a_process_starts_itself_inherit_its_run(self):
        run = """
            import os, subprocess, sys, tally
            run = tally.init("handed", rank=int(os.environ.get("LOCAL_RANK", 0)), world_size=2, env=False)
            run.log("train", 0, 0, correct=1, total=2)
            if run.rank == 0:
                done = subprocess.run([sys.executable, "-c", os.environ["CODE"]], env={**os.environ, "LOCAL_RANK": "1"}, stdout=subprocess.PIPE, check=True)
                assert done.stdout.decode().split() == [run.id, run.attempt], done.stdout
            print(run.id, run.attempt)
        """
        import textwrap
        out, _ = self.run_job(run, CODE=textwrap.dedent(run))
        wait_until(lambda: self.epoch(out.split()[0])["ranks"] == 2, what="both ranks")


class Examples(ClientTest):
    def test_plain_python(self):
        with open(os.path.join(PACKAGE, "examples", "plain_python.py"), encoding="utf-8") as f:
            self.run_job(f.read(), TALLY_RUN="plain")
        entry = self.epoch("plain", epoch=2)
        self.assertEqual((entry["samples"], entry["batches"]), (160, 10))
        self.assertGreater(entry["metrics"]["accuracy"]["value"], 0.8)


if __name__ == "__main__":
    unittest.main()
