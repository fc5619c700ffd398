"""What the tests of the Python client share: a real server, a spool folder of their own, and jobs in processes of their own."""
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PACKAGE = os.path.join(ROOT, "clients", "python")
for folder in (os.path.join(ROOT, "tests", "api"), PACKAGE):
    if folder not in sys.path:
        sys.path.insert(0, folder)
LAUNCHERS = ("TALLY", "_TALLY", "RANK", "WORLD_SIZE", "LOCAL_", "SLURM_", "TORCHELASTIC_", "OMPI_", "PMI", "LSB_", "PBS_", "FLUX_", "JOB_ID")
for variable in [v for v in os.environ if v.startswith(LAUNCHERS) and v not in ("TALLY_BIN", "TALLY_SEED")]:
    del os.environ[variable]

import tally  # noqa: E402  pylint: disable=wrong-import-position
from tally_server import ApiTest, TallyServer, wait_until  # noqa: E402  pylint: disable=wrong-import-position

__all__ = ["ClientTest", "TallyServer", "ApiTest", "tally", "job_environment", "wait_until", "ROOT", "PACKAGE", "NOWHERE"]
NOWHERE = "http://127.0.0.1:9"  # the port "discard": nobody listens


def job_environment(**extra):
    env = {k: v for k, v in os.environ.items() if not k.startswith(LAUNCHERS)}
    env.update({"PYTHONPATH": PACKAGE, **{k: str(v) for k, v in extra.items()}})
    return env


class ClientTest(ApiTest):
    """One server for the class; each test has a spool folder and run ids of its own."""

    def setUp(self):
        self.spool = tempfile.mkdtemp(prefix="tally-spool-")
        self.addCleanup(shutil.rmtree, self.spool, True)

    def init(self, project="client", name=None, **options):
        options.setdefault("id", self.new_run())
        options.setdefault("url", self.server.url)
        options.setdefault("spool_dir", self.spool)
        options.setdefault("env", False)
        options.setdefault("exit_seconds", 30)  # for a machine that is busy with other things
        run = tally.init(project, name, **options)
        self.addCleanup(run._end, None, 0.2)
        return run

    def sessions(self):
        """The folders of sessions that are left."""
        return [folder for folder, _, files in os.walk(self.spool) if "meta.json" in files]

    def start_job(self, code, *arguments, **env):
        """A process that runs the code with the package in its path."""
        process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env=job_environment(**{"TALLY_URL": self.server.url, "TALLY_SPOOL_DIR": self.spool, **env}))
        self.addCleanup(self.end_job, process)
        return process

    def end_job(self, process):
        if process.poll() is None:
            process.kill()
            process.communicate()
        for pipe in (process.stdout, process.stderr):
            pipe.close()

    def run_job(self, code, *arguments, expect=0, **env):
        process = self.start_job(code, *arguments, **env)
        out, err = process.communicate(timeout=40)
        if expect is not None:
            self.assertEqual(process.returncode, expect, err.decode())
        return out.decode(), err.decode()

    def sync(self, *arguments, expect=0):
        done = subprocess.run([sys.executable, "-m", "tally.cli", "sync", *map(str, arguments)], env=job_environment(), stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=40, check=False)
        self.assertEqual(done.returncode, expect, done.stdout.decode())
        return done.stdout.decode()

    def document(self, run):
        answer = self.server.get(self.path(run if isinstance(run, str) else run.id))
        self.assertEqual(answer.status, 200, answer)
        return answer.json()

    def epoch(self, run, stage="train", metric="accuracy", epoch=0, **query):
        entries = self.ask(run if isinstance(run, str) else run.id, "epochs", stage=stage, metric=metric, epoch=epoch, **query)["epochs"]
        return entries[0] if entries else None
