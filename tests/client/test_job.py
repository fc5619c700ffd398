"""Who a process is: rank, run and attempt from what launchers put into the environment; the package itself."""
import inspect
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

from client import PACKAGE, ROOT, job_environment, tally
from tally import _job
from tally._job import Launch


class Job(unittest.TestCase):
    def test_rank_and_size(self):
        for environ, rank, size in (({}, 0, 1), ({"RANK": "3", "WORLD_SIZE": "8", "LOCAL_RANK": "1"}, 3, 8), ({"SLURM_PROCID": "2", "SLURM_NTASKS": "4"}, 2, 4),
                                    ({"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2"}, 1, 2), ({"LOCAL_RANK": "1", "WORLD_SIZE": "2"}, 1, 2),
                                    ({"LOCAL_RANK": "1", "NODE_RANK": "2", "LOCAL_WORLD_SIZE": "4", "WORLD_SIZE": "12"}, 9, 12), ({"RANK": "x"}, 0, 1)):
            self.assertEqual((_job.find_rank(environ), _job.find_world_size(environ)), (rank, size), environ)

    def test_all_ranks_come_to_the_same_run_and_attempt(self):
        for common in ({"TORCHELASTIC_RUN_ID": "job/7", "TORCHELASTIC_RESTART_COUNT": "2"}, {"TORCHELASTIC_RUN_ID": "none", "SLURM_JOB_ID": "9", "SLURM_RESTART_COUNT": "1"},
                       {"TALLY_RUN": "mine", "TALLY_ATTEMPT": "second"}, {"PBS_JOBID": "1.host"}, {"LOCAL_WORLD_SIZE": "4"}):
            launches = [Launch("base", None, rank, 4, {**common, "RANK": str(rank)}) for rank in range(4)]
            self.assertEqual(len({(launch.run, launch.attempt) for launch in launches}), 1, common)
            self.assertTrue(launches[0].shared)
            self.assertRegex(launches[0].run, r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")
        self.assertFalse(Launch("base", None, 1, 4, {}).shared)

    def test_a_restart_is_another_attempt_of_the_same_run(self):
        starts = [Launch("base", None, 0, 64, {"SLURM_JOB_ID": "9", "SLURM_RESTART_COUNT": str(n)}) for n in range(3)]
        self.assertEqual(len({s.run for s in starts}), 1)
        self.assertEqual(len({s.attempt for s in starts}), 3)
        self.assertEqual(starts[2].earlier, [starts[0].attempt, starts[1].attempt])

    def test_without_a_launcher_each_run_is_new(self):
        with mock.patch.dict(os.environ, clear=True):
            self.assertNotEqual(Launch("b", None, 0, 1, {}).run, Launch("b", None, 0, 1, {}).run)

    def test_a_child_inherits_the_run_only_as_a_further_rank_of_the_same(self):
        handed = {_job.HANDED_DOWN: "1 base the-run the-attempt"}
        self.assertEqual(Launch("base", None, 1, 2, handed).run, "the-run")
        self.assertNotEqual(Launch("base", None, 0, 1, handed).run, "the-run")
        self.assertNotEqual(Launch("other", None, 1, 2, handed).run, "the-run")


class Package(unittest.TestCase):
    def test_versions_agree(self):
        with open(os.path.join(PACKAGE, "pyproject.toml"), encoding="utf-8") as f:
            self.assertIn('version = "%s"' % tally.__version__, f.read())

    def test_importing_it_needs_the_standard_library_only(self):
        code = "import sys; before = set(sys.modules); import tally, tally.cli; print(sorted({m.split('.')[0] for m in set(sys.modules) - before} - set(sys.stdlib_module_names)))"
        done = subprocess.run([sys.executable, "-S", "-c", code], env=job_environment(), stdout=subprocess.PIPE, check=True)
        self.assertEqual(done.stdout.decode().strip(), "['tally']")

    def test_pip_installs_it_offline(self):
        """Into a folder, without build isolation: the setuptools that is there builds it."""
        with tempfile.TemporaryDirectory(prefix="tally-pip-") as folder:
            source = os.path.join(folder, "source")
            shutil.copytree(PACKAGE, source, ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))
            python = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable
            probe = subprocess.run([python, "-c", "import setuptools, pip, wheel"], stderr=subprocess.DEVNULL, check=False)
            if probe.returncode:
                self.skipTest("no pip, setuptools and wheel")
            done = subprocess.run([python, "-m", "pip", "install", "--no-build-isolation", "--no-index", "--quiet", "--disable-pip-version-check",
                                   "--root-user-action=ignore", "--target", os.path.join(folder, "there"), source],
                                  env={**job_environment(), "PYTHONPATH": ""}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False)
            self.assertEqual(done.returncode, 0, done.stdout.decode())
            there = os.path.join(folder, "there")
            self.assertTrue(os.path.exists(os.path.join(there, "tally", "py.typed")))
            shown = subprocess.run([python, os.path.join(there, "bin", "tally-client"), "sync", "--help"], env=job_environment(PYTHONPATH=there), stdout=subprocess.PIPE, check=True)
            self.assertIn(b"spool folder", shown.stdout)


