"""What the tests of the C client share: a real server, jobs that do as they are told, and the Python client where the repository has it."""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests", "api"))
from tally_server import ApiTest, TallyServer, wait_until  # noqa: E402  pylint: disable=wrong-import-position

__all__ = ["ClientTest", "TallyServer", "ROOT", "NOWHERE", "DIGITS", "program", "job_environment", "needs_python_client", "wait_until"]
PROGRAMS = os.environ.get("CLIENT_C", os.path.join(ROOT, "build", "client_c"))
PYTHON_CLIENT = os.environ.get("PYTHON_CLIENT", os.path.join(ROOT, "clients", "python"))
DIGITS = os.path.join(ROOT, "tests", "data", "digits.csv.gz")
VARIANT = os.environ.get("CLIENT_C_JOB", "job-asan")  # job-tsan: all of it under the thread sanitizer
NOWHERE = "http://127.0.0.1:9"  # the port "discard": nobody listens
LAUNCHERS = ("TALLY", "_TALLY", "RANK", "WORLD_SIZE", "LOCAL_", "SLURM_", "TORCHELASTIC_", "OMPI_", "PMI", "LSB_", "PBS_", "FLUX_", "JOB_ID")
SANITIZER = re.compile(r"Sanitizer|runtime error:")


def needs_python_client(test):
    if os.path.exists(os.path.join(PYTHON_CLIENT, "tally", "cli.py")):
        return test
    print("\nNOT RUN: %s: there is no Python client in clients/python" % test.__name__, file=sys.stderr)
    return unittest.skip("there is no Python client in clients/python")(test)


def program(name):
    return os.path.join(PROGRAMS, name)


def job_environment(**extra):
    env = {k: v for k, v in os.environ.items() if not k.startswith(LAUNCHERS)}
    env.update({"PYTHONPATH": PYTHON_CLIENT, "ASAN_OPTIONS": "detect_leaks=1", "TSAN_OPTIONS": "halt_on_error=0:die_after_fork=0", **{k: str(v) for k, v in extra.items()}})
    return env


class Job:
    """A process of job.c under a sanitizer."""

    def __init__(self, env, name):
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen([program(name)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, env=env)

    def tell(self, text):
        self.process.stdin.write(text.encode() if isinstance(text, str) else text)
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def ask(self, text):
        """What it answers, without the command's name; one number as a number."""
        self.tell(text)
        line = self.process.stdout.readline().decode()
        if not line:
            raise AssertionError("the job ended at %r: %s" % (text, self.stderr()))
        answer = line.rstrip("\n").partition(" ")[2]
        return int(answer) if re.fullmatch(r"-?\d+", answer) else answer

    def open(self, **options):
        for name, value in options.items():
            self.ask("option %s %s" % (name, value))
        code, _, run = self.ask("open").partition(" ")
        if code != "0":
            raise AssertionError("open: " + code)
        return run

    def log(self, stage="train", epoch=0, step=0, **fields):
        """Several means or values: a list."""
        words = ["%s=%s" % (name, value) for name, values in fields.items() for value in (values if isinstance(values, list) else [values])]
        return self.ask("record stage=%s epoch=%d step=%d %s" % (stage, epoch, step, " ".join(words)))

    def stats(self):
        return json.loads(self.ask("stats"))

    def stderr(self):
        self.errors.seek(0)
        return self.errors.read().decode("utf-8", "replace")

    def end(self, expect=0):
        """End of its input; its exit code must be as expected and no sanitizer may have complained.  What it said on stderr."""
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        code = self.process.wait(30)
        text = self.stderr()
        if code != expect or SANITIZER.search(text):
            raise AssertionError("the job ended with %d: %s" % (code, text))
        return text

    def release(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        self.errors.close()


class ClientTest(ApiTest):
    """One server for the module; each test has a spool folder and run ids of its own."""

    @classmethod
    def setUpClass(cls):
        if ClientTest.server is None:
            ClientTest.server = TallyServer().start()
            unittest.addModuleCleanup(ClientTest.close_server)

    @classmethod
    def tearDownClass(cls):
        pass

    @staticmethod
    def close_server():
        server, ClientTest.server = ClientTest.server, None
        server.close()

    server = None

    def setUp(self):
        self.spool = tempfile.mkdtemp(prefix="tally-spool-")
        self.addCleanup(shutil.rmtree, self.spool, True)

    def start(self, name=None, **env):
        job = Job(job_environment(**{"TALLY_URL": self.server.url, "TALLY_SPOOL_DIR": self.spool, **env}), name or VARIANT)
        self.addCleanup(job.release)
        return job

    def run_program(self, name, *arguments, expect=0, **env):
        done = subprocess.run([program(name), *map(str, arguments)], env=job_environment(**{"TALLY_URL": self.server.url, "TALLY_SPOOL_DIR": self.spool, **env}),
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, check=False)
        self.assertEqual(done.returncode, expect, done.stderr.decode())
        self.assertIsNone(SANITIZER.search(done.stderr.decode()), done.stderr.decode())
        return done.stdout.decode(), done.stderr.decode()

    def sync(self, *arguments, expect=0):
        """The Python client's command."""
        done = subprocess.run([sys.executable, "-m", "tally.cli", "sync", *map(str, arguments)], env=job_environment(), stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=40, check=False)
        self.assertEqual(done.returncode, expect, done.stdout.decode())
        return done.stdout.decode()

    def sessions(self):
        return [folder for folder, _, files in os.walk(self.spool) if "meta.json" in files]

    def segments(self):
        return sorted(os.path.join(folder, name) for folder, _, files in os.walk(self.spool) for name in files if name.endswith(".seg"))

    def wait_for_spool(self, job):
        """All that was logged is on disk, or where else the spool is."""
        job.ask("flush 0.01")
        wait_until(lambda: job.stats()["queued"] == 0, what="the spool")

    def document(self, run, server=None):
        answer = (server or self.server).get(self.path(run))
        self.assertEqual(answer.status, 200, answer)
        return answer.json()

    def epoch(self, run, stage="train", metric="accuracy", epoch=0, server=None, **query):
        answer = (server or self.server).get(self.path(run, "epochs"), stage=stage, metric=metric, epoch=epoch, **query)
        self.assertEqual(answer.status, 200, answer)
        entries = answer.json()["epochs"]
        return entries[0] if entries else None