def lines_of(example):
    with open(os.path.join(PACKAGE, "examples", example), encoding="utf-8") as f:
        return [line.strip() for line in f]


class Documents(unittest.TestCase):
    def test_the_readme_shows_two_lines_of_each_example(self):
        with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as f:
            section = re.search(r"### From Python: two lines\n.*?```python\n(.*?)```", f.read(), re.S).group(1)
        shown = re.findall(r"^# .*: clients/python/examples/(\w+\.py)\n((?:.+\n)+)", section, re.M)
        self.assertEqual([name for name, _ in shown], ["plain_python.py", "pytorch_loop.py", "lightning_blobs.py", "keras_fit.py", "huggingface_trainer.py"])
        for name, lines in shown:
            self.assertEqual(len(lines.splitlines()), 2, name)
            for line in lines.splitlines():
                self.assertIn(line, lines_of(name), name)

    def test_the_document_shows_the_examples_and_knows_every_option(self):
        with open(os.path.join(ROOT, "docs", "python.md"), encoding="utf-8") as f:
            text = f.read()
        for name in sorted(re.findall(r"<!-- from (\S+) -->", text)):
            block = re.search(r"<!-- from %s -->\n```python\n(.*?)```" % re.escape(name), text, re.S).group(1)
            for line in block.strip().splitlines():
                if line.strip() not in ("", "..."):
                    self.assertIn(line.strip(), lines_of(name), name)
        for function in (tally.init, tally.Run.stage, tally.Run.log_predictions):
            for parameter in inspect.signature(function).parameters:
                if parameter != "self":
                    self.assertRegex(text, r"`[^`]*\b%s\b" % parameter, "%s of %s" % (parameter, function.__name__))
        for variable in ("TALLY_URL", "TALLY_TOKEN", "TALLY_RUN", "TALLY_ATTEMPT", "TALLY_SPOOL_DIR"):
            self.assertIn(variable, text)

    def test_the_document_lists_every_torchmetrics_class_that_is_tested(self):
        sys.path.insert(0, os.path.join(ROOT, "tests", "integrations"))
        try:
            from catalogue import CATALOGUE
        finally:
            del sys.path[0]
        with open(os.path.join(ROOT, "docs", "python.md"), encoding="utf-8") as f:
            rows = re.findall(r"^\| `(\w+)` \| ([\w ]*)\|([\w ]*)\|([\w ]*)\|", f.read(), re.M)
        listed = set()
        for name, *marks in rows:
            listed |= {prefix + name for prefix, mark in zip(("Binary", "Multiclass", "Multilabel"), marks) if mark.strip() == "yes"}
            listed |= {name} if "as it is" in marks[0] else set()
        self.assertEqual(listed, {case.kind for case in CATALOGUE})


if __name__ == "__main__":
    unittest.main()
